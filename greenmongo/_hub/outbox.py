"""The way out of the hub thread: results collected per destination, one wake-up per batch.

A destination (another thread's event loop or hub) is a `Port`. Results posted during one
iteration of the hub's loop are flushed together, just before the loop would wait for I/O.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Any

from greenmongo._hub.native import allocate_lock

if TYPE_CHECKING:
    from _thread import LockType

    from gevent._types import _Loop

    from greenmongo._hub.call import Call

__all__ = ["Outbox", "Port"]


class Port(ABC):
    """Where the results of some callers go."""

    def __init__(self) -> None:
        self.results: list[tuple[Call, Any, BaseException | None]] = []

    @abstractmethod
    def flush(self, results: list[tuple[Call, Any, BaseException | None]]) -> None:
        """Wake the other side once and give it these results. Hub side; must not raise."""


class Outbox:
    """Collects results and flushes them once per loop iteration. Hub side only."""

    def __init__(self, loop: _Loop) -> None:
        self.iterations = 0
        """How often the loop has come to where it waits for I/O. Any side."""
        self._waiting: list[Port] = []
        self.is_idle = False
        """Whether the loop waits for I/O. Any side."""
        self._iteration_waiters: deque[LockType] = deque()
        self._after_wait = loop.check(ref=False, priority=loop.MAXPRI)  # type: ignore[attr-defined]  # stub lacks it
        self._after_wait.start(self._begin_iteration)
        self._before_wait = loop.prepare(ref=False, priority=loop.MINPRI)  # type: ignore[attr-defined]  # stub lacks it
        self._before_wait.start(self.flush)

    def post(self, port: Port, call: Call, value: Any, error: BaseException | None) -> None:
        """Add one result for `port`."""
        if not port.results:
            self._waiting.append(port)
        port.results.append((call, value, error))

    def flush(self) -> None:
        """Deliver everything posted so far."""
        self.iterations += 1
        waiting, self._waiting = self._waiting, []
        for port in waiting:
            results, port.results = port.results, []
            port.flush(results)
        self.is_idle = True
        while self._iteration_waiters:
            self._iteration_waiters.popleft().release()

    def wait_for_iteration(self, timeout: float) -> None:
        """Let the hub thread finish what it is at, if it is at something. Any other thread.

        Args:
            timeout: seconds to wait at most.
        """
        if self.is_idle:
            return
        lock = allocate_lock()
        lock.acquire()
        self._iteration_waiters.append(lock)
        lock.acquire(True, timeout)

    def _begin_iteration(self) -> None:
        self.is_idle = False

    def close(self) -> None:
        """Deliver what is left and stop."""
        self.flush()
        self._after_wait.stop()
        self._after_wait.close()
        self._before_wait.stop()
        self._before_wait.close()
