"""The entry queue of the hub thread: any thread puts jobs in, the hub runs them in order.

No lock: whoever puts may be interrupted in the middle of it, by a signal handler or by a finaliser
that garbage collection runs, which puts a call of its own and waits for it. If the hub had to wait
for a lock of his, both would wait for ever. For the same reason each `put` wakes the hub itself,
and relies on no other that is about to; libev makes one wake-up of many.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from greenmongo._hub.errors import HubClosed

if TYPE_CHECKING:
    from collections.abc import Callable

    from gevent._types import _Loop

__all__ = ["Inbox"]


class Inbox:
    """Jobs on their way into the hub thread; a job is a callable that must not raise."""

    def __init__(self, loop: _Loop, on_error: Callable[[BaseException], None]) -> None:
        self._jobs: deque[Callable[[], object]] = deque()
        self._wake_up = loop.async_()
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
        self._jobs.append(job)
        try:
            self._wake_up.send()
        except ValueError:  # the loop has been destroyed
            self._take_back(job)
            return
        # Behind the append: either `close` finds the job, or its mark is seen here.
        if self._is_closed:
            self._take_back(job)

    def _take_back(self, job: Callable[[], object]) -> None:
        try:
            self._jobs.remove(job)
        except ValueError:  # `close` has found it, and its caller answers it
            return
        raise HubClosed("the hub thread has stopped")

    def close(self) -> list[Callable[[], object]]:
        """Refuse every later job and return those that will not run. Hub side."""
        self._is_closed = True
        left: list[Callable[[], object]] = []
        while self._jobs:
            try:
                left.append(self._jobs.popleft())
            except IndexError:  # taken back just now
                break
        self._wake_up.stop()
        self._wake_up.close()
        return left

    def _drain(self) -> None:
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
