"""What keeps a connection between operations: a request; behind a load balancer also others.

There a cursor or a transaction is known to the server that its own connection leads to alone.

Whoever has a holder passes it to `Pool.checkout`, which returns the connection that it keeps. The
pool knows of a holder what `Holder` says, and its kind. Hub side only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import ref

import gevent
from gevent.event import Event
from pymongo.errors import AutoReconnect, NetworkTimeout

from greenmongo._core.pool_rules import HolderKind
from greenmongo._core.requests.affinity import Affinity
from greenmongo._core.requests.errors import RequestBroken

if TYPE_CHECKING:
    from greenmongo._hub.context import Context
    from greenmongo._net.connection import Connection
    from greenmongo._net.pool import Pool

__all__ = ["CursorHolder", "Holder", "RequestHolder", "TransactionHolder"]


class Holder:
    """Keeps at most one connection of each pool. Each kind says what a lost one means to it."""

    __slots__ = ("_freed", "bound", "is_broken", "is_over", "kind", "strict", "waits_for")

    def __init__(self, kind: HolderKind) -> None:
        self.kind = kind
        self.bound: dict[Pool, Connection] = {}
        self.strict = False
        """The loss of a connection must not go unnoticed."""
        self.is_broken = False
        """A bound connection was lost and nobody has been told yet."""
        self.is_over = False
        """An operation may run on, but nothing is bound any more."""
        self.waits_for: Pool | None = None
        """In whose wait queue its operation is."""
        self._freed: Event | None = None

    def bind(self, pool: Pool, connection: Connection) -> None:
        """Keep a connection for all further operations on its server."""
        self.bound[pool] = connection
        connection.holder = self

    def unbind(self, pool: Pool, *, broken: bool = False) -> None:
        """Let a connection go, because it is lost or not needed any more."""
        connection = self.bound.pop(pool, None)
        if connection is not None:
            connection.holder = None
            self.is_broken = self.is_broken or broken

    def release(self) -> None:
        """End: give each connection back, now or when the operation that uses it is done."""
        self.is_over = True
        for pool, connection in list(self.bound.items()):
            self.unbind(pool)
            heir, connection.heir = connection.heir, None
            if heir is None:
                pool.release(connection)
            else:
                heir.bind(pool, connection)
        self.wake_those_who_wait()

    def raise_if_broken(self) -> None:
        """Object, if need be, to going on with another connection than before."""
        raise NotImplementedError

    def wait_until_free(self, timeout: float | None) -> None:
        """Wait until an operation of this holder, abandoned perhaps, is done with its connection.

        Raises:
            NetworkTimeout: it was not, after `timeout` seconds.
        """
        if self._freed is None:
            self._freed = Event()
        with gevent.Timeout(timeout, NetworkTimeout("timed out behind an abandoned operation")):
            self._freed.wait()

    def wake_those_who_wait(self) -> None:
        """Let those who wait for a connection of this holder look again."""
        if self._freed is not None:
            self._freed.set()
            self._freed = None


class RequestHolder(Holder):
    """One context's request. A lost connection is replaced; a strict request is told of that."""

    __slots__ = ("affinity", "context", "last_bound", "primary")

    def __init__(self, context: Context | None = None) -> None:
        super().__init__(HolderKind.REQUEST)
        self.context = None if context is None else ref(context)
        """Whose request it is; must not be kept alive by this."""
        self.affinity = Affinity()
        self.last_bound: Connection | None = None
        """The connection bound last, whatever server it leads to."""
        self.primary: Pool | None = None
        """Where a strict request's last write, or read from the primary, went."""

    def bind(self, pool: Pool, connection: Connection) -> None:
        """Keep a connection for all further operations of this request on its server."""
        super().bind(pool, connection)
        self.last_bound = connection

    def unbind(self, pool: Pool, *, broken: bool = False) -> None:
        """Let a connection go; the next operation binds another."""
        if self.last_bound is self.bound.get(pool):
            self.last_bound = None
        super().unbind(pool, broken=broken)

    def follow_primary(self, pool: Pool) -> None:
        """Record where the primary is; another one than before is a connection lost.

        Raises:
            RequestBroken: what was written unacknowledged before may not be visible yet.
        """
        before, self.primary = self.primary, pool
        if before is not None and before is not pool:
            self.is_broken = True
            self.raise_if_broken()

    def raise_if_broken(self) -> None:
        """Tell a strict request, once, that its connection had to be replaced.

        Raises:
            RequestBroken: what was written unacknowledged before may not be visible yet.
        """
        if self.is_broken:
            self.is_broken = False
            if self.strict:
                raise RequestBroken(
                    "the connection of this request was lost; the next operation uses a new one"
                )


class CursorHolder(Holder):
    """An open cursor that has a connection of its own.

    Behind a load balancer no other leads to its server (Load Balancer Support, "Behaviour With
    Cursors"); and an exhaust cursor's batches come over it without being asked for.
    """

    __slots__ = ()

    def __init__(self, pool: Pool, connection: Connection) -> None:
        super().__init__(HolderKind.CURSOR)
        self.bind(pool, connection)

    def leave_stream(self) -> None:
        """Have a stream of batches ended on the server and read to its end. Does not wait."""
        for pool, connection in list(self.bound.items()):
            if connection.leave_stream() is not None:
                pool.checkin(connection)

    def raise_if_broken(self) -> None:
        """Refuse any other connection.

        Raises:
            AutoReconnect: always; this is asked only when there is none any more.
        """
        raise AutoReconnect("the connection that the cursor was open on is lost")


class TransactionHolder(Holder):
    """A transaction behind a load balancer: only its own connection leads to its server.

    Load Balancer Support, "Behaviour With Transactions". A request that has the connection already
    shares it, and leaves it to the transaction if it ends before.
    """

    __slots__ = ("_connection",)

    def __init__(self, pool: Pool, connection: Connection) -> None:
        super().__init__(HolderKind.TRANSACTION)
        self._connection: Connection | None = connection
        if connection.holder is None:
            self.bind(pool, connection)
        else:
            connection.heir = self

    @property
    def keeper(self) -> Holder:
        """What keeps the connection now."""
        connection = self._connection
        return self if connection is None or connection.holder is None else connection.holder

    def release(self) -> None:
        """End: give the connection back, unless a request keeps it."""
        connection, self._connection = self._connection, None
        if connection is not None and connection.heir is self:
            connection.heir = None
        super().release()

    def raise_if_broken(self) -> None:
        """Refuse any other connection.

        Raises:
            AutoReconnect: always; this is asked only when there is none any more.
        """
        raise AutoReconnect("the connection that the transaction runs on is lost")
