from __future__ import annotations

import pytest
from pymongo.errors import AutoReconnect, ConfigurationError
from pymongo.read_preferences import ReadPreference, Secondary
from pymongo.server_description import ServerDescription as PyMongoServer
from pymongo.topology_description import TopologyDescription as PyMongoTopology

from greenmongo._core.sdam.kinds import ServerKind, TopologyKind
from greenmongo._core.sdam.server_description import ServerDescription
from greenmongo._core.sdam.topology_description import TopologyDescription

A, B = ("a", 27017), ("b", 27017)
WIRE = 21


def server(
    kind: ServerKind, address: tuple[str, int] = A, minutes: int | None = 30
) -> ServerDescription:
    return ServerDescription(
        address, kind, max_wire_version=WIRE, logical_session_timeout_minutes=minutes
    )


def topology(kind: TopologyKind, *servers: ServerDescription) -> TopologyDescription:
    return TopologyDescription(kind, servers={s.address: s for s in servers})


def public(cls: type) -> set[str]:
    return {name for name in dir(cls) if not name.startswith("_")}


# What PyMongo does with its own descriptions, rather than tells of them.
@pytest.mark.parametrize(
    ("ours", "theirs", "left_out"),
    [
        (ServerDescription, PyMongoServer, {"to_unknown"}),
        (
            TopologyDescription,
            PyMongoTopology,
            {
                "apply_selector",
                "candidate_servers",
                "heartbeat_frequency",
                "reset",
                "reset_server",
                "srv_max_hosts",
            },
        ),
    ],
)
def test_listeners_find_the_attributes_pymongo_documents(
    ours: type, theirs: type, left_out: set[str]
) -> None:
    assert public(theirs) - public(ours) <= left_out


@pytest.mark.parametrize(
    ("kind", "data_bearing", "writable"),
    [
        (ServerKind.UNKNOWN, False, False),
        (ServerKind.MONGOS, True, True),
        (ServerKind.RS_PRIMARY, True, True),
        (ServerKind.RS_SECONDARY, True, False),
        (ServerKind.RS_ARBITER, False, False),
        (ServerKind.RS_OTHER, False, False),
        (ServerKind.RS_GHOST, False, False),
        (ServerKind.STANDALONE, True, True),
        (ServerKind.LOAD_BALANCER, True, True),
    ],
)
def test_the_kind_of_a_server_says_what_it_is_good_for(
    kind: ServerKind, data_bearing: bool, writable: bool
) -> None:
    it = server(kind)
    assert (it.is_data_bearing, it.is_readable, it.is_writable) == (
        data_bearing,
        data_bearing,
        writable,
    )


def test_a_server_answers_to_the_names_of_pymongo() -> None:
    it = ServerDescription(A, ServerKind.MONGOS, set_name="rs", set_version=3)
    assert (it.server_type, it.server_type_name, it.mongos) == (1, "Mongos", True)
    assert (it.replica_set_name, it.election_tuple) == ("rs", (3, None))
    assert it.is_server_type_known
    assert it.retryable_reads_supported


@pytest.mark.parametrize(
    ("it", "expected"),
    [
        (server(ServerKind.RS_PRIMARY), True),
        (server(ServerKind.MONGOS), True),
        (server(ServerKind.STANDALONE), False),
        (server(ServerKind.RS_PRIMARY, minutes=None), False),
        (ServerDescription.load_balancer(A), True),
    ],
)
def test_retryable_writes_need_sessions_and_an_oplog(it: ServerDescription, expected: bool) -> None:
    assert it.retryable_writes_supported is expected


def test_all_hosts_are_hosts_passives_and_arbiters() -> None:
    c = ("c", 27017)
    it = ServerDescription(
        A, hosts=frozenset({A}), passives=frozenset({B}), arbiters=frozenset({c})
    )
    assert it.all_hosts == {A, B, c}


def test_a_heartbeat_without_news_gives_an_equal_description() -> None:
    one = ServerDescription(A, ServerKind.STANDALONE, round_trip_time=1.0, last_update_time=1.0)
    other = ServerDescription(A, ServerKind.STANDALONE, round_trip_time=2.0, last_update_time=2.0)
    assert one == other
    assert hash(one) == hash(other)
    assert one != ServerDescription.unknown(A, AutoReconnect("gone"))


def test_topologies_can_be_told_apart_and_hashed() -> None:
    one = topology(TopologyKind.SINGLE, server(ServerKind.STANDALONE))
    assert len({one, topology(TopologyKind.SINGLE, server(ServerKind.STANDALONE))}) == 1
    assert one != TopologyDescription.empty()


def test_a_topology_answers_to_the_names_of_pymongo() -> None:
    known, unknown = server(ServerKind.RS_SECONDARY), ServerDescription.unknown(B)
    it = TopologyDescription(
        TopologyKind.REPLICA_SET_NO_PRIMARY, set_name="rs", servers={A: known, B: unknown}
    )
    assert (it.topology_type, it.topology_type_name) == (1, "ReplicaSetNoPrimary")
    assert it.replica_set_name == "rs"
    assert it.server_descriptions() == {A: known, B: unknown}
    assert it.known_servers == it.readable_servers == [known]
    assert it.has_known_servers
    assert it.has_server(A)
    assert not it.has_server(("c", 27017))
    assert it.common_wire_version == WIRE
    assert str(it) == "ReplicaSetNoPrimary(a:27017 RSSecondary, b:27017 Unknown)"


def test_nothing_is_known_of_an_empty_topology() -> None:
    it = TopologyDescription.empty()
    assert not it.has_known_servers
    assert not it.has_writable_server()
    assert it.common_wire_version is None


@pytest.mark.parametrize(
    ("it", "readable", "writable"),
    [
        (topology(TopologyKind.SINGLE, server(ServerKind.RS_ARBITER)), True, True),
        (topology(TopologyKind.SINGLE, ServerDescription.unknown(A)), False, False),
        (topology(TopologyKind.SHARDED, server(ServerKind.MONGOS)), True, True),
        (topology(TopologyKind.LOAD_BALANCED, ServerDescription.load_balancer(A)), True, True),
        (
            topology(TopologyKind.REPLICA_SET_WITH_PRIMARY, server(ServerKind.RS_PRIMARY)),
            True,
            True,
        ),
        (
            topology(TopologyKind.REPLICA_SET_NO_PRIMARY, server(ServerKind.RS_SECONDARY)),
            False,
            False,
        ),
        (topology(TopologyKind.UNKNOWN, ServerDescription.unknown(A)), False, False),
    ],
)
def test_a_topology_knows_whether_it_can_be_read_and_written(
    it: TopologyDescription, readable: bool, writable: bool
) -> None:
    assert it.has_readable_server() is readable
    assert it.has_writable_server() is writable


def test_a_read_preference_decides_what_is_readable() -> None:
    it = topology(TopologyKind.REPLICA_SET_NO_PRIMARY, server(ServerKind.RS_SECONDARY))
    assert it.has_readable_server(ReadPreference.SECONDARY)
    assert not it.has_readable_server(Secondary(tag_sets=[{"dc": "ny"}]))


def test_the_session_timeout_is_the_smallest_of_the_data_bearing_servers() -> None:
    it = topology(
        TopologyKind.REPLICA_SET_WITH_PRIMARY,
        server(ServerKind.RS_PRIMARY, minutes=30),
        server(ServerKind.RS_SECONDARY, B, minutes=20),
        server(ServerKind.RS_ARBITER, ("c", 27017), minutes=None),
    )
    assert it.logical_session_timeout_minutes == 20


def test_one_data_bearing_server_without_sessions_means_none() -> None:
    it = topology(
        TopologyKind.SHARDED,
        server(ServerKind.MONGOS, minutes=30),
        server(ServerKind.MONGOS, B, minutes=None),
    )
    assert it.logical_session_timeout_minutes is None


@pytest.mark.parametrize(
    ("lowest", "highest", "message"),
    [
        (
            999,
            1000,
            "Server at a:27017 requires wire version 999, but this version of greenmongo only "
            "supports up to 29.",
        ),
        (
            0,
            5,
            "Server at a:27017 reports wire version 5, but this version of greenmongo requires "
            "at least 8 (MongoDB 4.2).",
        ),
    ],
)
def test_a_server_too_old_or_too_new_makes_the_topology_incompatible(
    lowest: int, highest: int, message: str
) -> None:
    it = topology(
        TopologyKind.SINGLE,
        ServerDescription(
            A, ServerKind.STANDALONE, min_wire_version=lowest, max_wire_version=highest
        ),
    )
    assert it.compatibility_error == message
    for ask in (it.check_compatible, it.has_writable_server, it.has_readable_server):
        with pytest.raises(ConfigurationError, match="wire version"):
            ask()


def test_servers_of_unknown_version_are_compatible() -> None:
    it = topology(TopologyKind.LOAD_BALANCED, ServerDescription.load_balancer(A))
    it.check_compatible()
