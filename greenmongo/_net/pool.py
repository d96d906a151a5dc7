"""The connections to one server (CMAP specification, with requests inside its rules).

Theory of operation. `ConnectionState` names what a connection can be at; `size` counts all that
are not closed and never exceeds `max_size`. Callers that find no connection available enter the
wait queue, the filler establishes connections for them, and whatever becomes free goes to the head
of the queue. A holder (a request, a cursor) keeps its connection between two operations.

Everything runs on the hub thread and between two waits nothing else runs, so no locks; every wait
is followed by a fresh look at the state.
"""

from __future__ import annotations

from collections import Counter, deque
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

import gevent
from pymongo.monitoring import ConnectionClosedReason

from greenmongo._core.close_reasons import reason_to_close
from greenmongo._core.pool_rules import (
    STALE,
    ConnectionState,
    HolderKind,
    PoolLimits,
    PoolState,
    has_perished,
    interruption,
    may_wait,
    not_ready,
    too_many_waiting,
    wait_queue_timeout,
)
from greenmongo._core.types import format_address
from greenmongo._net.awaiting import AwaitTurns
from greenmongo._net.observers.pool import PoolObserver
from greenmongo._net.observers.publisher import Publisher
from greenmongo._net.pool_filler import PoolFiller
from greenmongo._net.wait_queue import WaitQueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from bson.objectid import ObjectId
    from gevent.hub import Hub

    from greenmongo._core.pool_rules import PendingConnection
    from greenmongo._core.types import Address
    from greenmongo._net.connection import Connection
    from greenmongo._net.holder import Holder

__all__ = ["Pool"]

# Each operation compares with some of these.
_AVAILABLE = ConnectionState.AVAILABLE
_IN_USE = ConnectionState.IN_USE
_HELD = ConnectionState.HELD
_DRAINING = ConnectionState.DRAINING
_OUT = (_IN_USE, _DRAINING)
_REQUEST = HolderKind.REQUEST


class Pool:
    """Checks connections to one server out and in. Hub side only.

    Args:
        connect: opens and authenticates a connection; may wait.
        on_connect_error: told of each failure before the waiting caller is.
        drain: takes over a connection whose caller left before the reply came.
        break_deadlock: takes a connection from a holder that waits, with others, for this pool,
            if otherwise nobody here is ever served.
        publisher: whom to tell of all this.
    """

    def __init__(
        self,
        hub: Hub,
        address: Address,
        limits: PoolLimits,
        *,
        connect: Callable[[PendingConnection], Connection],
        on_connect_error: Callable[[Exception, PendingConnection], object],
        drain: Callable[[Pool, Connection], object],
        break_deadlock: Callable[[Pool], object],
        publisher: Publisher | None = None,
    ) -> None:
        self.address = address
        self.limits = limits
        self.generation = 0
        self.state = PoolState.PAUSED
        self.await_turns = AwaitTurns(hub, address, limits.max_size)
        self._drain = drain
        self._break_deadlock = break_deadlock
        self.connections: set[Connection] = set()
        """Those that are open."""
        self._idle: deque[Connection] = deque()
        self._observer = PoolObserver(publisher or Publisher(), address)
        self._wait_queue = WaitQueue(hub, limits.wait_timeout, self._timeout_error)
        self._filler = PoolFiller(
            hub,
            self,
            self._wait_queue,
            self._observer,
            connect=connect,
            on_connect_error=on_connect_error,
        )
        self._observer.pool_created(limits)

    def __repr__(self) -> str:
        return (
            f"<Pool {format_address(self.address)} {self.state.value}: {self.size} connections, "
            f"{len(self._idle)} idle, {self.waiting_count} waiting>"
        )

    @property
    def size(self) -> int:
        """Connections open or being opened (CMAP's totalConnectionCount)."""
        return len(self.connections) + self._filler.establishing

    @property
    def created_count(self) -> int:
        """Connections opened since the pool exists."""
        return self._filler.created_count

    @property
    def idle_count(self) -> int:
        """Connections ready for anybody."""
        return len(self._idle)

    @property
    def waiting_count(self) -> int:
        """Callers in the wait queue."""
        return len(self._wait_queue.entries)

    def checkout(self, holder: Holder | None = None, timeout: float | None = None) -> Connection:
        """Return a connection (CMAP "Checking Out a Connection").

        It is the holder's own, or an idle one, or the next that becomes free.

        Raises:
            WaitQueueTimeoutError: none became free in time.
            ExceededMaxWaiters: too many wait already.
            PoolCleared: the pool is paused because its server failed.
            AutoReconnect: connecting failed.
        """
        if holder is None:
            connection = None if self._observer.is_wanted() else self._take_idle()
            if connection is not None:
                # Nearly always: one is idle, and nobody has to be told.
                connection.state = _IN_USE
                return connection
        else:
            bound = holder.bound.get(self)
            if bound is not None and self._keep_bound(holder, bound, timeout):
                bound.state = _IN_USE
                return bound
            holder.raise_if_broken()
        started = self._observer.checkout_started()
        try:
            connection = self._obtain(holder, timeout)
        except BaseException as error:
            if started is not None:
                self._observer.checkout_failed(started, error)
            raise
        if holder is not None and not holder.is_over:
            holder.bind(self, connection)
        if started is not None:
            connection.checkout_published = True
            try:
                self._observer.checked_out(started, connection)
            except BaseException:
                # The caller was thrown out while a listener was at work.
                self.checkin(connection)
                raise
        return connection

    def checkin(self, connection: Connection) -> None:
        """Take a connection back; does not wait (CMAP "Checking In a Connection")."""
        if connection.pending is not None and connection.stream.is_open:
            if connection.state is not _DRAINING:
                connection.state = _DRAINING
                self._drain(self, connection)
            return
        if connection.holder is None and connection.awaits is None:
            self._give_back(connection)
        else:
            self._finish(connection)

    def drained(self, connection: Connection) -> None:
        """Take a connection back whose late reply has been read, or which was given up."""
        self._finish(connection, was_left=True)

    def _finish(self, connection: Connection, *, was_left: bool = False) -> None:
        """Take a connection back; whoever left it has not been told how that ended."""
        if connection.awaits is not None:
            connection.awaits.end()
            connection.awaits = None
        holder = connection.holder
        if holder is not None:
            holder.wake_those_who_wait()
            if connection.stream.is_open:
                connection.state = _HELD
                if holder.waits_for is not None:
                    # Its caller left this operation, and the next one waits for another member.
                    self._break_deadlock(holder.waits_for)
                return
            holder.unbind(self, broken=was_left)
        self._give_back(connection)

    def release(self, connection: Connection) -> None:
        """Take a connection back at the end of what it was bound to."""
        connection.holder = None
        if connection.state is _HELD:
            connection.leave_stream()
            self.checkin(connection)

    def ready(self) -> None:
        """Let callers in (CMAP "Marking a Connection Pool as Ready")."""
        if self.state is PoolState.PAUSED:
            self.state = PoolState.READY
            self._observer.pool_ready()
            self._filler.fill()

    def clear(self, cause: Exception | None = None, *, interrupt: bool = False) -> None:
        """Make every connection stale and pause (CMAP "Clearing a non-load balanced pool").

        Args:
            cause: what went wrong, for those who wait.
            interrupt: end the operations under way, too: their server does not answer any more.
        """
        # Connections in use are closed when they come back, those of requests at their next use.
        if self.state is PoolState.CLOSED:
            return
        was_ready = self.state is PoolState.READY
        self.generation += 1
        self.state = PoolState.PAUSED
        if was_ready:
            self._observer.pool_cleared(interrupt=interrupt)
        while self._idle:
            self._discard(self._idle.popleft(), ConnectionClosedReason.STALE)
        if interrupt:
            self._filler.stop(partial(interruption, self.address))
            for connection in [each for each in self.connections if each.state in _OUT]:
                # An operation that waits for its reply brings it back by itself.
                if not connection.stream.interrupt(interruption(self.address)):
                    self._discard(connection, ConnectionClosedReason.STALE)
        self._wait_queue.fail_all(partial(not_ready, self.address, self.state, cause))

    def clear_service(self, service_id: ObjectId) -> None:
        """Make the connections to one server stale (CMAP "Clearing a load balanced pool")."""
        if self.state is PoolState.CLOSED:
            return
        # Each connection has its generation, so there is no map of them by service.
        self._observer.pool_cleared(service_id=service_id)
        self._filler.make_stale(service_id)
        for connection in [c for c in self.connections if c.service_id == service_id]:
            connection.generation = STALE
            if connection in self._idle:
                self._idle.remove(connection)
                self._discard(connection, ConnectionClosedReason.STALE)
        self._filler.fill()

    def close(self) -> None:
        """Close every connection, fail who waits (CMAP "Closing a Connection Pool")."""
        if self.state is PoolState.CLOSED:
            return
        self.state = PoolState.CLOSED
        self._wait_queue.fail_all(partial(not_ready, self.address, self.state))
        self._idle.clear()
        self._filler.stop(gevent.GreenletExit)
        for connection in list(self.connections):
            if connection.state is _AVAILABLE:
                self._discard(connection, ConnectionClosedReason.POOL_CLOSED)
            elif connection.state is _HELD:
                # The server left the deployment; what a strict request wrote there is gone.
                self._take_from_holder(connection)
            else:
                # Listeners hear of it when it comes back.
                connection.close()
        self._observer.pool_closed()

    def admit(self, connection: Connection) -> None:
        """Add a connection that was just established, and give it to whoever waits."""
        self.connections.add(connection)
        connection.stream.on_break = partial(self._on_break, connection)
        self._give_back(connection)

    def abandon_after_fork(self) -> None:
        """Close this process's copies of the parent's sockets (CMAP "Forking")."""
        for connection in self.connections:
            connection.stream.abandon_after_fork()

    def tidy_up(self) -> None:
        """Close what was idle for too long, open what is missing (CMAP "Background Thread")."""
        now = monotonic()
        for connection in [c for c in self._idle if self._is_perished(c, now)]:
            self._idle.remove(connection)
            self._discard(connection)
        self._filler.fill()

    def _keep_bound(self, holder: Holder, bound: Connection, timeout: float | None) -> bool:
        """Tell whether the request's connection can go on; wait for its own late reply first."""
        while bound.state is not _HELD and holder.bound.get(self) is bound:
            holder.wait_until_free(timeout)
        if holder.bound.get(self) is not bound:
            return False
        # Only a request can go on elsewhere: the others stay while the connection works.
        if bound.is_usable and (bound.generation == self.generation or holder.kind is not _REQUEST):
            return True
        self._take_from_holder(bound)
        return False

    def _obtain(self, holder: Holder | None, timeout: float | None) -> Connection:
        """Return a connection that is the caller's from now on."""
        if self.state is not PoolState.READY:
            raise not_ready(self.address, self.state)
        connection = self._take_idle()
        if connection is None:
            connection = self._wait_for_one(holder, timeout)
        if connection.state is _AVAILABLE:
            # Else it was closed on its way here; the caller finds out, and checks it in.
            connection.state = _IN_USE
        return connection

    def _take_idle(self) -> Connection | None:
        if self._wait_queue.entries:
            # Nobody overtakes those who wait (CMAP "WaitQueue": fair).
            return None
        # Whatever makes connections stale closes those that are idle: only time goes by for them.
        now = None if self.limits.max_idle_time is None else monotonic()
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable and (now is None or not self._is_perished(connection, now)):
                return connection
            self._discard(connection)
        return None

    def _is_perished(self, connection: Connection, now: float) -> bool:
        return has_perished(
            generation=connection.generation,
            current_generation=self.generation,
            idle_for=now - connection.idle_since,
            limits=self.limits,
        )

    def _wait_for_one(self, holder: Holder | None, timeout: float | None) -> Connection:
        """Enter the wait queue (CMAP "WaitQueue") and wait to be served."""
        queue = self._wait_queue
        waiting, open_count = len(queue.entries), len(self.connections)
        if not may_wait(waiting=waiting, open_count=open_count, limits=self.limits):
            raise too_many_waiting(self.address, self.limits)
        entry = queue.enter()
        self._filler.fill()
        try:
            if holder is not None:
                holder.waits_for = self
                if holder.bound:
                    self._break_deadlock(self)
            return queue.wait(entry, timeout)
        except BaseException:
            connection = queue.leave(entry)
            if connection is not None:
                # It was on its way already: now it goes to the next one.
                self._give_back(connection)
            raise
        finally:
            if holder is not None:
                holder.waits_for = None

    def preempt(self) -> None:
        """Give a held connection to those who wait."""
        held = [each for each in self.connections if each.state is _HELD]
        # Rather from one that does not insist on keeping it.
        self._take_from_holder(
            min(held, key=lambda c: (c.holder is not None and c.holder.strict, c.number))
        )

    def _take_from_holder(self, connection: Connection) -> None:
        """Take a held connection away; its holder learns of that when it wants it again."""
        if connection.holder is not None:
            connection.holder.unbind(self, broken=True)
        self._give_back(connection)

    def _timeout_error(self, waited: float) -> Exception:
        busy = self.size - len(self._idle)
        held = Counter(each.holder.kind for each in self.connections if each.holder is not None)
        return wait_queue_timeout(self.address, waited, self.limits, busy=busy, held=held)

    def _give_back(self, connection: Connection) -> None:
        """Give a connection to who waits longest, or to the idle ones; close it if perished."""
        if connection.checkout_published:
            connection.checkout_published = False
            self._observer.checked_in(connection)
        if connection not in self.connections:
            return
        if (
            not connection.is_usable
            or connection.streaming is not None
            or connection.generation != self.generation
            or self.state is PoolState.CLOSED
        ):
            self._discard(connection)
            self._filler.fill()
            return
        connection.state = _AVAILABLE
        if self._wait_queue.entries:
            self._wait_queue.serve(connection)
        else:
            connection.idle_since = monotonic()
            self._idle.append(connection)

    def _on_break(self, connection: Connection) -> None:
        """The server hung up, or spoke out of turn, while nobody waited for it. In the hub."""
        # What streams brings batches that a cursor will ask for.
        brings = connection.streaming is not None and connection.stream.is_open
        if brings or (connection.state is not _AVAILABLE and connection.state is not _HELD):
            return
        if connection.holder is not None:
            connection.holder.unbind(self, broken=True)
            self._observer.checked_in(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._discard(connection, ConnectionClosedReason.ERROR)
        self._filler.fill()

    def _discard(self, connection: Connection, reason: str | None = None) -> None:
        """Close a connection (CMAP "Closing a Connection"); why can be seen if it is not given."""
        if connection in self.connections:
            self.connections.remove(connection)
            connection.state = ConnectionState.CLOSED
            error = connection.stream.error
            if reason is None:
                reason = reason_to_close(
                    self.state,
                    error,
                    is_usable=connection.is_usable,
                    is_stale=connection.generation != self.generation,
                )
            self._observer.closed(connection.number, reason, error)
        connection.close()
