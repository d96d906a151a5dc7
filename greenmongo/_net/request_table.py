"""Who is in a request, and on which connections: one table per client, asked by every pool.

A row belongs to one context (greenlet, thread, task) and is emptied when its request ends or its
context dies. It holds at most one bound connection per server, so a member that joins during a
request is bound like any other. Hub side only; the death of a context arrives through the inbox.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import ref

import gevent
from gevent.event import Event
from pymongo.errors import NetworkTimeout

from greenmongo._core.affinity import Affinity
from greenmongo._core.request_errors import RequestBroken

if TYPE_CHECKING:
    from greenmongo._hub.context import Context
    from greenmongo._hub.thread import HubThread
    from greenmongo._net.connection import Connection
    from greenmongo._net.pool import Pool

__all__ = ["RequestRow", "RequestTable"]


class RequestRow:
    """One context's request."""

    __slots__ = (
        "_freed",
        "affinity",
        "bound",
        "is_broken",
        "is_over",
        "last_bound",
        "owner",
        "primary",
        "strict",
        "waits_for",
    )

    is_cursor = False
    """A cursor has the connection, not a request."""

    def __init__(self, owner: Context | None = None) -> None:
        self.owner = None if owner is None else ref(owner)
        """The context, which must not be kept alive by this."""
        self.is_over = False
        """No longer in the table: an operation may run on, but binds nothing any more."""
        self.affinity = Affinity()
        self.bound: dict[Pool, Connection] = {}
        self.last_bound: Connection | None = None
        """The connection bound last, whatever server it leads to."""
        self.waits_for: Pool | None = None
        """Where its operation is in line for a connection."""
        self.primary: Pool | None = None
        """Where a strict request's last write, or read from the primary, went."""
        self.strict = False
        self.is_broken = False
        """A bound connection was replaced and nobody has been told yet."""
        self._freed: Event | None = None

    def bind(self, pool: Pool, connection: Connection) -> None:
        """Keep a connection for all further operations of this request on its server."""
        self.bound[pool] = self.last_bound = connection
        connection.owner = self

    def unbind(self, pool: Pool, *, broken: bool = False) -> None:
        """Let a connection go; the next operation binds another."""
        connection = self.bound.pop(pool, None)
        if connection is not None:
            connection.owner = None
            if self.last_bound is connection:
                self.last_bound = None
            self.is_broken = self.is_broken or broken

    def follow_primary(self, pool: Pool) -> None:
        """Take note of where the primary is; another one than before is a connection lost.

        Raises:
            RequestBroken: what was written unacknowledged before may not be visible yet.
        """
        before, self.primary = self.primary, pool
        if before is not None and before is not pool:
            self.is_broken = True
            self.raise_if_strict()

    def raise_if_strict(self) -> None:
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

    def wait_until_free(self, timeout: float | None) -> None:
        """Wait until an operation of this request, abandoned perhaps, is done with its connection.

        Raises:
            NetworkTimeout: it was not, after `timeout` seconds.
        """
        if self._freed is None:
            self._freed = Event()
        with gevent.Timeout(timeout, NetworkTimeout("timed out behind an abandoned operation")):
            self._freed.wait()

    def wake_those_who_wait(self) -> None:
        """Let those who wait for a connection of this request look again."""
        if self._freed is not None:
            self._freed.set()
            self._freed = None


class RequestTable:
    """The rows of all contexts that are in a request."""

    def __init__(self, thread: HubThread) -> None:
        self.rows: dict[int, RequestRow] = {}
        self._thread = thread
        self._heir: RequestTable | None = None

    def start(self, context: Context, *, strict: bool = False) -> int:
        """Start a request, or nest one deeper; return the depth."""
        row = self.rows.get(context.token)
        if row is None:
            row = self.rows[context.token] = RequestRow(context)
            context.watch(self.forget_soon)
        row.strict = row.strict or strict
        row.affinity = row.affinity.started()
        return row.affinity.count

    def end(self, context: Context) -> int:
        """End a request, or come one level up; return the depth left. Surplus ends are harmless."""
        row = self.rows.get(context.token)
        if row is None:
            return 0
        row.affinity = row.affinity.ended()
        if row.affinity.is_active:
            return row.affinity.count
        self.forget(context.token)
        return 0

    def depth(self, context: Context) -> int:
        """Return how deep in a request the context is, 0 for not at all. Any side, for itself."""
        row = self.rows.get(context.token)
        return 0 if row is None else row.affinity.count

    def connection_id(self, context: Context) -> int | None:
        """Return the server's id of the connection bound last, None for none. Any side."""
        row = self.rows.get(context.token)
        connection = None if row is None else row.last_bound
        return None if connection is None else connection.server_connection_id

    def forget(self, token: int) -> None:
        """Empty a row: its request is over or its context has died."""
        row = self.rows.pop(token, None)
        if row is None:
            return
        row.is_over = True
        context = None if row.owner is None else row.owner()
        if context is not None:
            # Or a thread that uses one client after another would keep all their tables.
            context.unwatch(self.forget_soon)
        for pool, connection in list(row.bound.items()):
            row.unbind(pool)
            pool.unbind(connection)
        row.wake_those_who_wait()

    def forget_soon(self, token: int) -> None:
        """Note the death of a context. Any side; neither blocks nor raises."""
        if self._heir is not None:
            self._heir.forget_soon(token)
        # No global name: it may be called while the interpreter takes its modules apart.
        elif not self._thread.submit_quietly(lambda: self.forget(token)):
            # Nobody else uses this table any more.
            self.rows.pop(token, None)

    def inherit(self, parent: RequestTable) -> None:
        """Go on, in a forked child, with the requests that the parent's contexts are in."""
        for token, row in list(parent.rows.items()):
            mine = self.rows[token] = RequestRow()
            mine.affinity, mine.strict = row.affinity, row.strict
            mine.is_broken = row.is_broken or bool(row.bound)
        parent._heir = self

    def clear(self) -> None:
        """Empty every row, as the client closes."""
        for token in list(self.rows):
            self.forget(token)
