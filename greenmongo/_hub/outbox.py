"""The way out of the hub thread: results collected per destination, one wake-up per batch.

A destination (another thread's event loop or hub) is a `Port`. Results posted during one
iteration of the hub's loop are flushed together, just before the loop would wait for I/O.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
        self.turns = 0
        """How often the loop has come to where it waits for I/O. Any side."""
        self._waiting: list[Port] = []
        self._before_wait = loop.prepare(ref=False, priority=loop.MINPRI)  # type: ignore[attr-defined]  # stub lacks it
        self._before_wait.start(self.flush)

    def post(self, port: Port, call: Call, value: Any, error: BaseException | None) -> None:
        """Add one result for `port`."""
        if not port.results:
            self._waiting.append(port)
        port.results.append((call, value, error))

    def flush(self) -> None:
        """Deliver everything posted so far."""
        self.turns += 1
        waiting, self._waiting = self._waiting, []
        for port in waiting:
            results, port.results = port.results, []
            port.flush(results)

    def close(self) -> None:
        """Deliver what is left and stop."""
        self.flush()
        self._before_wait.stop()
        self._before_wait.close()
