"""Which server an operation goes to: the Server Selection and Max Staleness specifications.

The clock, the operation counts and the source of randomness are arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Protocol

from pymongo.errors import ConfigurationError

from greenmongo._core.read_modes import (
    PRIMARY,
    PRIMARY_PREFERRED,
    SECONDARY,
    SECONDARY_PREFERRED,
)
from greenmongo._core.sdam.kinds import ServerKind, TopologyKind

if TYPE_CHECKING:
    from greenmongo._core.sdam.server_description import ServerDescription
    from greenmongo._core.types import Address, ReadMode

__all__ = ["Members", "choose", "suitable_servers"]

IDLE_WRITE_PERIOD = 10.0
"""How often an idle primary writes a no-op to the oplog, in seconds."""
SMALLEST_MAX_STALENESS = 90

_REPLICA_SETS = (TopologyKind.REPLICA_SET_WITH_PRIMARY, TopologyKind.REPLICA_SET_NO_PRIMARY)
_NONE: frozenset[Address] = frozenset()


class Members(Protocol):
    """What selection must know of a deployment; `TopologyDescription` knows it."""

    @property
    def kind(self) -> TopologyKind:
        """What kind of deployment it is."""
        ...

    @property
    def writable(self) -> Sequence[ServerDescription]:
        """The servers that take writes."""
        ...

    @property
    def secondaries(self) -> Sequence[ServerDescription]:
        """The secondaries, if it is a replica set."""
        ...


def suitable_servers(
    topology: Members,
    read_preference: ReadMode | None,
    *,
    local_threshold: float,
    heartbeat_interval: float,
    deprioritized: Set[Address] = _NONE,
) -> list[ServerDescription]:
    """Return the servers within the latency window that suit an operation.

    Args:
        topology: the deployment as it is known now.
        read_preference: None for an operation that needs a writable server.
        local_threshold: the width of the latency window in seconds.
        heartbeat_interval: the seconds between two checks of a server.
        deprioritized: servers to take only if no other is suitable.

    Raises:
        ConfigurationError: the read preference's maximum staleness is too small.
    """
    servers: Sequence[ServerDescription]
    if read_preference is None or read_preference.mode == PRIMARY:
        servers = topology.writable
        # The common case. Preferring another server is pointless where there is none.
        if len(servers) < 2:
            return list(servers)
        servers = _without(servers, deprioritized) or servers
    else:
        servers = _matching(topology, read_preference, heartbeat_interval, deprioritized)
        if not servers and deprioritized:
            servers = _matching(topology, read_preference, heartbeat_interval, _NONE)
    return _within_latency_window(servers, local_threshold)


def choose(
    servers: Sequence[ServerDescription],
    operation_counts: Mapping[Address, int],
    sample: Callable[[Sequence[ServerDescription], int], Sequence[ServerDescription]],
) -> ServerDescription:
    """Return the less busy of two servers drawn at random.

    Args:
        servers: at least one server, as `suitable_servers` returns them.
        operation_counts: how many operations each server is executing for this client.
        sample: `random.sample` or a stand-in for it.
    """
    if len(servers) == 1:
        return servers[0]
    one, other = sample(servers, 2)
    if operation_counts.get(one.address, 0) <= operation_counts.get(other.address, 0):
        return one
    return other


def _matching(
    topology: Members,
    preference: ReadMode,
    heartbeat_interval: float,
    deprioritized: Set[Address],
) -> Sequence[ServerDescription]:
    """Return the servers that match a read preference, however far away they are."""
    if topology.kind not in _REPLICA_SETS:
        # Single, sharded and load balanced deployments pass the preference on.
        return _without(topology.writable, deprioritized)
    _check_max_staleness(preference, heartbeat_interval)
    primaries = _without(topology.writable, deprioritized)
    if preference.mode == PRIMARY_PREFERRED and primaries:
        return primaries
    candidates = _without(topology.secondaries, deprioritized)
    if preference.mode not in (PRIMARY_PREFERRED, SECONDARY, SECONDARY_PREFERRED):
        candidates = [*primaries, *candidates]
    if preference.max_staleness > 0:
        candidates = _fresh(topology, candidates, preference.max_staleness, heartbeat_interval)
    eligible = _tagged(candidates, preference.tag_sets)
    if preference.mode == SECONDARY_PREFERRED and not eligible:
        return primaries
    return eligible


def _without(
    servers: Sequence[ServerDescription], addresses: Set[Address]
) -> Sequence[ServerDescription]:
    """Return the servers that are not among these addresses."""
    if not addresses:
        return servers
    return [server for server in servers if server.address not in addresses]


def _check_max_staleness(preference: ReadMode, heartbeat_interval: float) -> None:
    """Refuse a maximum staleness that healthy secondaries could not keep."""
    limit = preference.max_staleness
    if limit <= 0:
        return
    if limit < SMALLEST_MAX_STALENESS:
        raise ConfigurationError(
            f"maxStalenessSeconds must be at least {SMALLEST_MAX_STALENESS}, not {limit}"
        )
    if limit < heartbeat_interval + IDLE_WRITE_PERIOD:
        raise ConfigurationError(
            f"maxStalenessSeconds must be at least heartbeatFrequencyMS + {IDLE_WRITE_PERIOD:g} "
            f"seconds, that is {heartbeat_interval + IDLE_WRITE_PERIOD:g}, not {limit}"
        )


def _fresh(
    topology: Members,
    candidates: Iterable[ServerDescription],
    limit: float,
    heartbeat_interval: float,
) -> list[ServerDescription]:
    """Return the candidates that lag at most `limit` seconds; the primary never lags.

    A secondary that does not tell its last write is left out: its lag cannot be bounded.
    """
    newest = _newest_write(topology)
    kept = []
    for server in candidates:
        if server.kind is not ServerKind.RS_SECONDARY:
            kept.append(server)
        elif newest is not None and server.last_write_date is not None:
            by_client_clock, write_date = newest
            lag = write_date - server.last_write_date + heartbeat_interval
            if by_client_clock is not None:
                lag += server.last_update_time - by_client_clock
            if lag <= limit:
                kept.append(server)
    return kept


def _newest_write(topology: Members) -> tuple[float | None, float] | None:
    """Return the write that lag is measured from: when it was learnt, and its date.

    With a primary it is the primary's, and comparing by when each was learnt takes skew between
    the clocks out. Without one it is the latest of the secondaries', and one clock wrote all.
    """
    for primary in topology.writable:
        if primary.last_write_date is not None:
            return primary.last_update_time, primary.last_write_date
    dates = [s.last_write_date for s in topology.secondaries if s.last_write_date is not None]
    return (None, max(dates)) if dates else None


def _tagged(
    candidates: Sequence[ServerDescription], tag_sets: Sequence[Mapping[str, str]]
) -> Sequence[ServerDescription]:
    """Return the candidates that match the first tag set any of them matches."""
    if not tag_sets:
        return candidates
    for tags in tag_sets:
        wanted = tags.items()
        matched = [server for server in candidates if wanted <= server.tags.items()]
        if matched:
            return matched
    return []


def _within_latency_window(
    servers: Sequence[ServerDescription], local_threshold: float
) -> list[ServerDescription]:
    """Return the servers that are at most the threshold farther away than the nearest."""
    if len(servers) < 2:
        return list(servers)
    limit = min(server.round_trip_time or 0.0 for server in servers) + local_threshold
    return [server for server in servers if (server.round_trip_time or 0.0) <= limit]
