"""Databases and collections with a time limit of their own (CSOT, "timeoutMS")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenmongo._core.deadline import seconds_of
from greenmongo._net.session_limit import limited
from greenmongo._net.time_limit import timeout_of_caller

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from greenmongo._api.configured import CommandExecutor
    from greenmongo._core.bulk.batches import WriteLimits
    from greenmongo._core.command import Command, Reply
    from greenmongo._core.sessions.client_session import SessionLike
    from greenmongo._net.observers.tracing import Tracing

__all__ = ["TimedExecutor", "timed"]


class TimedExecutor:
    """Runs commands as another executor does, with a time limit in place of the client's.

    Args:
        executor: the other one.
        seconds: the limit of one operation; 0.0 is for ever.
    """

    def __init__(self, executor: CommandExecutor, seconds: float) -> None:
        self._executor = executor
        self._seconds = seconds

    @property
    def tracing(self) -> Tracing | None:
        """What makes spans of the operations; None: nothing does."""
        return self._executor.tracing

    def limits(self) -> WriteLimits:
        """Return what the deployment accepts in one write."""
        return self._executor.limits()

    def new_operation_id(self) -> int:
        """Return a number that ties the commands of one operation together."""
        return self._executor.new_operation_id()

    def kill_cursor_later(self, command: Command) -> None:
        """Run a cursor's killCursors some time soon; never blocks, never fails."""
        self._executor.kill_cursor_later(command)

    def execute(self, command: Command, session: SessionLike | None = None) -> Reply:
        """Execute one command and return the server's answer."""
        with limited(self._seconds):
            return self._executor.execute(command, session)

    def as_one_operation(self) -> AbstractContextManager[None]:
        """Have the commands of a block share the time that one operation may take."""
        return limited(self._seconds)

    def timeout_of_caller(self) -> float | None:
        """Return the seconds that the caller's operations are given."""
        return timeout_of_caller(self._seconds)


def timed(executor: CommandExecutor, milliseconds: float | None) -> CommandExecutor:
    """Return an executor with another time limit; the same if there is none.

    Raises:
        TypeError, ValueError: it is no time.
    """
    if milliseconds is None:
        return executor
    plain = executor._executor if isinstance(executor, TimedExecutor) else executor
    return TimedExecutor(plain, seconds_of("timeout_ms", milliseconds))
