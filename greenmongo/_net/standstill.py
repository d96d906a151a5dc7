"""Requests that wait for each other's connections: one of them has to give a connection up.

A request keeps the connections it has while it waits for one to another member. With all of two
members' connections in such hands nobody could ever go on: reads from secondaries and writes in
the same requests, or two changes of primary, are enough for that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenmongo._core.standstill import at_a_standstill

if TYPE_CHECKING:
    from greenmongo._net.pool import Pool

__all__ = ["break_standstill"]


def break_standstill(pool: Pool) -> None:
    """Take a connection from a request if otherwise nobody in this pool's line is ever served."""
    holders: dict[Pool, list[Pool | None]] = {}
    to_visit = [pool]
    while to_visit:
        visited = to_visit.pop()
        if visited not in holders:
            holders[visited] = visited.awaited_by_holders()
            to_visit += filter(None, holders[visited])
    if pool in at_a_standstill(holders):
        pool.take_from_a_request()
