"""Run a command whose write concern is part of what it promises."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymongo.errors import OperationFailure

from greenmongo._core.reply import check_write_concern, write_concern_failure

if TYPE_CHECKING:
    from greenmongo._api.configured import CommandExecutor
    from greenmongo._core.command import Command, Reply
    from greenmongo._core.sessions.client_session import SessionLike

__all__ = ["run_checked"]


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
