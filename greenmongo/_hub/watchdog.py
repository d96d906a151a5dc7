"""Watches a hub from a native thread of its own, and tells the log what holds it.

Whoever computes or blocks on the hub thread keeps every operation of the process waiting. The
hub counts its turns; if the count stands still while some function runs, the function's stack is
logged. The thread looks often while the hub is at work and not at all while it is idle: before it
goes to sleep it asks the hub to wake it at its next iteration.

A look costs two attributes. Stacks are taken only for the log: before Python 3.12 the interpreter
may freeze if garbage is collected at the moment it takes them.
"""

from __future__ import annotations

import gc
import logging
import sys
import time
import traceback
from time import monotonic
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from gevent.hub import Hub

from greenmongo._hub.call import Call
from greenmongo._hub.native import allocate_lock, get_ident, start_new_thread
from greenmongo._hub.workers import Worker

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType

    from greenmongo._hub.outbox import Outbox

__all__ = ["Watchdog", "never_blocks"]

P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger("greenmongo.hub")

LIMIT = 0.1
"""Seconds that one iteration of the hub's loop may take."""

PERIOD = 0.025
"""Seconds between two looks at a hub at work."""

IDLE_LOOKS = 8
"""Looks at an idle hub after which the watchdog sleeps."""

_MACHINERY = {Hub.run.__code__, Worker._work.__code__, Call.execute.__code__}
"""What is on whatever the hub calls."""

_NEVER_BLOCKING: set[CodeType] = set()


def never_blocks(fn: Callable[P, T]) -> Callable[P, T]:
    """Mark a function none of whose system calls waits.

    Whoever is in one for long waits for the interpreter, which other threads have.
    """
    _NEVER_BLOCKING.add(fn.__code__)
    return fn


class Watchdog:
    """The watchdog of one hub thread. Made on that thread.

    Args:
        outbox: counts the hub's turns.
        ask: has a function called on the hub, soon; must not raise.
    """

    def __init__(self, hub: Hub, outbox: Outbox, ask: Callable[[Callable[[], None]], object]):
        self._ident = get_ident()
        self._cpu_clock = _cpu_clock(self._ident)
        self._outbox = outbox
        self._ask = ask
        self._is_over = False
        # Before whatever else the iteration brings.
        self._at_next_iteration = hub.loop.check(
            ref=False,
            priority=hub.loop.MAXPRI,  # type: ignore[attr-defined]  # stub lacks it
        )
        # Locked until the hub has something to tell; only the hub unlocks it.
        self._bell = allocate_lock()
        self._bell.acquire()
        self._gone = allocate_lock()
        self._gone.acquire()
        start_new_thread(self._watch, ())

    def keep_still(self) -> None:
        """Tell nothing any more. Any side."""
        self._is_over = True

    # ---- hub side -------------------------------------------------------------------------

    def stop(self, timeout: float) -> None:
        """End the watchdog's thread and wait until it is gone; in vain if its log handler hangs."""
        self._is_over = True
        self._ring()
        self._gone.acquire(True, timeout)
        self._at_next_iteration.stop()
        self._at_next_iteration.close()

    def _arm(self) -> None:
        if not self._is_over:
            self._at_next_iteration.start(self._awake)

    def _awake(self) -> None:
        self._at_next_iteration.stop()
        self._ring()

    def _ring(self) -> None:
        if self._bell.locked():
            self._bell.release()

    # ---- its own thread -------------------------------------------------------------------

    def _watch(self) -> None:
        try:
            while not self._is_over:
                self._watch_while_at_work()
                self._ask(self._arm)
                # If the last look has taken the bell's ring, it was for the end.
                if not self._is_over:
                    self._bell.acquire()
        finally:
            self._gone.release()

    def _watch_while_at_work(self) -> None:
        """Look again and again until the hub has been idle for a while, or is to stop."""
        idle_looks, iteration, is_told = 0, -1, False
        since = looked = monotonic()
        cpu_before = self._cpu()
        suspect: FrameType | None = None
        suspected = 0.0
        while idle_looks < IDLE_LOOKS and not self._is_over:
            self._bell.acquire(True, PERIOD)
            now, cpu = monotonic(), self._cpu()
            last, (iteration, is_idle) = iteration, self._look()
            idle_looks = idle_looks + 1 if is_idle and iteration == last else 0
            # Late itself, it cannot tell who keeps whom waiting, unless the hub computes.
            is_fair = now - looked < 2 * PERIOD or cpu - cpu_before > (now - looked) / 2
            if is_idle or iteration != last or not is_fair:
                since, suspected = now, 0.0
                is_told = is_told and not is_idle and iteration == last
            elif now - since >= LIMIT / 2 and not is_told:
                frame = _frame_of(self._ident)
                function = _function_on(frame)
                if function is None or function is not suspect:
                    # One function after another is on: the hub gets on, if slowly. There are many,
                    # or other threads keep the interpreter from it.
                    suspect, suspected = function, now
                elif now - suspected >= LIMIT / 2 and now - since >= LIMIT and not self._is_over:
                    is_told = True
                    _tell(frame, now - since)
                del frame, function
            if is_told or not suspected:
                # It would keep alive all that the function holds.
                suspect = None
            looked, cpu_before = now, cpu

    def _look(self) -> tuple[int, bool]:
        """Return which iteration the hub is at, and whether it waits for I/O."""
        return self._outbox.iterations, self._outbox.is_idle

    def _cpu(self) -> float:
        """Return the seconds that the hub thread has computed; 0 where nobody counts them."""
        return 0.0 if self._cpu_clock is None else time.clock_gettime(self._cpu_clock)


def _cpu_clock(ident: int) -> Any:
    clock_of = getattr(time, "pthread_getcpuclockid", None)
    return None if clock_of is None else clock_of(ident)


def _frame_of(ident: int) -> FrameType | None:
    """Return where a thread is, without the garbage collection that may freeze the interpreter."""
    is_collecting = gc.isenabled()
    gc.disable()
    try:
        return sys._current_frames().get(ident)
    finally:
        if is_collecting:
            gc.enable()


def _function_on(frame: FrameType | None) -> FrameType | None:
    """Return what the hub has called last, None while it calls nothing or only has to go on."""
    function = None
    if frame is not None and frame.f_code in _NEVER_BLOCKING:
        return None
    while frame is not None:
        if frame.f_code not in _MACHINERY:
            function = frame
        frame = frame.f_back
    return function


def _tell(frame: FrameType | None, seconds: float) -> None:
    logger.warning(
        "The hub thread has been held for %.2f s, during which no operation gets on. It is in:\n%s",
        seconds,
        "".join(traceback.format_stack(frame)).rstrip(),
    )
