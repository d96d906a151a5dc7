"""What a server's refusal means: which error it is, and what the deployment is told. Hub side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymongo.errors import NotPrimaryError

from greenmongo._core.change_stream_plan import labelled_as_resumable
from greenmongo._core.command import ReplyShape
from greenmongo._core.reply import command_error
from greenmongo._core.server_codes import STATE_CHANGE_CODES

if TYPE_CHECKING:
    from pymongo.errors import PyMongoError

    from greenmongo._core.command import Command
    from greenmongo._core.types import Document
    from greenmongo._net.connection import Connection
    from greenmongo._net.operation_context import OperationContext
    from greenmongo._net.server import Server

__all__ = ["error_of", "report_write_concern"]


def error_of(command: Command, document: Document, connection: Connection) -> PyMongoError:
    """Return what a reply that is no success says, with the labels that it should have."""
    error = command_error(document)
    known = connection.description
    if known is None or command.shape is not ReplyShape.NEXT_BATCH:
        return error
    return labelled_as_resumable(error, known.max_wire_version)


def report_write_concern(
    context: OperationContext, document: Document, server: Server, connection: Connection
) -> None:
    """Report that the primary steps down, if that is why a write concern failed.

    SDAM, "'not writable primary' and 'node is recovering'", counts its error like one of the
    command.
    """
    failure = document["writeConcernError"]
    if failure.get("code") in STATE_CHANGE_CODES:
        version = document.get("topologyVersion")
        context.topology.report_error(
            server.address,
            NotPrimaryError(failure.get("errmsg", ""), {**failure, "topologyVersion": version}),
            connection,
        )
