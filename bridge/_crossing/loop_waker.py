"""Wakes an asyncio loop from another thread.

What `call_soon_threadsafe` sends through the loop's own pipe, the loop reads until nothing is left,
and wakes once more for the callback. At each system call another thread may take the interpreter,
and a busy one keeps it for five milliseconds. An event counter of our own (eventfd) takes
one to wake the loop and one to read.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING
from weakref import finalize

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

__all__ = ["LoopWaker", "new_loop_waker"]


class LoopWaker(ABC):
    """Has `on_wake` called in a loop: at least once after the last `wake`."""

    @abstractmethod
    def wake(self) -> None:
        """Wake the loop. Any thread; neither blocks nor raises, not even if the loop is closed."""


def new_loop_waker(loop: asyncio.AbstractEventLoop, on_wake: Callable[[], object]) -> LoopWaker:
    """Return the best waker there is for a loop. The loop keeps `on_wake` while the waker lives.

    In the loop's thread.
    """
    if hasattr(os, "eventfd"):
        try:
            return EventFdWaker(loop, on_wake)
        except (NotImplementedError, OSError):
            # A loop without readers, or no descriptor is left.
            pass
    return CallSoonWaker(loop, on_wake)


class EventFdWaker(LoopWaker):
    """Writes to an event counter that the loop reads."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_wake: Callable[[], object]) -> None:
        self._counter = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        try:
            loop.add_reader(self._counter, _on_readable, self._counter, on_wake)
        except BaseException:
            os.close(self._counter)
            raise
        finalize(self, _take_down, loop, self._counter, os.getpid()).atexit = False

    def wake(self) -> None:
        os.eventfd_write(self._counter, 1)


def _on_readable(counter: int, on_wake: Callable[[], object]) -> None:
    try:
        os.eventfd_read(counter)
    except BlockingIOError:
        # Woken for nothing.
        return
    on_wake()


def _take_down(loop: asyncio.AbstractEventLoop, counter: int, pid: int) -> None:
    """Close a counter; in its own loop, if that still waits for it."""
    if os.getpid() == pid:
        try:
            loop.call_soon_threadsafe(_forget, loop, counter)
        except RuntimeError:
            # The loop is closed and has forgotten its readers.
            os.close(counter)
    else:
        # A forked child: the loop is the parent's.
        os.close(counter)


def _forget(loop: asyncio.AbstractEventLoop, counter: int) -> None:
    loop.remove_reader(counter)
    os.close(counter)


class CallSoonWaker(LoopWaker):
    """For loops without readers, and systems without event counters."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_wake: Callable[[], object]) -> None:
        self._loop = loop
        self._on_ring = on_wake

    def wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._on_ring)
        except RuntimeError:
            # The loop is closed; its tasks are gone and nobody waits.
            return
