"""The connections to one server (CMAP specification, with requests inside its rules).

Theory of operation. A connection is *idle* (in `_idle`), *out* (an operation has it), *bound*
(a request has it between operations), *draining* (its caller left; the reply is still to come)
or being *established*. `_total` counts them all and never exceeds `max_size`.

Callers that find nothing idle wait in line. Connections are established by greenlets of the
pool's own, so that a caller who leaves the line disturbs nobody; whatever becomes free goes to
the head of the line. Everything runs on the hub thread and between two waits nothing else runs,
so no locks; every wait is followed by a fresh look at the state.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

import gevent
from gevent.hub import Waiter, getcurrent
from pymongo.errors import WaitQueueTimeoutError
from pymongo.monitoring import ConnectionClosedReason

from greenmongo._core.pool_rules import (
    STALE,
    Opening,
    PoolCleared,
    PoolClosed,
    PoolLimits,
    PoolState,
    has_perished,
    may_connect,
    may_wait,
)
from greenmongo._core.request_errors import ExceededMaxWaiters
from greenmongo._core.types import format_address
from greenmongo._net.holder import HolderKind
from greenmongo._net.observers.pool import PoolObserver
from greenmongo._net.observers.publisher import Publisher
from greenmongo._net.standstill import break_standstill

if TYPE_CHECKING:
    from collections.abc import Callable

    from bson.objectid import ObjectId
    from gevent.hub import Hub
    from greenlet import greenlet

    from greenmongo._core.types import Address
    from greenmongo._net.connection import Connection
    from greenmongo._net.holder import Holder

__all__ = ["Pool"]

_REQUEST = HolderKind.REQUEST
_CURSOR = HolderKind.CURSOR
_TRANSACTION = HolderKind.TRANSACTION


class _Place:
    """One caller's place in the line."""

    __slots__ = ("connection", "waiter")

    def __init__(self, hub: Hub) -> None:
        self.waiter: Waiter[Exception | None] = Waiter(hub)
        self.connection: Connection | None = None


class Pool:
    """Checks connections to one server out and in. Hub side only.

    Args:
        connect: opens and authenticates a connection; may wait.
        on_connect_error: told of each failure before the waiting caller is.
        drain: takes over a connection whose caller left before the reply came.
        publisher: whom to tell of all this.
    """

    def __init__(
        self,
        hub: Hub,
        address: Address,
        limits: PoolLimits,
        *,
        connect: Callable[[Opening], Connection],
        on_connect_error: Callable[[Exception, Opening], object],
        drain: Callable[[Pool, Connection], object],
        publisher: Publisher | None = None,
    ) -> None:
        self.address = address
        self.limits = limits
        self.generation = 0
        self.state = PoolState.PAUSED
        self.created_count = 0
        """Connections opened since the pool exists."""
        self._hub = hub
        self._connect = connect
        self._on_connect_error = on_connect_error
        self._drain = drain
        self._all: set[Connection] = set()
        self._idle: deque[Connection] = deque()
        self._line: deque[_Place] = deque()
        self._establishing = 0
        self._establishing_minimum = 0
        self._connecting: dict[greenlet, Opening] = {}
        self._events = PoolObserver(publisher or Publisher(), address)
        self._events.pool_created(limits)

    def __repr__(self) -> str:
        return (
            f"<Pool {format_address(self.address)} {self.state.value}: {self._total} connections, "
            f"{len(self._idle)} idle, {len(self._line)} waiting>"
        )

    @property
    def _total(self) -> int:
        return len(self._all) + self._establishing

    @property
    def size(self) -> int:
        """Connections open or being opened."""
        return self._total

    @property
    def idle_count(self) -> int:
        """Connections ready for anybody."""
        return len(self._idle)

    @property
    def waiting_count(self) -> int:
        """Callers in line."""
        return len(self._line)

    def checkout(self, holder: Holder | None = None, timeout: float | None = None) -> Connection:
        """Return a connection: the request's own, an idle one, or the next that becomes free.

        Raises:
            WaitQueueTimeoutError: none became free in time.
            ExceededMaxWaiters: too many wait already.
            PoolCleared: the pool is paused because its server failed.
            AutoReconnect: connecting failed.
        """
        if holder is not None:
            bound = holder.bound.get(self)
            if bound is not None and self._keep_bound(holder, bound, timeout):
                bound.in_use = True
                return bound
            holder.raise_if_broken()
        started = self._events.checkout_started()
        try:
            connection = self._obtain(holder, timeout)
        except BaseException as error:
            if started is not None:
                self._events.checkout_failed(started, error)
            raise
        if holder is not None and not holder.is_over:
            holder.bind(self, connection)
        if started is not None:
            connection.checkout_published = True
            try:
                self._events.checked_out(started, connection)
            except BaseException:
                # The caller was thrown out while a listener was at work.
                self.checkin(connection)
                raise
        return connection

    def checkin(self, connection: Connection) -> None:
        """Take a connection back after an operation, whatever state it is in. Never waits."""
        if connection.pending is not None and connection.stream.is_open:
            if not connection.is_draining:
                connection.is_draining = True
                self._drain(self, connection)
            return
        self._finish(connection)

    def drained(self, connection: Connection) -> None:
        """Take a connection back whose late reply has been read, or which was given up."""
        connection.is_draining = False
        self._finish(connection, was_left=True)

    def _finish(self, connection: Connection, *, was_left: bool = False) -> None:
        """Take a connection back; whoever left it has not been told how that ended."""
        connection.in_use = False
        holder = connection.holder
        if holder is not None:
            holder.wake_those_who_wait()
            if connection.stream.is_open:
                if holder.waits_for is not None:
                    # Its caller left this operation, and the next one waits for another member.
                    break_standstill(holder.waits_for)
                return
            holder.unbind(self, broken=was_left)
        self._take_back(connection)

    def release(self, connection: Connection) -> None:
        """Take a connection back at the end of what it was bound to."""
        connection.holder = None
        if not connection.in_use and connection in self._all:
            self._take_back(connection)

    def ready(self) -> None:
        """Let callers in: the server was found healthy."""
        if self.state is PoolState.PAUSED:
            with self._events:
                self.state = PoolState.READY
                self._events.pool_ready()
                self._fill()

    def clear(self, cause: Exception | None = None, *, interrupt: bool = False) -> None:
        """Make every connection stale and pause (CMAP "Clearing a Connection Pool").

        Args:
            cause: what went wrong, for those who wait in line.
            interrupt: end the operations under way, too: their server does not answer any more.

        """
        # Connections in use are closed when they come back, those of requests at their next use.
        if self.state is PoolState.CLOSED:
            return
        with self._events:
            was_ready = self.state is PoolState.READY
            self.generation += 1
            self.state = PoolState.PAUSED
            if was_ready:
                self._events.pool_cleared(interrupt=interrupt)
            while self._idle:
                self._discard(self._idle.popleft(), ConnectionClosedReason.STALE)
            if interrupt:
                self._interrupt()
            self._dismiss_line(cause)

    def clear_service(self, service_id: ObjectId) -> None:
        """Make the connections to one server behind a load balancer stale; others may go on."""
        if self.state is PoolState.CLOSED:
            return
        with self._events:
            self._events.pool_cleared(service_id=service_id)
            for opening in self._connecting.values():
                if opening.service_id == service_id:
                    opening.generation = STALE
            for connection in [c for c in self._all if c.service_id == service_id]:
                connection.generation = STALE
                if connection in self._idle:
                    self._idle.remove(connection)
                    self._discard(connection, ConnectionClosedReason.STALE)
            self._fill()

    def close(self) -> None:
        """Close every connection and turn the waiting callers away."""
        if self.state is PoolState.CLOSED:
            return
        with self._events:
            self.state = PoolState.CLOSED
            self._dismiss_line()
            self._idle.clear()
            for attempt in list(self._connecting):
                self._hub.loop.run_callback(self._stop_attempt, attempt, gevent.GreenletExit())
            for connection in list(self._all):
                if connection.in_use:
                    # Listeners hear of it when it comes back.
                    connection.close()
                elif connection.holder is None:
                    self._discard(connection, ConnectionClosedReason.POOL_CLOSED)
                else:
                    # The server left the deployment; what a strict request wrote there is gone.
                    connection.holder.unbind(self, broken=True)
                    self._take_back(connection)
            self._events.pool_closed()

    def abandon_after_fork(self) -> None:
        """Close this process's copies of the parent's sockets."""
        for connection in self._all:
            connection.stream.abandon_after_fork()

    def tidy_up(self) -> None:
        """Close what was idle for too long, and open what is missing to the minimum size."""
        now = monotonic()
        with self._events:
            for connection in [c for c in self._idle if self._is_perished(c, now)]:
                self._idle.remove(connection)
                self._discard(connection)
            self._fill()

    def _keep_bound(self, holder: Holder, bound: Connection, timeout: float | None) -> bool:
        """Tell whether the request's connection can go on; wait for its own late reply first."""
        while bound.in_use and holder.bound.get(self) is bound:
            holder.wait_until_free(timeout)
        if holder.bound.get(self) is not bound:
            return False
        # Only a request can go on elsewhere: the others stay while the connection works.
        if bound.is_usable and (bound.generation == self.generation or holder.kind is not _REQUEST):
            return True
        holder.unbind(self, broken=True)
        self._take_back(bound)
        return False

    def _obtain(self, holder: Holder | None, timeout: float | None) -> Connection:
        """Return a connection that is the caller's from now on."""
        if self.state is not PoolState.READY:
            raise self._not_ready()
        connection = self._take_idle()
        if connection is None:
            connection = self._wait_in_line(holder, timeout)
        connection.in_use = True
        return connection

    def _take_idle(self) -> Connection | None:
        if self._line:
            return None
        now = monotonic() if self.limits.max_idle_time is not None else 0.0
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable and not self._is_perished(connection, now):
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

    def _wait_in_line(self, holder: Holder | None, timeout: float | None) -> Connection:
        if not may_wait(line=len(self._line), open_count=len(self._all), limits=self.limits):
            raise ExceededMaxWaiters(
                f"{format_address(self.address)}: {self.limits.max_waiting} callers wait for a "
                f"connection already; maxPoolSize: {self.limits.max_size}"
            )
        place = _Place(self._hub)
        self._line.append(place)
        self._fill()
        try:
            if holder is not None:
                holder.waits_for = self
                if holder.bound:
                    break_standstill(self)
            problem = self._wait_at(place, timeout)
        except BaseException:
            self._leave_line(place)
            raise
        finally:
            if holder is not None:
                holder.waits_for = None
        if problem is not None:
            raise problem
        assert place.connection is not None
        return place.connection

    def _wait_at(self, place: _Place, timeout: float | None) -> Exception | None:
        """Wait until a place is served; return what went wrong meanwhile.

        The limit of the wait queue is not for a caller for whom a connection is being opened:
        opening has limits of its own.

        Args:
            timeout: the seconds that the caller has at all.
        """
        waited = 0.0
        while True:
            left = None if timeout is None else max(timeout - waited, 0.0)
            steps = [each for each in (self.limits.wait_timeout, left) if each is not None]
            step = min(steps, default=None)
            timer = gevent.Timeout(step)
            try:
                with timer:
                    return place.waiter.get()
            except gevent.Timeout as expired:
                if expired is not timer:
                    raise
            assert step is not None
            waited += step
            if step == left or not self._is_being_served(place):
                raise self._exhausted(waited)

    def _is_being_served(self, place: _Place) -> bool:
        """Tell whether a place left the line, or a connection is being opened for it."""
        opening = self._establishing - self._establishing_minimum
        return place not in self._line or self._line.index(place) < opening

    def awaited_by_holders(self) -> list[Pool | None]:
        """Return, for each connection, the pool that the request which has it waits for.

        None stands for a connection that will come back, or can be opened.
        """
        if not self._line or self._establishing or self._total != self.limits.max_size:
            return [None]
        return [
            None if connection.in_use or connection.holder is None else connection.holder.waits_for
            for connection in self._all
        ]

    def take_from_a_request(self) -> None:
        """Give a bound connection that is not in use to those in line."""
        bound = [c for c in self._all if not c.in_use and c.holder is not None]
        # Rather from one that does not insist on keeping it.
        connection = min(bound, key=lambda c: (c.holder is not None and c.holder.strict, c.number))
        if connection.holder is not None:
            connection.holder.unbind(self, broken=True)
            self._take_back(connection)

    def _exhausted(self, limit: float) -> WaitQueueTimeoutError:
        busy = self._total - len(self._idle)
        use = f"in use or being opened: {busy}"
        if self.limits.load_balanced:
            cursors, transactions = self._count_held(_CURSOR), self._count_held(_TRANSACTION)
            use = (
                f"connections in use by cursors: {cursors}, "
                f"connections in use by transactions: {transactions}, "
                f"connections in use by other operations: {busy - cursors - transactions}"
            )
        return WaitQueueTimeoutError(
            f"{format_address(self.address)}: timed out while checking out a connection from the "
            f"pool after {limit:.3g} s; maxPoolSize: {self.limits.max_size}, {use}"
        )

    def _count_held(self, kind: HolderKind) -> int:
        return sum(c.holder is not None and c.holder.kind is kind for c in self._all)

    def _leave_line(self, place: _Place) -> None:
        """A caller leaves; a connection already on its way to it goes to the next one."""
        if place.connection is not None:
            self._give_back(place.connection)
        elif place in self._line:
            self._line.remove(place)

    def _take_back(self, connection: Connection) -> None:
        """Take a connection from whoever had it."""
        if connection.checkout_published:
            connection.checkout_published = False
            with self._events:
                self._events.checked_in(connection)
                self._give_back(connection)
        else:
            self._give_back(connection)

    def _give_back(self, connection: Connection) -> None:
        """Give a connection to the next in line, or to the idle ones, if it is good for that."""
        if connection not in self._all:
            return
        if (
            not connection.is_usable
            or connection.generation != self.generation
            or self.state is PoolState.CLOSED
        ):
            self._discard(connection)
            self._fill()
        elif self._line:
            self._hand_over(connection)
        else:
            connection.idle_since = monotonic()
            self._idle.append(connection)

    def _on_break(self, connection: Connection) -> None:
        """The server hung up, or spoke out of turn, while nobody waited for it. In the hub."""
        if connection.in_use:
            return
        with self._events:
            if connection.holder is not None:
                connection.holder.unbind(self, broken=True)
                self._events.checked_in(connection)
            if connection in self._idle:
                self._idle.remove(connection)
            self._discard(connection, ConnectionClosedReason.ERROR)
            self._fill()

    def _hand_over(self, connection: Connection) -> None:
        place = self._line.popleft()
        place.connection = connection
        self._hub.loop.run_callback(place.waiter.switch, None)

    def _discard(self, connection: Connection, reason: str | None = None) -> None:
        """Close a connection, for a reason that can be seen if it is not given."""
        if connection in self._all:
            self._all.remove(connection)
            error = connection.stream.error
            if reason is None:
                reason = self._reason_to_close(connection, error)
            self._events.closed(connection.number, reason, error)
        connection.close()

    def _reason_to_close(self, connection: Connection, error: Exception | None) -> str:
        if self.state is PoolState.CLOSED:
            return ConnectionClosedReason.POOL_CLOSED
        if not connection.is_usable and not isinstance(error, PoolCleared):
            return ConnectionClosedReason.ERROR
        if connection.generation != self.generation:
            return ConnectionClosedReason.STALE
        return ConnectionClosedReason.IDLE

    def _interrupt(self) -> None:
        """End what waits for the server: operations, and attempts to connect."""
        for attempt in list(self._connecting):
            self._hub.loop.run_callback(self._stop_attempt, attempt, self._interruption())
        for connection in list(self._all):
            # An operation that waits for its reply brings the connection back by itself.
            if connection.in_use and not connection.stream.interrupt(self._interruption()):
                self._discard(connection, ConnectionClosedReason.STALE)

    def _interruption(self) -> PoolCleared:
        name = format_address(self.address)
        return PoolCleared(f"Connection to {name} interrupted due to server monitor timeout")

    def _stop_attempt(self, attempt: greenlet, error: BaseException) -> None:
        # In the hub. The attempt may have come to its end since this was scheduled.
        if attempt in self._connecting:
            attempt.throw(error)

    def _dismiss_line(self, cause: Exception | None = None) -> None:
        while self._line:
            # One for each: an exception collects the traceback of whoever raises it.
            problem = self._not_ready(cause)
            self._hub.loop.run_callback(self._line.popleft().waiter.switch, problem)

    def _fill(self, *, for_minimum: bool = True) -> None:
        """Start establishing as many connections as callers wait for, or the minimum asks for."""
        if self.state is not PoolState.READY:
            return
        while may_connect(total=self._total, connecting=self._establishing, limits=self.limits):
            # What is opened for the minimum is not counted on by those who wait (CMAP).
            if len(self._line) > self._establishing - self._establishing_minimum:
                self._begin(for_minimum=False)
            elif for_minimum and self._total < self.limits.min_size:
                self._begin(for_minimum=True)
            else:
                return

    def _begin(self, *, for_minimum: bool) -> None:
        self._establishing += 1
        self._establishing_minimum += for_minimum
        gevent.spawn(self._establish, self.generation, for_minimum)

    def _end(self, *, for_minimum: bool) -> None:
        self._establishing -= 1
        self._establishing_minimum -= for_minimum

    def _establish(self, generation: int, for_minimum: bool) -> None:
        if generation != self.generation or self.state is not PoolState.READY:
            self._end(for_minimum=for_minimum)
            self._fill()
            return
        self.created_count += 1
        began, attempt = monotonic(), getcurrent()
        opening = Opening(self.created_count, generation)
        try:
            self._events.created(opening.number)
            self._connecting[attempt] = opening
            connection = self._connect(opening)
        except Exception as error:
            self._connecting.pop(attempt, None)
            self._end(for_minimum=for_minimum)
            self._fail(opening, error)
            return
        except BaseException:
            self._connecting.pop(attempt, None)
            self._end(for_minimum=for_minimum)
            self._events.closed(opening.number, ConnectionClosedReason.POOL_CLOSED)
            raise
        del self._connecting[attempt]
        with self._events:
            self._end(for_minimum=for_minimum)
            self._all.add(connection)
            connection.stream.on_break = partial(self._on_break, connection)
            self._events.ready(opening.number, began)
            self._give_back(connection)
            self._fill()

    def _fail(self, opening: Opening, error: Exception) -> None:
        """Take in that a connection could not be opened."""
        with self._events:
            # Whoever waits longest is told; those behind hear of it if the pool is cleared.
            is_stale = opening.generation != self.generation
            place = self._line.popleft() if self._line and not is_stale else None
            self._on_connect_error(error, opening)
            self._events.closed(opening.number, ConnectionClosedReason.ERROR, error)
            if place is not None:
                self._hub.loop.run_callback(place.waiter.switch, error)
            # The minimum waits for the next round: a server that refuses connections would be
            # tried without a pause.
            self._fill(for_minimum=False)

    def _not_ready(self, cause: Exception | None = None) -> Exception:
        is_closed = self.state is PoolState.CLOSED
        kind, state = (PoolClosed, "closed") if is_closed else (PoolCleared, "paused")
        why = "" if cause is None else f" ({cause})"
        problem = kind(f"{format_address(self.address)}: connection pool {state}{why}")
        problem.__cause__ = cause
        return problem
