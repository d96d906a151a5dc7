"""Gives the hub thread its share of the interpreter while an event loop is busy.

A loop that always has a callback ready lets the GIL go at every poll and takes it back before the
hub thread has woken up; each time the interpreter's own forced switch starts its clock anew, so
the hub starves. While calls of such a loop are under way it therefore sleeps for an instant, twice
per millisecond and when another call was submitted, which hands the GIL over for certain. If the
hub has then begun an iteration of its loop, the event loop waits until that is over: the hub lets
the GIL go at each system call, and would wait for the next sleep after every one of them. On a loop
that is not busy the check finds nothing to do, and soon becomes rare.
"""

from __future__ import annotations

from time import monotonic, thread_time
from typing import TYPE_CHECKING

from greenmongo.lowlevel import native_sleep

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

__all__ = ["GilYielder"]

PERIOD = 0.0005
"""Seconds of loop time between two checks of a busy loop."""

LONGEST_PERIOD = 0.016
"""A loop found idle is checked half as often each time, down to this: a call may last for hours."""

GAP = 0.0002
"""Seconds that a busy loop may keep the GIL before it submits another call."""

BUSY = 0.5
"""The share of a period the loop's thread must have computed to count as busy."""

INSTANT = 1e-6
"""Seconds to sleep; what counts is that the GIL is let go by somebody who does not want it back."""


LONGEST_WAIT = 0.001
"""Seconds that a busy loop waits at most for the hub's iteration to end."""


class GilYielder:
    """Watches one asyncio loop while it has calls under way. Caller side.

    Args:
        wait_for_iteration: waits until the hub's loop has ended its iteration, or so many seconds.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, wait_for_iteration: Callable[[float], object]
    ) -> None:
        self._loop = loop
        self._wait_for_iteration = wait_for_iteration
        self.under_way = 0
        """Calls that have been submitted and have not ended; whoever makes them counts."""
        self.looks = True
        """Whether `look` has something to do; that it has not can be seen without a call."""
        self._is_checking = False
        self._period = PERIOD
        self._wall = 0.0
        self._cpu = 0.0
        self._slept = 0.0

    def look(self) -> None:
        """See to the hub's share; to be called when a call has been submitted."""
        if not self._is_checking:
            self._is_checking = True
            self.looks = False
            self._wall, self._cpu = monotonic(), thread_time()
            self._period = PERIOD
            self._loop.call_later(PERIOD, self._check)
        elif monotonic() - self._slept > GAP:
            self._sleep()

    def _check(self) -> None:
        wall, cpu = monotonic(), thread_time()
        is_busy = cpu - self._cpu > BUSY * (wall - self._wall)
        if is_busy:
            self._sleep()
            self._period = PERIOD
        else:
            self._period = min(2 * self._period, LONGEST_PERIOD)
        self._is_checking = self.under_way > 0
        self.looks = is_busy or not self._is_checking
        if not self._is_checking:
            return
        self._wall, self._cpu = monotonic(), cpu
        self._loop.call_later(self._period, self._check)

    def _sleep(self) -> None:
        native_sleep(INSTANT)
        self._wait_for_iteration(LONGEST_WAIT)
        self._slept = monotonic()
