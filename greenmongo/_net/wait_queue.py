"""The callers that wait for a connection, served in the order they came (CMAP "WaitQueue").

Knows no pool. Whoever has a connection to give serves the head of the queue; whoever opens one says
so in `opening`. Hub side only: whatever is not said to wait does not switch, so between two
waits nobody else sees or changes the queue, and it needs no lock.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import gevent
from gevent.hub import Waiter

if TYPE_CHECKING:
    from collections.abc import Callable

    from gevent.hub import Hub

    from greenmongo._net.connection import Connection

__all__ = ["WaitQueue", "WaitQueueEntry"]


class WaitQueueEntry:
    """One caller that waits."""

    __slots__ = ("connection", "waiter")

    def __init__(self, hub: Hub) -> None:
        self.waiter: Waiter[Exception | None] = Waiter(hub)
        self.connection: Connection | None = None
        """What it was given, from the moment it was: the caller runs later."""


class WaitQueue:
    """First come, first served.

    Args:
        timeout: the seconds of waitQueueTimeoutMS, None for no limit.
        timeout_error: makes what is raised after so many seconds.
    """

    def __init__(
        self, hub: Hub, timeout: float | None, timeout_error: Callable[[float], Exception]
    ) -> None:
        self._hub = hub
        self._timeout = timeout
        self._timeout_error = timeout_error
        self.entries: deque[WaitQueueEntry] = deque()
        """In the order they came. Public, because each operation looks whether anybody waits."""
        self.opening = 0
        """Connections that are being opened, each for a caller at the head while there are any."""

    @property
    def unserved(self) -> int:
        """How many callers there are beyond those for whom a connection is being opened."""
        return len(self.entries) - self.opening

    def enter(self) -> WaitQueueEntry:
        """Join the queue at its end."""
        entry = WaitQueueEntry(self._hub)
        self.entries.append(entry)
        return entry

    def wait(self, entry: WaitQueueEntry, timeout: float | None) -> Connection:
        """Wait until an entry is served, and return the connection.

        waitQueueTimeoutMS does not limit a caller for whom a connection is being opened: opening
        has limits of its own.

        Args:
            entry: the caller's own.
            timeout: the seconds that the caller has at all, None for no limit.

        Raises:
            Exception: what the entry was failed with, or the queue's `timeout_error`.
        """
        if timeout is None and self._timeout is None:
            problem = entry.waiter.get()
        else:
            problem = self._wait_for_so_long(entry, timeout)
        if problem is not None:
            raise problem
        assert entry.connection is not None
        return entry.connection

    def _wait_for_so_long(self, entry: WaitQueueEntry, timeout: float | None) -> Exception | None:
        """Wait, within limits, until an entry is served or failed; return what it failed with."""
        waited = 0.0
        while True:
            left = None if timeout is None else max(timeout - waited, 0.0)
            steps = [each for each in (self._timeout, left) if each is not None]
            step = min(steps, default=None)
            timer = gevent.Timeout(step)
            try:
                with timer:
                    return entry.waiter.get()
            except gevent.Timeout as expired:
                if expired is not timer:
                    raise
            assert step is not None
            waited += step
            if step == left or not self._is_being_served(entry):
                raise self._timeout_error(waited)

    def leave(self, entry: WaitQueueEntry) -> Connection | None:
        """Leave before being served; return the connection that was on its way already, if any."""
        if entry in self.entries:
            self.entries.remove(entry)
        return entry.connection

    def serve(self, connection: Connection) -> None:
        """Give a connection to the caller at the head. It wakes in the loop's next round."""
        entry = self.entries.popleft()
        entry.connection = connection
        self._hub.loop.run_callback(entry.waiter.switch, None)

    def take_first(self) -> WaitQueueEntry | None:
        """Take the caller at the head out of the queue, to be failed later; None for nobody."""
        return self.entries.popleft() if self.entries else None

    def fail(self, entry: WaitQueueEntry, error: Exception) -> None:
        """Have an error raised in a caller that was taken out of the queue."""
        self._hub.loop.run_callback(entry.waiter.switch, error)

    def fail_all(self, new_error: Callable[[], Exception]) -> None:
        """Have an error raised in every caller (CMAP "Clearing a Connection Pool")."""
        while self.entries:
            # One for each: an exception collects the traceback of whoever raises it.
            self.fail(self.entries.popleft(), new_error())

    def _is_being_served(self, entry: WaitQueueEntry) -> bool:
        """Tell whether an entry left the queue, or a connection is being opened for it."""
        return entry not in self.entries or self.entries.index(entry) < self.opening
