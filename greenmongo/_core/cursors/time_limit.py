"""How a timeout limits a cursor: its whole life, or each call (CSOT, "Cursors")."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Literal, TypeAlias

from pymongo.errors import ConfigurationError

from greenmongo._core.deadline import Deadline

if TYPE_CHECKING:
    from greenmongo._core.command import Command

__all__ = ["CursorTimeLimit", "TimeoutMode", "check_await_time"]

TimeoutMode: TypeAlias = Literal["cursorLifetime", "iteration"]
"""What a cursor's timeout goes for: all that is done for it together, or each call by itself."""

_MODES = ("cursorLifetime", "iteration")


class CursorTimeLimit:
    """The timeout of a cursor that was created with a `timeout_mode`.

    It holds wherever the cursor is used later, which may be outside of the block that it is from.

    Args:
        mode: what it goes for.
        seconds: the timeout; 0.0 is for ever, None is none at all.

    Raises:
        TypeError, ValueError: there is no such mode.
        ConfigurationError: there is no timeout.
    """

    __slots__ = ("_deadline", "_mode", "seconds")

    def __init__(self, mode: TimeoutMode, seconds: float | None) -> None:
        if not isinstance(mode, str):
            raise TypeError(f"timeout_mode must be an instance of str, not {type(mode)}")
        if mode not in _MODES:
            raise ValueError(f"timeout_mode must be one of {_MODES}, not {mode!r}")
        if seconds is None:
            raise ConfigurationError(
                "timeout_mode needs a timeout: the client's timeoutMS, or a block of timeout()"
            )
        self._mode: TimeoutMode = mode
        self.seconds = seconds or inf
        self._deadline: Deadline | None = None
        """Of the cursor's life, from its first command on; or of the present call."""

    @property
    def is_for_life(self) -> bool:
        """Whether it goes for all that is done for the cursor together."""
        return self._mode == "cursorLifetime"

    def anew(self) -> CursorTimeLimit:
        """Return the limit of a cursor like this one that has not begun."""
        return CursorTimeLimit(self._mode, self.seconds)

    def check(self, *, is_tailable: bool = False, writes: bool = False) -> None:
        """Refuse what makes no sense ("Non-tailable Cursors", "Tailable Cursors").

        Args:
            is_tailable: the cursor has no end.
            writes: it is of a pipeline that writes what it finds.

        Raises:
            ConfigurationError: the mode does not suit it.
        """
        if is_tailable and self.is_for_life:
            raise ConfigurationError('a tailable cursor takes timeout_mode="iteration" alone')
        if writes and not self.is_for_life:
            raise ConfigurationError(
                'a pipeline with $out or $merge takes timeout_mode="cursorLifetime" alone'
            )

    def begin_call(self, now: float) -> None:
        """Give a call its time, if each has its own."""
        if not self.is_for_life:
            self._deadline = Deadline(now + self.seconds, self.seconds)

    def first(self, command: Command, now: float, *, awaits_data: bool = False) -> Command:
        """Return the command that opens the cursor, with its time limit.

        The server would take a `maxTimeMS` of it for the cursor's whole life, unless the cursor
        waits for news.
        """
        self._deadline = Deadline(now + self.seconds, self.seconds)
        takes_max_time = command.takes_max_time and (self.is_for_life or awaits_data)
        return command._replace(deadline=self._deadline, takes_max_time=takes_max_time)

    def further(self, command: Command, now: float) -> Command:
        """Return a command that reads on, with its time limit."""
        deadline = self._deadline or Deadline(now + self.seconds, self.seconds)
        return command._replace(deadline=deadline)

    def last(self, command: Command, now: float) -> Command:
        """Return the command that closes the cursor, which has the whole time once more."""
        return command._replace(deadline=Deadline(now + self.seconds, self.seconds))


def check_await_time(max_await_time_ms: int | None, limit: float | None) -> None:
    """Refuse to have the server wait for as long as the caller, or longer.

    CSOT, "Tailable awaitData Cursors" and "Change Streams".

    Args:
        max_await_time_ms: of the cursor.
        limit: the seconds of timeoutMS; 0 and None are no limit.

    Raises:
        ConfigurationError: it is not less.
    """
    if limit and isinstance(max_await_time_ms, int) and max_await_time_ms >= limit * 1000:
        raise ConfigurationError(
            f"max_await_time_ms must be less than the timeout: {max_await_time_ms} ms is not less "
            f"than {limit * 1000:g} ms"
        )
