"""Requests that wait for each other's connections: one of them has to give a connection up.

A request keeps the connections it has while it waits for one to another member. With all of two
members' connections in such hands nobody could ever go on: reads from secondaries and writes in
the same requests, or two changes of primary, are enough for that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenmongo._core.pool_rules import ConnectionState
from greenmongo._core.requests.deadlock import find_deadlocked

if TYPE_CHECKING:
    from greenmongo._net.pool import Pool

__all__ = ["break_deadlock"]


def break_deadlock(pool: Pool) -> None:
    """Take a connection from a request if otherwise nobody who waits here is ever served."""
    waited_for: dict[Pool, list[Pool | None]] = {}
    to_visit = [pool]
    while to_visit:
        visited = to_visit.pop()
        if visited not in waited_for:
            waited_for[visited] = _waited_for(visited)
            to_visit += filter(None, waited_for[visited])
    if pool in find_deadlocked(waited_for):
        pool.preempt()


def _waited_for(pool: Pool) -> list[Pool | None]:
    """Return, for each connection, the pool that the request which has it waits for.

    None stands for a connection that will come back, or can be opened.
    """
    if not pool.waiting_count or len(pool.connections) != pool.limits.max_size:
        return [None]
    held = ConnectionState.HELD
    return [
        each.holder.waits_for if each.state is held and each.holder is not None else None
        for each in pool.connections
    ]
