from __future__ import annotations

import pytest
from pymongo.errors import AutoReconnect
from pymongo.read_preferences import Nearest, Primary, Secondary

from greenmongo._core.sdam.kinds import ServerKind, TopologyKind
from greenmongo._core.sdam.selection_failure import describe_failure
from greenmongo._core.sdam.server_description import ServerDescription
from greenmongo._core.sdam.topology_description import TopologyDescription
from greenmongo._core.types import ReadMode

P, S = ("p", 27017), ("s", 27017)
WITHOUT = TopologyKind.REPLICA_SET_NO_PRIMARY
SECONDARY = ServerDescription(S, ServerKind.RS_SECONDARY)


def unknown(address: tuple[str, int], error: str | None = None) -> ServerDescription:
    return ServerDescription.unknown(address, None if error is None else AutoReconnect(error))


def topology(
    kind: TopologyKind, *servers: ServerDescription, set_name: str | None = None
) -> TopologyDescription:
    return TopologyDescription(kind, set_name, servers={s.address: s for s in servers})


def test_the_failure_names_every_server_and_its_error() -> None:
    it = topology(WITHOUT, unknown(P, "connection refused"), SECONDARY, set_name="rs")
    assert describe_failure(it, None, 1.5) == (
        "No primary available for writes, Timeout: 1.5s, Topology Description: "
        "ReplicaSetNoPrimary 'rs': p:27017 is Unknown (connection refused); s:27017 is RSSecondary"
    )


@pytest.mark.parametrize(
    ("kind", "preference", "reason"),
    [
        (WITHOUT, Primary(), 'No replica set members match selector "Primary()"'),
        (TopologyKind.SHARDED, None, "No mongoses available for writes"),
        (TopologyKind.SINGLE, None, "No servers available for writes"),
        (TopologyKind.UNKNOWN, Nearest(), 'No servers match selector "Nearest('),
    ],
)
def test_servers_that_do_not_suit_are_no_servers_of_the_wanted_kind(
    kind: TopologyKind, preference: ReadMode | None, reason: str
) -> None:
    assert describe_failure(topology(kind, SECONDARY), preference, 30).startswith(reason)


def test_servers_that_nobody_has_heard_of_are_not_found_yet() -> None:
    it = topology(TopologyKind.UNKNOWN, unknown(P), unknown(S))
    assert describe_failure(it, None, 0.5).startswith("No servers found yet, Timeout: 0.5s, ")
    it = topology(WITHOUT, unknown(P))
    assert describe_failure(it, None, 30).startswith("No replica set members found yet, ")


def test_servers_that_were_not_reached_are_the_errors_each_of_them_once() -> None:
    it = topology(TopologyKind.UNKNOWN, unknown(P, "p: refused"))
    assert describe_failure(it, Secondary(), 30).startswith("p: refused, Timeout: 30s, ")
    it = topology(TopologyKind.UNKNOWN, unknown(P, "refused"), unknown(S, "refused"))
    assert describe_failure(it, None, 30).startswith("refused, Timeout: ")
    it = topology(TopologyKind.UNKNOWN, unknown(P, "p: refused"), unknown(S, "s: timed out"))
    assert describe_failure(it, None, 30).startswith("p: refused,s: timed out, Timeout: ")


def test_members_that_the_seeds_told_of_may_have_names_for_a_network_of_theirs() -> None:
    it = topology(WITHOUT, unknown(P, "no such host"), set_name="rs")
    assert describe_failure(it, None, 30, seeds=[S]).startswith(
        "Could not reach any servers in [('p', 27017)]. Replica set is configured with internal "
        "hostnames or IPs?, Timeout: 30s, "
    )
    assert describe_failure(it, None, 30, seeds=[P, S]).startswith("no such host, ")


def test_no_servers_are_left_of_a_set_by_another_name() -> None:
    assert describe_failure(topology(WITHOUT, set_name="rs"), None, 30) == (
        'No replica set members available for replica set name "rs", '
        "Topology Description: ReplicaSetNoPrimary 'rs': none of the seeds is a member of this "
        "set, so no servers are left in the topology"
    )
    assert describe_failure(TopologyDescription.empty(), Nearest(), 30) == (
        "No servers available, Topology Description: Unknown: no servers are left in the topology"
    )
