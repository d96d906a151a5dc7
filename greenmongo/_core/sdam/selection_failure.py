"""What a ServerSelectionTimeoutError says.

First PyMongo's sentence, which programs and search engines know, then the state of every server.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from greenmongo._core.sdam.kinds import TopologyKind
from greenmongo._core.types import format_address

if TYPE_CHECKING:
    from greenmongo._core.sdam.server_description import ServerDescription
    from greenmongo._core.sdam.topology_description import TopologyDescription
    from greenmongo._core.types import Address, ReadMode

__all__ = ["describe_failure"]

_REPLICA_SETS = (TopologyKind.REPLICA_SET_WITH_PRIMARY, TopologyKind.REPLICA_SET_NO_PRIMARY)


def describe_failure(
    topology: TopologyDescription,
    read_preference: ReadMode | None,
    timeout: float,
    seeds: Collection[Address] = (),
) -> str:
    """Return the message of the ServerSelectionTimeoutError: what was wanted and what is there.

    Args:
        topology: the deployment as it is known now.
        read_preference: None for an operation that needs a writable server.
        timeout: the seconds that somebody waited. They are not told where no server is left to
            wait for.
        seeds: where the search began.
    """
    members = _members(topology.kind)
    if topology.has_known_servers:
        reason = _not_suitable(topology.kind, members, read_preference)
    elif topology.servers:
        reason = _not_reached(topology, members, seeds)
    elif topology.kind in _REPLICA_SETS:
        reason = f'No {members} available for replica set name "{topology.set_name}"'
    else:
        reason = f"No {members} available"
    waited = f", Timeout: {timeout:g}s" if topology.servers else ""
    return f"{reason}{waited}, Topology Description: {_state(topology)}"


def _members(kind: TopologyKind) -> str:
    if kind in _REPLICA_SETS:
        return "replica set members"
    return "mongoses" if kind is TopologyKind.SHARDED else "servers"


def _not_suitable(kind: TopologyKind, members: str, read_preference: ReadMode | None) -> str:
    if read_preference is not None:
        return f'No {members} match selector "{read_preference}"'
    return f"No {'primary' if kind in _REPLICA_SETS else members} available for writes"


def _not_reached(topology: TopologyDescription, members: str, seeds: Collection[Address]) -> str:
    errors = [server.error for server in topology.servers.values()]
    reasons = list(dict.fromkeys(str(error) for error in errors if error is not None))
    if not reasons:
        return f"No {members} found yet"
    if topology.kind in _REPLICA_SETS and seeds and topology.servers.keys().isdisjoint(seeds):
        return (
            f"Could not reach any servers in {list(topology.servers)}. Replica set is configured"
            " with internal hostnames or IPs?"
        )
    return ",".join(reasons)


def _state(topology: TopologyDescription) -> str:
    set_name = f" {topology.set_name!r}" if topology.set_name else ""
    if topology.servers:
        found = "; ".join(_state_of(server) for server in topology.servers.values())
    else:
        found = "no servers are left in the topology"
        if topology.set_name:
            found = f"none of the seeds is a member of this set, so {found}"
    return f"{topology.kind.value}{set_name}: {found}"


def _state_of(server: ServerDescription) -> str:
    """Return one server's address, kind and last error."""
    error = f" ({server.error})" if server.error is not None else ""
    return f"{format_address(server.address)} is {server.kind.value}{error}"
