"""The session of one operation: which one, what it adds to the command, what comes of it.

Hub side only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenmongo._core.sdam.kinds import ServerKind
from greenmongo._core.sessions import command_fields

if TYPE_CHECKING:
    from pymongo.errors import PyMongoError

    from greenmongo._core.command import Command
    from greenmongo._core.sessions.client_session import SessionState
    from greenmongo._core.types import Document
    from greenmongo._net.connection import Connection
    from greenmongo._net.operation_context import OperationContext

__all__ = ["absorb_abandonment", "absorb_error", "absorb_reply", "numbered_write", "session_for"]


def session_for(
    context: OperationContext,
    command: Command,
    connection: Connection,
) -> SessionState | None:
    """Return the session of an operation whose caller has given none: its cursor's, or another.

    Driver Sessions, "Sessions and Connections": an implicit session gets its server session only
    after a connection was checked out, or those who wait for one would hold one each.

    Returns:
        None where there is none: the server has no sessions, or the write is unacknowledged.
    """
    # Asked of the connection: what the topology knew of the server may be lost by now.
    known = connection.description
    if command.lease is not None and command.lease.session is not None:
        return command.lease.session
    if known is None or not command.acknowledged:
        return None
    return context.sessions.acquire(known.logical_session_timeout_minutes)


def numbered_write(
    context: OperationContext, session: SessionState | None, connection: Connection
) -> int | None:
    """Return the transaction number of a retryable write, None if it is to have none.

    Retryable Writes, "Supported Server Versions": a standalone has no retryable writes, nor has
    a server without sessions.
    """
    if session is None or not context.options.retry_writes:
        return None
    known = connection.description
    if known is None or known.kind is ServerKind.STANDALONE:
        return None
    return session.server_session.next_txn_number()


def absorb_reply(context: OperationContext, session: SessionState | None, reply: Document) -> None:
    """Keep what a reply, of an error too, says to the client and to the session."""
    # Driver Sessions, "Receiving the current cluster time".
    cluster_time = reply.get("$clusterTime")
    if cluster_time is not None:
        context.sessions.advance(cluster_time)
    if session is not None and not session.is_implicit:
        command_fields.absorb_reply(session, reply)


def absorb_error(session: SessionState | None, error: PyMongoError) -> None:
    """Keep what it means for the session that a command was sent and failed."""
    if session is not None:
        command_fields.absorb_error(session, error)


def absorb_abandonment(session: SessionState | None) -> None:
    """Keep that what runs in the session may run on for a while."""
    if session is not None:
        command_fields.absorb_abandonment(session)
