"""What a connection pool decides, without a socket (CMAP specification)."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pymongo.errors import AutoReconnect

if TYPE_CHECKING:
    from bson.objectid import ObjectId

    from greenmongo._core.options import ClientOptions

__all__ = [
    "STALE",
    "Opening",
    "PoolCleared",
    "PoolClosed",
    "PoolLimits",
    "PoolState",
    "has_perished",
    "may_connect",
    "may_wait",
]


STALE = -1
"""The generation of a connection that became stale while others of its pool did not."""


@dataclass(slots=True)
class Opening:
    """A connection that is being opened."""

    number: int
    generation: int
    service_id: ObjectId | None = None
    """Behind a load balancer: the server it has reached, once that has said who it is."""


class PoolCleared(AutoReconnect):
    """The pool was cleared because its server failed; nothing was sent, so a retry is safe."""


class PoolClosed(PoolCleared):
    """The server left the deployment, or the client is closing."""


class PoolState(enum.Enum):
    """CMAP "Pool State"."""

    PAUSED = "paused"
    READY = "ready"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """A pool's sizes and times; seconds, None for no limit."""

    max_size: int | None
    min_size: int
    max_connecting: int
    max_idle_time: float | None
    wait_timeout: float | None
    max_waiting: int | None = None
    """Callers that may wait for others to be done."""
    load_balanced: bool = False
    """Cursors keep connections, so errors tell how many."""

    @classmethod
    def of(cls, options: ClientOptions) -> PoolLimits:
        """Pick the pool's part of the client's options."""
        return cls(
            options.max_pool_size or None,
            options.min_pool_size,
            options.max_connecting,
            options.max_idle_time,
            options.wait_queue_timeout,
            _max_waiting(options),
            options.load_balanced,
        )


def _max_waiting(options: ClientOptions) -> int | None:
    if options.max_pool_size is None or options.wait_queue_multiple is None:
        return None
    return options.max_pool_size * options.wait_queue_multiple


def has_perished(
    *, generation: int, current_generation: int, idle_for: float, limits: PoolLimits
) -> bool:
    """Tell whether a connection is stale or was idle for too long (CMAP "Connection States")."""
    if generation != current_generation:
        return True
    return limits.max_idle_time is not None and idle_for > limits.max_idle_time


def may_wait(*, line: int, open_count: int, limits: PoolLimits) -> bool:
    """Tell whether one more caller may join those in line, with `open_count` connections taken.

    Those for whom a connection is opened, or may be, do not count: they wait for nobody.
    """
    if limits.max_size is None or limits.max_waiting is None:
        return True
    return line - (limits.max_size - open_count) < limits.max_waiting


def may_connect(*, total: int, connecting: int, limits: PoolLimits) -> bool:
    """Tell whether one more connection may be opened; `total` counts those under way too."""
    if connecting >= limits.max_connecting:
        return False
    return limits.max_size is None or total < limits.max_size
