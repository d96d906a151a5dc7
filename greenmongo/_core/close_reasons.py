"""Why a connection was closed: CMAP, "Connection Pool Monitoring" and "Connection Pool Logging".

A pool gives the reason itself where it closes many at once, as does the filler for connections that
were never established; of all others `reason_to_close` finds it out.
"""

from __future__ import annotations

from collections.abc import Mapping

from pymongo.monitoring import ConnectionClosedReason

from greenmongo._core.pool_rules import PoolCleared, PoolState

__all__ = ["CLOSED_TEXTS", "reason_to_close"]

CLOSED_TEXTS: Mapping[str, str] = {
    ConnectionClosedReason.STALE: "Connection became stale because the pool was cleared",
    ConnectionClosedReason.IDLE: (
        "Connection has been available but unused for longer than the configured max idle time"
    ),
    ConnectionClosedReason.ERROR: "An error occurred while using the connection",
    ConnectionClosedReason.POOL_CLOSED: "Connection pool was closed",
}
"""What log messages say for the reasons of a `ConnectionClosedEvent`."""


def reason_to_close(
    state: PoolState, error: Exception | None, *, is_usable: bool, is_stale: bool
) -> str:
    """Return why a connection is closed that ended for `error`, if for any (CMAP "Events")."""
    if state is PoolState.CLOSED:
        return ConnectionClosedReason.POOL_CLOSED
    if not is_usable and not isinstance(error, PoolCleared):
        return ConnectionClosedReason.ERROR
    return ConnectionClosedReason.STALE if is_stale else ConnectionClosedReason.IDLE
