"""What a connection pool decides, without a socket (CMAP specification)."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pymongo.errors import AutoReconnect, WaitQueueTimeoutError

from greenmongo._core.requests.errors import ExceededMaxWaiters
from greenmongo._core.types import format_address

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping

    from bson.objectid import ObjectId

    from greenmongo._core.options import ClientOptions
    from greenmongo._core.types import Address

__all__ = [
    "CONNECTION_CHANGES",
    "STALE",
    "ConnectionState",
    "HolderKind",
    "PendingConnection",
    "PoolCleared",
    "PoolClosed",
    "PoolLimits",
    "PoolState",
    "has_perished",
    "interruption",
    "may_connect",
    "may_wait",
    "not_ready",
    "too_many_waiting",
    "wait_queue_timeout",
]


STALE = -1
"""The generation of a connection that became stale while others of its pool did not."""


@dataclass(slots=True)
class PendingConnection:
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
    """The state of a whole pool (CMAP "Connection Pool")."""

    PAUSED = "paused"
    READY = "ready"
    CLOSED = "closed"


class HolderKind(enum.Enum):
    """Why a connection is kept (Load Balancer Support, "Connection Tracking")."""

    REQUEST = "request"
    CURSOR = "cursor"
    TRANSACTION = "transaction"


class ConnectionState(enum.Enum):
    """What a pooled connection is at: CMAP "Connection", whose "in use" is three states here."""

    PENDING = "pending"
    """Being established."""
    AVAILABLE = "available"
    """Idle, or given to the head of the wait queue, who has not run since."""
    IN_USE = "in use"
    """An operation has it."""
    HELD = "held"
    """Kept by a request or a cursor between two operations."""
    DRAINING = "draining"
    """The operation's caller has left, and the reply is still to come."""
    CLOSED = "closed"
    """No longer counted. Whoever has it still checks it in, to no effect."""


_State = ConnectionState

CONNECTION_CHANGES: Mapping[ConnectionState, frozenset[ConnectionState]] = {
    # Established and admitted; or not.
    _State.PENDING: frozenset({_State.AVAILABLE, _State.CLOSED}),
    # Checked out; or perished, cleared, broken.
    _State.AVAILABLE: frozenset({_State.IN_USE, _State.CLOSED}),
    # Checked in, with no holder, with one, or before its reply; or found closed then.
    _State.IN_USE: frozenset({_State.AVAILABLE, _State.HELD, _State.DRAINING, _State.CLOSED}),
    # The holder's next operation; the holder's end, or it is taken from it; or cleared, broken.
    _State.HELD: frozenset({_State.IN_USE, _State.AVAILABLE, _State.CLOSED}),
    # The late reply has come; or it has not.
    _State.DRAINING: frozenset({_State.AVAILABLE, _State.HELD, _State.CLOSED}),
    _State.CLOSED: frozenset(),
}
"""The changes that a pool makes, and no others."""


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
    """Tell whether a connection is stale, or was idle for too long (CMAP: perishable)."""
    if generation != current_generation:
        return True
    return limits.max_idle_time is not None and idle_for > limits.max_idle_time


def may_wait(*, waiting: int, open_count: int, limits: PoolLimits) -> bool:
    """Tell whether one more caller may join those who wait, with `open_count` connections taken.

    Those for whom a connection is opened, or may be, do not count: they wait for nobody.
    """
    if limits.max_size is None or limits.max_waiting is None:
        return True
    return waiting - (limits.max_size - open_count) < limits.max_waiting


def may_connect(*, total: int, connecting: int, limits: PoolLimits) -> bool:
    """Tell whether one more connection may be opened; `total` counts those under way too."""
    if connecting >= limits.max_connecting:
        return False
    return limits.max_size is None or total < limits.max_size


def not_ready(address: Address, state: PoolState, cause: Exception | None = None) -> PoolCleared:
    """Return what a caller is told by a pool that is paused, because of `cause`, or closed."""
    kind, name = PoolCleared, "paused"
    if state is PoolState.CLOSED:
        kind, name = PoolClosed, "closed"
    why = "" if cause is None else f" ({cause})"
    problem = kind(f"{format_address(address)}: connection pool {name}{why}")
    problem.__cause__ = cause
    return problem


def interruption(address: Address) -> PoolCleared:
    """Return what ends an operation in use (CMAP "Clearing a non-load balanced pool")."""
    name = format_address(address)
    return PoolCleared(f"Connection to {name} interrupted due to server monitor timeout")


def too_many_waiting(address: Address, limits: PoolLimits) -> ExceededMaxWaiters:
    """Return what a caller is told who may not even wait (CMAP "waitQueueMultiple")."""
    return ExceededMaxWaiters(
        f"{format_address(address)}: {limits.max_waiting} callers wait for a connection already; "
        f"maxPoolSize: {limits.max_size}"
    )


def wait_queue_timeout(
    address: Address,
    waited: float,
    limits: PoolLimits,
    *,
    busy: int,
    held: Counter[HolderKind],
) -> WaitQueueTimeoutError:
    """Return what a caller is told who waited for too long.

    Args:
        waited: for so many seconds.
        busy: connections that are not idle.
        held: how many of them are kept, for each reason.
    """
    use = f"in use or being opened: {busy}"
    if limits.load_balanced:
        # Load Balancer Support, "Connection Tracking"
        cursors, transactions = held[HolderKind.CURSOR], held[HolderKind.TRANSACTION]
        use = (
            f"connections in use by cursors: {cursors}, "
            f"connections in use by transactions: {transactions}, "
            f"connections in use by other operations: {busy - cursors - transactions}"
        )
    return WaitQueueTimeoutError(
        f"{format_address(address)}: timed out while checking out a connection from the "
        f"pool after {waited:.3g} s; maxPoolSize: {limits.max_size}, {use}"
    )
