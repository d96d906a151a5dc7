"""Replies that are looked at: for the write concern of a command, or for what the API reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from pymongo.errors import OperationFailure, ProtocolError

from greenmongo._core.reply import check_write_concern, write_concern_failure

if TYPE_CHECKING:
    from greenmongo._api.configured import CommandExecutor
    from greenmongo._core.command import Command, Reply
    from greenmongo._core.sessions.client_session import SessionLike

__all__ = ["field_of", "run_checked"]

T = TypeVar("T")


def run_checked(executor: CommandExecutor, command: Command, session: SessionLike | None) -> Reply:
    """Run a command and return the server's answer.

    Raises:
        WriteConcernError: the write concern was not met, whether the server calls that a success
            of the command or a failure.
    """
    try:
        reply = executor.execute(command, session)
    except OperationFailure as error:
        failure = write_concern_failure(dict(error.details or {}))
        if failure is None:
            raise
        raise failure from error
    check_write_concern(reply.document)
    return reply


def field_of(part: Any, field: str, kind: type[T]) -> T:
    """Return a field of a part of a reply.

    Raises:
        ProtocolError: it is not there, or of another kind.
    """
    value = part.get(field) if isinstance(part, Mapping) else part
    if not isinstance(part, Mapping) or not isinstance(value, kind):
        raise ProtocolError(f"{field} in a reply cannot be {value!r:.100}")
    return value
