"""Opens a pool's connections, for callers that wait and for minPoolSize.

Connections are established by greenlets of the pool's own, so that a caller who leaves the wait
queue disturbs nobody. At most maxConnecting do so at once (CMAP "Connection Pool": rate-limited).
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Protocol

from gevent.hub import getcurrent
from pymongo.monitoring import ConnectionClosedReason

from greenmongo._core.pool_rules import STALE, PendingConnection, PoolState, may_connect
from greenmongo._hub.upcall import spawn

if TYPE_CHECKING:
    from collections.abc import Callable

    from bson.objectid import ObjectId
    from gevent.hub import Hub
    from greenlet import greenlet

    from greenmongo._core.pool_rules import PoolLimits
    from greenmongo._net.connection import Connection
    from greenmongo._net.observers.pool import PoolObserver
    from greenmongo._net.wait_queue import WaitQueue

__all__ = ["PoolFiller"]


class FilledPool(Protocol):
    """What is filled."""

    limits: PoolLimits
    generation: int
    state: PoolState

    @property
    def size(self) -> int:
        """Connections open or being opened."""
        ...

    def admit(self, connection: Connection) -> None:
        """Take a new connection in, and give it to whoever waits."""
        ...


class PoolFiller:
    """Establishes connections. Hub side only; only its own greenlets wait.

    Args:
        connect: opens and authenticates a connection; may wait.
        on_connect_error: told of each failure before the waiting caller is.
    """

    def __init__(
        self,
        hub: Hub,
        pool: FilledPool,
        wait_queue: WaitQueue,
        observer: PoolObserver,
        *,
        connect: Callable[[PendingConnection], Connection],
        on_connect_error: Callable[[Exception, PendingConnection], object],
    ) -> None:
        self.created_count = 0
        """Connections opened since the pool exists."""
        self._hub = hub
        self._pool = pool
        self._wait_queue = wait_queue
        self._observer = observer
        self._connect = connect
        self._on_connect_error = on_connect_error
        self._connecting: dict[greenlet, PendingConnection] = {}

    @property
    def establishing(self) -> int:
        """Connections being opened now."""
        return self._wait_queue.opening

    def fill(self, *, for_minimum: bool = True) -> None:
        """Start establishing as many connections as callers wait for, or the minimum asks for.

        Does not wait: the greenlets begin in the loop's next round.
        """
        pool = self._pool
        if pool.state is not PoolState.READY:
            return
        limits = pool.limits
        while may_connect(total=pool.size, connecting=self.establishing, limits=limits):
            # What is opened for the minimum (CMAP "Populating the Pool") serves those who wait:
            # another one for each of them would make the pool larger than anybody needs.
            is_small = for_minimum and pool.size < limits.min_size
            if self._wait_queue.unserved <= 0 and not is_small:
                return
            self._wait_queue.opening += 1
            spawn(self._establish, pool.generation)

    def make_stale(self, service_id: ObjectId) -> None:
        """Make what is being opened to one server behind a load balancer stale."""
        for pending in self._connecting.values():
            if pending.service_id == service_id:
                pending.generation = STALE

    def stop(self, new_error: Callable[[], BaseException]) -> None:
        """End every attempt to connect, each with an error of its own. Does not wait."""
        for attempt in list(self._connecting):
            self._hub.loop.run_callback(self._stop_attempt, attempt, new_error())

    def _stop_attempt(self, attempt: greenlet, error: BaseException) -> None:
        # In the hub. The attempt may have come to its end since this was scheduled.
        if attempt in self._connecting:
            attempt.throw(error)

    def _establish(self, generation: int) -> None:
        """Open one connection and admit it (CMAP "Establishing a Connection"). It alone waits."""
        pool = self._pool
        if generation != pool.generation or pool.state is not PoolState.READY:
            self._wait_queue.opening -= 1
            self.fill()
            return
        self.created_count += 1
        began, attempt = monotonic(), getcurrent()
        pending = PendingConnection(self.created_count, generation)
        try:
            self._observer.created(pending.number)
            self._connecting[attempt] = pending
            connection = self._connect(pending)
        except Exception as error:
            self._connecting.pop(attempt, None)
            self._wait_queue.opening -= 1
            self._fail(pending, error)
            return
        except BaseException:
            self._connecting.pop(attempt, None)
            self._wait_queue.opening -= 1
            self._observer.closed(pending.number, ConnectionClosedReason.POOL_CLOSED)
            raise
        # No switch from here on: nobody may see the connection counted twice, or not at all.
        del self._connecting[attempt]
        self._wait_queue.opening -= 1
        self._observer.ready(pending.number, began)
        pool.admit(connection)
        self.fill()

    def _fail(self, pending: PendingConnection, error: Exception) -> None:
        """Record that a connection could not be opened."""
        # Whoever waits longest is told; those behind hear of it if the pool is cleared.
        is_stale = pending.generation != self._pool.generation
        entry = None if is_stale else self._wait_queue.take_first()
        self._on_connect_error(error, pending)
        self._observer.closed(pending.number, ConnectionClosedReason.ERROR, error)
        if entry is not None:
            self._wait_queue.fail(entry, error)
        # The minimum waits for the next round: a server that refuses connections would be
        # tried without a pause.
        self.fill(for_minimum=False)
