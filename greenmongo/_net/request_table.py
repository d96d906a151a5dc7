"""Who is in a request, and on which connections: one table per client, asked by every pool.

A holder belongs to one context (greenlet, thread, task) and is emptied when its request ends or its
context dies. It holds at most one connection per server, so a member that joins during a request
is bound like any other. Hub side only; the death of a context arrives through the inbox.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from greenmongo._core.pool_rules import ConnectionState
from greenmongo._net.holder import RequestHolder

if TYPE_CHECKING:
    from greenmongo._hub.context import Context
    from greenmongo._hub.thread import HubThread
    from greenmongo._net.pool import Pool

__all__ = ["RequestTable"]


class RequestTable:
    """The holders of all contexts that are in a request."""

    def __init__(self, thread: HubThread) -> None:
        self.holders: dict[int, RequestHolder] = {}
        self._thread = thread
        self._successor: RequestTable | None = None

    def start(self, context: Context, *, strict: bool = False) -> int:
        """Start a request, or nest one deeper; return the depth."""
        holder = self.holders.get(context.token)
        if holder is None:
            holder = self.holders[context.token] = RequestHolder(context)
            context.watch(self.forget_soon)
        holder.strict = holder.strict or strict
        holder.affinity = holder.affinity.started()
        return holder.affinity.count

    def end(self, context: Context) -> int:
        """End a request, or come one level up; return the depth left. Surplus ends are harmless."""
        holder = self.holders.get(context.token)
        if holder is None:
            return 0
        holder.affinity = holder.affinity.ended()
        if holder.affinity.is_active:
            return holder.affinity.count
        self.forget(context.token)
        return 0

    def depth(self, context: Context) -> int:
        """Return how deep in a request the context is, 0 for not at all. Any side, for itself."""
        holder = self.holders.get(context.token)
        return 0 if holder is None else holder.affinity.count

    def connection_id(self, context: Context) -> int | None:
        """Return the server's id of the connection bound last, None for none. Any side."""
        holder = self.holders.get(context.token)
        connection = None if holder is None else holder.last_bound
        return None if connection is None else connection.server_connection_id

    def forget(self, token: int) -> None:
        """Release a holder: its request is over or its context has died."""
        holder = self.holders.pop(token, None)
        if holder is None:
            return
        context = None if holder.context is None else holder.context()
        if context is not None:
            # Or a thread that uses one client after another would keep all their tables.
            context.unwatch(self.forget_soon)
        holder.release()

    def forget_soon(self, token: int) -> None:
        """Note the death of a context. Any side; neither blocks nor raises."""
        if self._successor is not None:
            self._successor.forget_soon(token)
        # No global name: it may be called while the interpreter takes its modules apart.
        elif not self._thread.try_submit(lambda: self.forget(token)):
            # Nobody else uses this table any more.
            self.holders.pop(token, None)

    def inherit(self, parent: RequestTable) -> None:
        """Go on, in a forked child, with the requests that the parent's contexts are in."""
        for token, holder in list(parent.holders.items()):
            mine = self.holders[token] = RequestHolder()
            mine.affinity, mine.strict = holder.affinity, holder.strict
            mine.is_broken = holder.is_broken or bool(holder.bound)
        parent._successor = self

    def drop_connections(self, pools: set[Pool]) -> None:
        """Take what is not in use from every request, and let its next read choose a member."""
        for holder in self.holders.values():
            holder.affinity = replace(holder.affinity, pin=None)
            for pool, connection in list(holder.bound.items()):
                if pool in pools and connection.state is ConnectionState.HELD:
                    # A strict request wants to be told, whoever asked for this.
                    holder.unbind(pool, broken=True)
                    pool.release(connection)

    def clear(self) -> None:
        """Release every holder, as the client closes."""
        for token in list(self.holders):
            self.forget(token)
