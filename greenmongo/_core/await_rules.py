"""How the commands that wait for news on a server share the connections of a pool.

A `getMore` of a change stream, or of another tailable cursor that awaits data, occupies its
connection although neither side does anything. Those of one pool take turns on half of it, and the
more there are, the shorter they wait.
"""

from __future__ import annotations

__all__ = ["ROUND_MS", "await_time_ms", "turns_of"]

ROUND_MS = 1_000
"""Milliseconds in which each has its turn. It is what servers wait if nobody says how long: so many
cursors that share connections ask no more often than as many that do not."""

_ON_THE_ONLY_CONNECTION_MS = 100
"""Milliseconds for which operations that have no other connection can be kept waiting."""


def turns_of(max_pool_size: int) -> int:
    """Return how many may wait on the server at once."""
    return max(max_pool_size // 2, 1)


def await_time_ms(asked: int | None, *, crowd: int, max_pool_size: int) -> int | None:
    """Return how long the server is to wait for news, in milliseconds; None: as long as it likes.

    Args:
        asked: what the cursor's own option says, None for nothing.
        crowd: how many want to wait there, those whose turn it is included.
        max_pool_size: the connections that there may be.
    """
    turns = turns_of(max_pool_size)
    limit: int | None = None
    if crowd > turns:
        limit = max(ROUND_MS * turns // crowd, 1)
    elif 2 * crowd > turns:
        # Whoever comes next may find no turn free, and a server does not end a wait early.
        limit = ROUND_MS
    if turns == max_pool_size:
        limit = min(limit or ROUND_MS, _ON_THE_ONLY_CONNECTION_MS)
    if asked is None:
        return None if limit is None or limit >= ROUND_MS else limit
    return asked if limit is None else min(asked, limit)
