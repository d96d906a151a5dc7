"""The hub thread while the process ends: it stands by for whoever still calls.

Functions that were registered with `atexit` before the driver was imported are called after the
driver's own. They may use a client; and no thread can be started for them any more. So the hub
thread does not end. It stands still, in a native lock, which an interpreter that ends does not
mind; and it goes on for as long as a call of the thread takes in which the process ends.
"""

from __future__ import annotations

from collections import deque
from time import monotonic
from typing import TYPE_CHECKING

import gevent

from greenmongo._hub.native import allocate_lock

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenmongo._hub.outbox import Outbox
    from greenmongo._hub.workers import Workers

__all__ = ["Standby"]

LOOK = 0.05
"""Seconds between two looks at a hub that is to stand still."""

LOOKS = 16
"""Looks at a hub that does not get on after which the process ends without it."""

PAUSE = 0.001
"""Seconds in which the hub runs between two looks whether calls are under way."""


class Standby:
    """One hub thread's, from the moment on at which the process ends.

    Args:
        workers: of the hub.
        outbox: of the hub.
        interrupt: throws out what computes on the hub and does not return.
    """

    def __init__(self, workers: Workers, outbox: Outbox, interrupt: Callable[[], object]) -> None:
        self._workers = workers
        self._outbox = outbox
        self._interrupt = interrupt
        self._jobs: deque[Callable[[], object]] = deque()
        self._at_work = allocate_lock()
        self._at_work.acquire()
        self._wake_up = allocate_lock()
        self._wake_up.acquire()

    # ---- the thread in which the process ends -----------------------------------------------

    def submit(self, job: Callable[[], object]) -> None:
        """Have `job()` called on the hub, and the hub go on until no call is under way."""
        self._jobs.append(job)
        if self._at_work.acquire(False):
            self._wake_up.release()

    def wait(self, timeout: float) -> bool:
        """Wait until the hub stands still; tell whether it does.

        It may be held by something that does not return: nobody wants to wait for that, or to be
        told of it. A hub at work crashes an interpreter that ends.

        Args:
            timeout: seconds to wait at most.
        """
        seen, looks = -1, 0
        deadline = monotonic() + timeout
        while looks < LOOKS and monotonic() < deadline:
            if self._at_work.acquire(True, LOOK):
                self._at_work.release()
                return True
            # Looks and not seconds: on a busy machine neither thread gets on.
            last, seen = seen, self._outbox.iterations
            looks = looks + 1 if seen == last else 0
            if looks == LOOKS // 2:
                self._interrupt()
        return False

    # ---- the hub thread's main greenlet -----------------------------------------------------

    def serve(self, run_callback: Callable[[Callable[[], object]], object]) -> None:
        """Stand still, and go on when there is something to do, again and again."""
        left = set(self._workers.busy)
        """They were told to end, and did not."""
        while True:
            self._at_work.release()
            if not self._jobs or not self._at_work.acquire(False):
                # Without a job, or woken for one just now.
                self._wake_up.acquire()
            while self._jobs or any(not each.is_resting for each in self._workers.busy - left):
                while self._jobs:
                    run_callback(self._jobs.popleft())
                gevent.sleep(PAUSE)
            # What was done is delivered.
            gevent.sleep(PAUSE)
