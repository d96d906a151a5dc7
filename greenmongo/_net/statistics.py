"""Numbers about one client, for people and for tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from greenmongo._core.types import Address
    from greenmongo._net.engine import Engine

__all__ = ["ClientStatistics", "PoolStatistics", "gather_statistics"]


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """The connections to one server."""

    address: Address
    created: int
    """Connections opened since the client began to use this server."""
    open: int
    """Connections that exist now, those being opened included."""
    idle: int
    """Connections anybody may have."""
    waiting: int
    """Callers in the wait queue."""


@dataclass(frozen=True, slots=True)
class ClientStatistics:
    """One client at one moment."""

    pools: tuple[PoolStatistics, ...]
    requests: int
    """Contexts that are in a request."""
    abandoned: int
    """Replies still to come that nobody waits for."""
    server_sessions: int
    """Server sessions that are free for use."""


def gather_statistics(engine: Engine) -> ClientStatistics:
    """Count. Hub side."""
    return ClientStatistics(
        tuple(
            PoolStatistics(
                server.address,
                server.pool.created_count,
                server.pool.size,
                server.pool.idle_count,
                server.pool.waiting_count,
            )
            for server in engine.topology.servers.values()
        ),
        len(engine.table.holders),
        engine.abandoned_count,
        len(engine.sessions),
    )
