"""One native thread for what belongs to no caller: in order, and never on the hub thread.

What a caller's operation causes runs in the caller's place (`greenmongo._hub.upcall`). Here runs
what monitors and pools tell listeners and logs by themselves, and what is left to say once a caller
has left. A listener that blocks holds up only those behind it, and no operation.

The thread starts when there is something to run, and ends when there was nothing for a while. A
forked child has not got it, and gets none of what the parent had for it.
"""

from __future__ import annotations

import atexit
import logging
import os
from collections import deque
from threading import current_thread
from typing import TYPE_CHECKING

from greenmongo._hub.native import RLock, allocate_lock, get_ident, start_new_thread
from greenmongo._hub.one_shot import new_one_shot

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["run_in_background", "wait_for_background"]

LINGER = 1.0
"""Seconds after which the thread ends if there is nothing to run."""

EXIT_TIMEOUT = 2.0
"""Seconds that the process waits for it at its end."""

logger = logging.getLogger("greenmongo.listeners")


class _Background:
    """The queue of one process, and its thread."""

    def __init__(self) -> None:
        self._jobs: deque[Callable[[], object]] = deque()
        # Reentrant: garbage collection may run a finaliser that calls `put` in the middle of `put`.
        self._lock = RLock()
        self._wake_up = allocate_lock()
        self._wake_up.acquire()
        self._is_running = False
        self.linger = LINGER
        self.ident = 0
        """The thread's number, 0 while there is none."""

    def put(self, job: Callable[[], object]) -> None:
        """Run a job after those before it. Any side; neither waits nor raises.

        While no thread can start, the jobs wait for the next that is put, or the process's end.
        """
        with self._lock:
            self._jobs.append(job)
            if self._is_running:
                self._wake()
                return
            self._is_running = True
            try:
                start_new_thread(self._run, ())
            except (RuntimeError, MemoryError):
                self._is_running = False

    def end(self, timeout: float) -> None:
        """Run what is left, and end the thread if that is done in time. Any other thread."""
        done = allocate_lock()
        done.acquire()
        with self._lock:
            if not self._is_running:
                self._run_all()
                return
            self.linger = 0.0
            self._jobs.append(done.release)
            self._wake()
        done.acquire(True, timeout)

    def _wake(self) -> None:
        if self._wake_up.locked():
            self._wake_up.release()

    def _run(self) -> None:
        self.ident = get_ident()
        # Log records show it.
        current_thread().name = "greenmongo-events"
        while self._goes_on():
            self._run_all()
            self._wake_up.acquire(True, self.linger)

    def _run_all(self) -> None:
        while self._jobs and self is _state.background:
            _perform(self._jobs.popleft())

    def _goes_on(self) -> bool:
        """Return whether there is more to run; if not, the next job starts another thread."""
        with self._lock:
            # In a child that a listener has forked, this is no longer the process's.
            if self._jobs and self is _state.background:
                return True
            self._is_running = False
            self.ident = 0
            return False


def _perform(job: Callable[[], object]) -> None:
    try:
        job()
    except BaseException:
        # Even SystemExit: those behind have nothing to do with it.
        logger.exception("What ran in the background failed: %r", job)


class _ProcessState:
    def __init__(self) -> None:
        self.background = _Background()


_state = _ProcessState()


def run_in_background(job: Callable[[], object]) -> None:
    """Have `job()` called in the background thread, in order. Any side; never waits or raises."""
    _state.background.put(job)


def wait_for_background(timeout: float) -> bool:
    """Wait until what was put so far has run; return whether it has. Any side.

    Args:
        timeout: seconds to wait at most.
    """
    background = _state.background
    if get_ident() == background.ident:
        return False
    shot = new_one_shot("waiting for listeners")
    background.put(lambda: shot.set(None, None))
    return shot.wait(timeout)


def _end_at_exit() -> None:
    _state.background.end(EXIT_TIMEOUT)


def _forget_after_fork() -> None:
    _state.background = _Background()


# Before that of the hub thread, and so called behind it, when there is nothing new to tell.
atexit.register(_end_at_exit)
os.register_at_fork(after_in_child=_forget_after_fork)
