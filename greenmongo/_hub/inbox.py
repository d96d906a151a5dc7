"""The entry queue of the hub thread: any thread puts jobs in, the hub runs them in order.

The wake-up is coalesced: one `async_.send()` per batch. The flag that says a wake-up is on its
way is cleared *before* the queue is drained; the other order loses wake-ups. The lock makes
`put` and `close` atomic towards each other, so that a job is either run or refused. It is
reentrant because garbage collection may run a finaliser that calls `put` in the middle of
`put`.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from greenmongo._hub.errors import HubClosed
from greenmongo._hub.native import RLock

if TYPE_CHECKING:
    from collections.abc import Callable

    from gevent._types import _Loop

__all__ = ["Inbox"]


class Inbox:
    """Jobs on their way into the hub thread; a job is a callable that must not raise."""

    def __init__(self, loop: _Loop, on_error: Callable[[BaseException], None]) -> None:
        self._jobs: deque[Callable[[], object]] = deque()
        self._lock = RLock()
        self._wake_up = loop.async_()
        self._is_waking = False
        self._is_closed = False
        self._on_error = on_error
        self._wake_up.start(self._drain)

    def __len__(self) -> int:
        return len(self._jobs)

    def put(self, job: Callable[[], object]) -> None:
        """Queue a job and wake the hub. Any side.

        Raises:
            HubClosed: the hub thread takes no more jobs; this one will not run.
        """
        with self._lock:
            if self._is_closed:
                raise HubClosed("the hub thread has stopped")
            self._jobs.append(job)
            if not self._is_waking:
                self._wake_up.send()
                self._is_waking = True

    def close(self) -> list[Callable[[], object]]:
        """Refuse every later job and return those that will not run. Hub side."""
        with self._lock:
            self._is_closed = True
            left = list(self._jobs)
            self._jobs.clear()
            self._wake_up.stop()
            self._wake_up.close()
        return left

    def _drain(self) -> None:
        with self._lock:
            self._is_waking = False
        # Only the jobs present now: whatever they submit sends a wake-up of its own and waits for
        # the next pass, after I/O.
        jobs = self._jobs
        for _ in range(len(jobs)):
            if not jobs:
                # One of them closed the inbox.
                return
            try:
                jobs.popleft()()
            except BaseException as error:
                self._on_error(error)
