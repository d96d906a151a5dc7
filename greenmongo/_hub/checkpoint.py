"""The checkpoint (Trio's word) between two chunks of long work: everybody else has a turn."""

from __future__ import annotations

from time import perf_counter

from gevent._hub_local import get_hub_if_exists
from gevent.hub import getcurrent

from greenmongo._hub.native import sleep

__all__ = ["Pace", "checkpoint"]

_INSTANT = 1e-6
"""Seconds; what counts is that the interpreter is let go by somebody who does not want it back."""

TURN = 0.001
"""Seconds of work after which others have their turn. To let them costs a tenth of it."""


class Pace:
    """When long work has its checkpoints: after each millisecond of it.

    Called wherever the work could be left, it has one if it is time.
    """

    __slots__ = ("_began",)

    def __init__(self) -> None:
        self._began = perf_counter()

    def __call__(self) -> None:
        """Have a checkpoint, if the last one was a millisecond ago. Any side."""
        if perf_counter() - self._began >= TURN:
            checkpoint()
            self._began = perf_counter()


def checkpoint() -> None:
    """Let the other greenlets of the calling thread's hub run, and other threads. Any side.

    In a thread without a hub there is nothing to do: the interpreter sees to it that all threads
    have their turn.
    """
    hub = get_hub_if_exists()
    if hub is None or getcurrent() is hub:
        return
    sleep(_INSTANT)
    # Not gevent.sleep(0), after which other callbacks run, but not always what waits for I/O.
    timer = hub.loop.timer(0.0)
    try:
        hub.wait(timer)
    finally:
        timer.close()
