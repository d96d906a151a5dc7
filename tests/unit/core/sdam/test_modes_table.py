"""S23 and S24: where reads go in each mode, by tags and distance, while members come and go.

The cases are listed in tests/README.md.
"""

from __future__ import annotations

from typing import Any

import pytest
from pymongo.read_preferences import (
    Nearest,
    Primary,
    PrimaryPreferred,
    Secondary,
    SecondaryPreferred,
)

from greenmongo._core.sdam.kinds import ServerKind, TopologyKind
from greenmongo._core.sdam.selection import suitable_servers
from greenmongo._core.sdam.server_description import ServerDescription
from greenmongo._core.sdam.topology_description import TopologyDescription
from greenmongo._core.types import Address, ReadMode

NY, LA, NOWHERE = {"dc": "ny"}, {"dc": "la"}, {"dc": "nowhere"}
MEMBERS = {
    # name: kind, data centre, ping in seconds
    "primary": (ServerKind.RS_PRIMARY, "ny", 0.0),
    "near": (ServerKind.RS_SECONDARY, "la", 0.0),
    "far": (ServerKind.RS_SECONDARY, "ny", 10.0),
}
ALL_UP = frozenset(MEMBERS)
PRIMARY_DOWN = ALL_UP - {"primary"}
NEAR_DOWN = ALL_UP - {"near"}
SECONDARIES_DOWN = frozenset({"primary"})


def topology(
    up: frozenset[str], members: dict[str, tuple[ServerKind, str, float]]
) -> TopologyDescription:
    servers: dict[Address, ServerDescription] = {}
    for name, (state, dc, ping) in members.items():
        address = (name, 27017)
        servers[address] = (
            ServerDescription(address, state, round_trip_time=ping, tags={"dc": dc, "name": name})
            if name in up
            else ServerDescription.unknown(address)
        )
    with_primary = any(s.kind is ServerKind.RS_PRIMARY for s in servers.values())
    kind = (
        TopologyKind.REPLICA_SET_WITH_PRIMARY
        if with_primary
        else TopologyKind.REPLICA_SET_NO_PRIMARY
    )
    return TopologyDescription(kind, servers=servers)


def readers(deployment: TopologyDescription, mode: ReadMode, latency: float = 0.015) -> str:
    found = suitable_servers(deployment, mode, local_threshold=latency, heartbeat_interval=10.0)
    return " ".join(sorted(server.address[0] for server in found))


@pytest.mark.parametrize(
    ("mode", "all_up", "primary_down", "near_down", "secondaries_down"),
    [
        (Primary(), "primary", "", "primary", "primary"),
        (PrimaryPreferred(), "primary", "near", "primary", "primary"),
        # The primary is taken whatever its tags; they count for who stands in.
        (PrimaryPreferred([LA]), "primary", "near", "primary", "primary"),
        (PrimaryPreferred([NY]), "primary", "far", "primary", "primary"),
        (PrimaryPreferred([NOWHERE]), "primary", "", "primary", "primary"),
        (PrimaryPreferred([NOWHERE, {}]), "primary", "near", "primary", "primary"),
        (Secondary(), "near", "near", "far", ""),
        (Secondary([NY]), "far", "far", "far", ""),
        (Secondary([LA]), "near", "near", "", ""),
        # In order: the first set that anybody matches.
        (Secondary([LA, NY]), "near", "near", "far", ""),
        (Secondary([{"name": "primary"}]), "", "", "", ""),
        (Secondary([NOWHERE, {}]), "near", "near", "far", ""),
        (SecondaryPreferred(), "near", "near", "far", "primary"),
        (SecondaryPreferred([NY]), "far", "far", "far", "primary"),
        (SecondaryPreferred([NOWHERE]), "primary", "", "primary", "primary"),
        (Nearest(), "near primary", "near", "primary", "primary"),
        (Nearest([NY]), "primary", "far", "primary", "primary"),
        (Nearest([LA]), "near", "near", "", ""),
        (Nearest([NOWHERE, {}]), "near primary", "near", "primary", "primary"),
    ],
    ids=lambda value: value.name + str(value.tag_sets) if hasattr(value, "tag_sets") else None,
)
def test_S23_who_is_read_from_as_members_go_down(
    mode: Any, all_up: str, primary_down: str, near_down: str, secondaries_down: str
) -> None:
    assert readers(topology(ALL_UP, MEMBERS), mode) == all_up
    assert readers(topology(PRIMARY_DOWN, MEMBERS), mode) == primary_down
    assert readers(topology(NEAR_DOWN, MEMBERS), mode) == near_down
    assert readers(topology(SECONDARIES_DOWN, MEMBERS), mode) == secondaries_down


PINGS = {
    "fast": (ServerKind.RS_PRIMARY, "ny", 0.0),
    "slower": (ServerKind.RS_SECONDARY, "ny", 0.030),
    "slowest": (ServerKind.RS_SECONDARY, "ny", 10.0),
}


@pytest.mark.parametrize(
    ("latency", "expected"),
    [
        (0.015, "fast"),
        (0.030, "fast slower"),  # the window is closed at its end
        (1000.0, "fast slower slowest"),
        (0.0, "fast"),
    ],
)
def test_S24_who_is_near_enough(latency: float, expected: str) -> None:
    assert readers(topology(frozenset(PINGS), PINGS), Nearest(), latency) == expected
