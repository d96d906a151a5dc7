"""When everybody waits for somebody else's connection, found out without a socket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

__all__ = ["find_deadlocked"]

P = TypeVar("P")


def find_deadlocked(waited_for: Mapping[P, Sequence[P | None]]) -> set[P]:
    """Return the pools that nobody will ever give a connection back to.

    Args:
        waited_for: for each pool, and each of its connections, the pool that whoever has the
            connection waits for; None if that one waits for no pool.
    """
    stuck = set(waited_for)
    while moving := {pool for pool in stuck if not stuck.issuperset(waited_for[pool])}:
        stuck -= moving
    return stuck
