from __future__ import annotations

from typing import Any

import pytest
from bson.objectid import ObjectId
from pymongo.errors import AutoReconnect, ConfigurationError

from greenmongo._core.sdam.kinds import ServerKind, TopologyKind
from greenmongo._core.sdam.server_description import ServerDescription
from greenmongo._core.sdam.topology_description import TopologyDescription
from greenmongo._core.sdam.transitions import (
    Change,
    CloseServer,
    MarkReady,
    OpenServer,
    RequestCheck,
    ServerChanged,
    TopologyChanged,
    apply_description,
    initial_topology,
)

A, B, C = ("a", 27017), ("b", 27017), ("c", 27017)
PRIMARY, SECONDARY, ARBITER, OTHER, GHOST = (
    ServerKind.RS_PRIMARY,
    ServerKind.RS_SECONDARY,
    ServerKind.RS_ARBITER,
    ServerKind.RS_OTHER,
    ServerKind.RS_GHOST,
)
WITH, WITHOUT = TopologyKind.REPLICA_SET_WITH_PRIMARY, TopologyKind.REPLICA_SET_NO_PRIMARY
OLD, NEW = ObjectId("0" * 23 + "1"), ObjectId("0" * 23 + "2")


def member(
    kind: ServerKind, address: tuple[str, int] = A, *hosts: tuple[str, int], **facts: Any
) -> ServerDescription:
    return ServerDescription(
        address,
        kind,
        hosts=frozenset(hosts or {A, B}),
        **{"set_name": "rs", "max_wire_version": 21, **facts},
    )


def replica_set(*servers: ServerDescription, seeds: Any = (A, B)) -> TopologyDescription:
    topology = initial_topology(seeds, replica_set="rs")
    for server in servers:
        topology = apply_description(topology, server).topology
    return topology


def kinds(topology: TopologyDescription) -> dict[tuple[str, int | None], ServerKind]:
    return {address: server.kind for address, server in topology.servers.items()}


# -- before the first check ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, TopologyKind.UNKNOWN),
        ({"direct_connection": False}, TopologyKind.UNKNOWN),
        ({"direct_connection": True}, TopologyKind.SINGLE),
        ({"direct_connection": True, "replica_set": "rs"}, TopologyKind.SINGLE),
        ({"direct_connection": False, "replica_set": "rs"}, WITHOUT),
        ({"load_balanced": True}, TopologyKind.LOAD_BALANCED),
    ],
)
def test_the_options_decide_what_a_topology_starts_as(
    options: dict[str, Any], expected: TopologyKind
) -> None:
    topology = initial_topology([A], **options)
    assert topology.kind is expected
    assert topology.set_name == options.get("replica_set")
    assert kinds(topology) == {A: ServerKind.UNKNOWN}


@pytest.mark.parametrize(
    ("seeds", "options", "complaint"),
    [
        ([A, B], {"direct_connection": True}, "directConnection=true needs exactly one host"),
        ([A, B], {"load_balanced": True}, "loadBalanced=true needs exactly one host, not 2"),
        ([A], {"load_balanced": True, "direct_connection": True}, "cannot be combined"),
        ([A], {"load_balanced": True, "replica_set": "rs"}, "cannot be combined"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    seeds: list[tuple[str, int]], options: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        initial_topology(seeds, **options)


# -- news that is not taken in ---------------------------------------------------------------------


def test_a_server_that_left_is_ignored() -> None:
    topology = replica_set()
    assert apply_description(topology, member(PRIMARY, C)) == Change(topology)


def test_news_older_than_what_is_known_is_ignored() -> None:
    process = ObjectId()
    topology = replica_set(
        member(PRIMARY, topology_version={"processId": process, "counter": 2}),
    )
    older = member(SECONDARY, topology_version={"processId": process, "counter": 1})
    assert apply_description(topology, older) == Change(topology)


def test_news_of_the_same_version_is_taken_in() -> None:
    version = {"processId": ObjectId(), "counter": 1}
    topology = replica_set(member(PRIMARY, topology_version=version))
    again = member(PRIMARY, topology_version=version, round_trip_time=0.5)
    assert apply_description(topology, again).topology.servers[A].round_trip_time == 0.5


def test_a_load_balancer_stays_one_through_errors() -> None:
    topology = initial_topology([A], load_balanced=True)
    topology = apply_description(topology, ServerDescription.load_balancer(A)).topology
    error = ServerDescription.unknown(A, AutoReconnect("gone"))
    assert apply_description(topology, error) == Change(topology)


# -- one server ------------------------------------------------------------------------------------


def test_a_load_balancer_is_ready_at_once() -> None:
    before = initial_topology([A], load_balanced=True)
    change = apply_description(before, ServerDescription.load_balancer(A))
    assert change.effects == (
        MarkReady(A),
        ServerChanged(ServerDescription.unknown(A), ServerDescription.load_balancer(A)),
        TopologyChanged(before, change.topology),
    )


def test_a_direct_connection_is_ready_whatever_it_reaches() -> None:
    topology = initial_topology([A], direct_connection=True)
    change = apply_description(topology, member(ARBITER))
    assert change.topology.kind is TopologyKind.SINGLE
    assert MarkReady(A) in change.effects


def test_a_direct_connection_to_nobody_is_not_ready() -> None:
    topology = initial_topology([A], direct_connection=True, replica_set="rs")
    error = AutoReconnect("gone")
    change = apply_description(topology, ServerDescription.unknown(A, error))
    assert change.topology.servers[A].error is error
    assert MarkReady(A) not in change.effects


@pytest.mark.parametrize(
    ("set_name", "found"), [(None, "no replica set"), ("other", "replica set 'other'")]
)
def test_a_direct_connection_to_the_wrong_set_is_of_no_use(
    set_name: str | None, found: str
) -> None:
    topology = initial_topology([A], direct_connection=True, replica_set="rs")
    reached = apply_description(topology, member(PRIMARY, set_name=set_name)).topology.servers[A]
    assert reached.kind is ServerKind.UNKNOWN
    assert str(reached.error) == f"expected a member of replica set 'rs', found {found}"


def test_a_direct_connection_to_the_right_set_is_kept() -> None:
    topology = initial_topology([A], direct_connection=True, replica_set="rs")
    change = apply_description(topology, member(SECONDARY))
    assert kinds(change.topology) == {A: SECONDARY}


def test_a_lone_standalone_is_the_deployment() -> None:
    standalone = ServerDescription(A, ServerKind.STANDALONE, max_wire_version=21)
    change = apply_description(initial_topology([A]), standalone)
    assert change.topology.kind is TopologyKind.SINGLE


def test_standalones_among_several_seeds_leave_one_by_one() -> None:
    topology = initial_topology([A, B])
    for address in (A, B):
        standalone = ServerDescription(address, ServerKind.STANDALONE, max_wire_version=21)
        change = apply_description(topology, standalone)
        assert CloseServer(address) in change.effects
        assert MarkReady(address) not in change.effects
        topology = change.topology
    assert topology.kind is TopologyKind.UNKNOWN
    assert topology.servers == {}


# -- kinds that do not belong ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", [ServerKind.STANDALONE, PRIMARY, SECONDARY, ARBITER, OTHER, GHOST])
def test_a_sharded_cluster_keeps_only_mongoses(kind: ServerKind) -> None:
    topology = initial_topology([A, B])
    mongos = ServerDescription(A, ServerKind.MONGOS, max_wire_version=21)
    topology = apply_description(topology, mongos).topology
    assert topology.kind is TopologyKind.SHARDED
    change = apply_description(topology, ServerDescription(B, kind))
    assert kinds(change.topology) == {A: ServerKind.MONGOS}
    assert change.topology.kind is TopologyKind.SHARDED


def test_a_mongos_that_fails_is_kept() -> None:
    mongos = ServerDescription(A, ServerKind.MONGOS, max_wire_version=21)
    topology = apply_description(initial_topology([A, B]), mongos).topology
    change = apply_description(topology, ServerDescription.unknown(A))
    assert kinds(change.topology) == {A: ServerKind.UNKNOWN, B: ServerKind.UNKNOWN}


@pytest.mark.parametrize("kind", [ServerKind.STANDALONE, ServerKind.MONGOS])
@pytest.mark.parametrize("has_primary", [False, True])
def test_a_replica_set_drops_what_is_no_member(kind: ServerKind, has_primary: bool) -> None:
    topology = replica_set(*([member(PRIMARY, B)] if has_primary else []))
    change = apply_description(topology, ServerDescription(A, kind))
    assert A not in change.topology.servers
    assert change.topology.kind is (WITH if has_primary else WITHOUT)


def test_a_primary_restarted_as_a_standalone_is_lost() -> None:
    topology = replica_set(member(PRIMARY))
    change = apply_description(topology, ServerDescription(A, ServerKind.STANDALONE))
    assert change.topology.kind is WITHOUT
    assert kinds(change.topology) == {B: ServerKind.UNKNOWN}


@pytest.mark.parametrize("kind", [GHOST, ServerKind.UNKNOWN])
def test_a_primary_that_fails_or_restarts_is_lost_but_watched(kind: ServerKind) -> None:
    change = apply_description(replica_set(member(PRIMARY)), ServerDescription(A, kind))
    assert change.topology.kind is WITHOUT
    assert change.topology.servers[A].kind is kind


def test_a_ghost_says_nothing_about_the_kind_of_deployment() -> None:
    change = apply_description(initial_topology([A]), ServerDescription(A, GHOST))
    assert change.topology.kind is TopologyKind.UNKNOWN
    assert kinds(change.topology) == {A: GHOST}


# -- a replica set without primary -----------------------------------------------------------------


@pytest.mark.parametrize("kind", [SECONDARY, ARBITER, OTHER])
def test_any_member_reveals_the_set_and_its_other_members(kind: ServerKind) -> None:
    before = initial_topology([A])
    found = member(kind, A, A, B, C)
    change = apply_description(before, found)
    assert change.topology.kind is WITHOUT
    assert change.topology.set_name == "rs"
    ready = (MarkReady(A),) if kind is SECONDARY else ()
    assert change.effects == (
        *ready,
        ServerChanged(ServerDescription.unknown(A), found),
        OpenServer(B),
        OpenServer(C),
        TopologyChanged(before, change.topology),
    )


@pytest.mark.parametrize("kind", [SECONDARY, ARBITER, OTHER])
def test_a_member_of_another_set_is_dropped(kind: ServerKind) -> None:
    change = apply_description(replica_set(), member(kind, A, C, set_name="other"))
    assert kinds(change.topology) == {B: ServerKind.UNKNOWN}
    assert change.topology.kind is WITHOUT


def test_a_member_reached_by_another_name_gives_its_names_and_leaves() -> None:
    change = apply_description(replica_set(seeds=[A]), member(SECONDARY, A, B, me=B))
    assert kinds(change.topology) == {B: ServerKind.UNKNOWN}
    assert [type(e) for e in change.effects] == [
        ServerChanged,
        OpenServer,
        CloseServer,
        TopologyChanged,
    ]


# -- a replica set with primary --------------------------------------------------------------------


def test_the_host_list_of_the_primary_is_the_truth() -> None:
    change = apply_description(replica_set(seeds=[A, B]), member(PRIMARY, A, A, C))
    assert change.topology.kind is WITH
    assert kinds(change.topology) == {A: PRIMARY, C: ServerKind.UNKNOWN}
    assert OpenServer(C) in change.effects
    assert CloseServer(B) in change.effects
    assert MarkReady(A) in change.effects


def test_a_primary_names_the_set() -> None:
    change = apply_description(initial_topology([A]), member(PRIMARY, A, A))
    assert change.topology.set_name == "rs"
    assert change.topology.kind is WITH


def test_a_primary_reached_by_another_name_is_not_available_yet() -> None:
    change = apply_description(replica_set(seeds=[A]), member(PRIMARY, A, B, C))
    assert change.topology.kind is WITHOUT
    assert kinds(change.topology) == dict.fromkeys((B, C), ServerKind.UNKNOWN)


def test_a_primary_of_another_set_is_dropped() -> None:
    change = apply_description(replica_set(), member(PRIMARY, set_name="other"))
    assert change.topology.kind is WITHOUT
    assert kinds(change.topology) == {B: ServerKind.UNKNOWN}


def test_a_new_primary_puts_the_former_one_in_doubt() -> None:
    topology = replica_set(member(PRIMARY, A))
    former = topology.servers[A]
    change = apply_description(topology, member(PRIMARY, B))
    assert kinds(change.topology) == {A: ServerKind.UNKNOWN, B: PRIMARY}
    doubted = change.topology.servers[A]
    assert "discovery of newer primary" in str(doubted.error)
    assert ServerChanged(former, doubted) in change.effects
    assert change.effects[-1] == RequestCheck(A)


def test_a_former_primary_that_left_the_set_is_not_checked() -> None:
    change = apply_description(replica_set(member(PRIMARY, A)), member(PRIMARY, B, B))
    assert kinds(change.topology) == {B: PRIMARY}
    assert RequestCheck(A) not in change.effects


@pytest.mark.parametrize("kind", [SECONDARY, ARBITER, OTHER])
def test_a_primary_that_steps_down_leaves_the_set_without(kind: ServerKind) -> None:
    change = apply_description(replica_set(member(PRIMARY)), member(kind))
    assert change.topology.kind is WITHOUT


def test_a_member_adds_nobody_while_there_is_a_primary() -> None:
    change = apply_description(replica_set(member(PRIMARY)), member(SECONDARY, B, A, B, C))
    assert kinds(change.topology) == {A: PRIMARY, B: SECONDARY}
    assert change.topology.kind is WITH


@pytest.mark.parametrize("facts", [{"set_name": "other"}, {"me": C}])
def test_a_member_that_does_not_fit_leaves_while_there_is_a_primary(
    facts: dict[str, Any],
) -> None:
    change = apply_description(replica_set(member(PRIMARY)), member(SECONDARY, B, **facts))
    assert kinds(change.topology) == {A: PRIMARY}
    assert change.topology.kind is WITH


def test_a_heartbeat_without_news_only_keeps_the_pool_ready() -> None:
    topology = replica_set(member(PRIMARY))
    change = apply_description(topology, member(PRIMARY, round_trip_time=0.1))
    assert change.effects == (MarkReady(A),)
    assert change.topology.servers[A].round_trip_time == 0.1


# -- stale primaries -------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", [16, 21])
@pytest.mark.parametrize(
    ("known", "reported", "is_stale"),
    [
        ((1, NEW), (1, OLD), {16: True, 21: True}),
        ((2, OLD), (1, OLD), {16: True, 21: True}),
        ((2, OLD), (1, NEW), {16: True, 21: False}),
        ((1, NEW), (2, OLD), {16: False, 21: True}),
        ((1, OLD), (1, OLD), {16: False, 21: False}),
        ((1, OLD), (2, NEW), {16: False, 21: False}),
        ((1, OLD), (None, None), {16: False, 21: True}),
        ((1, None), (1, OLD), {16: False, 21: False}),
        ((None, None), (None, None), {16: False, 21: False}),
    ],
)
def test_an_earlier_primary_is_not_believed(
    known: tuple[int | None, ObjectId | None],
    reported: tuple[int | None, ObjectId | None],
    is_stale: dict[int, bool],
    wire: int,
) -> None:
    def primary(
        address: tuple[str, int], facts: tuple[int | None, ObjectId | None]
    ) -> ServerDescription:
        version, election = facts
        return member(
            PRIMARY, address, set_version=version, election_id=election, max_wire_version=wire
        )

    topology = replica_set(primary(A, known))
    change = apply_description(topology, primary(B, reported))
    believed = change.topology.servers
    if is_stale[wire]:
        assert kinds(change.topology) == {A: PRIMARY, B: ServerKind.UNKNOWN}
        assert "electionId/setVersion mismatch" in str(believed[B].error)
        assert MarkReady(B) not in change.effects
        assert change.topology.max_election_id == topology.max_election_id
    else:
        assert kinds(change.topology) == {A: ServerKind.UNKNOWN, B: PRIMARY}
    assert change.topology.kind is WITH


def test_the_latest_election_is_remembered_without_a_primary() -> None:
    topology = replica_set(
        member(PRIMARY, A, set_version=1, election_id=NEW), ServerDescription.unknown(A)
    )
    assert (topology.max_set_version, topology.max_election_id) == (1, NEW)
    change = apply_description(topology, member(PRIMARY, B, set_version=1, election_id=OLD))
    assert change.topology.kind is WITHOUT


def test_before_6_0_a_set_version_counts_without_an_election_id() -> None:
    topology = replica_set(member(PRIMARY, A, set_version=2, max_wire_version=16))
    assert (topology.max_set_version, topology.max_election_id) == (2, None)
