from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from pymongo.errors import ConfigurationError
from pymongo.read_preferences import (
    Nearest,
    Primary,
    PrimaryPreferred,
    Secondary,
    SecondaryPreferred,
)

from greenmongo._core.sdam.kinds import ServerKind, TopologyKind
from greenmongo._core.sdam.selection import (
    choose,
    suitable_servers,
)
from greenmongo._core.sdam.server_description import ServerDescription
from greenmongo._core.sdam.topology_description import TopologyDescription
from greenmongo._core.types import Address, ReadMode

P, S, T = ("p", 27017), ("s", 27017), ("t", 27017)
WITH, WITHOUT = TopologyKind.REPLICA_SET_WITH_PRIMARY, TopologyKind.REPLICA_SET_NO_PRIMARY


def server(
    address: Address, kind: ServerKind = ServerKind.RS_SECONDARY, **facts: Any
) -> ServerDescription:
    return ServerDescription(address, kind, **{"round_trip_time": 0.01, **facts})


def topology(kind: TopologyKind, *servers: ServerDescription) -> TopologyDescription:
    return TopologyDescription(kind, servers={s.address: s for s in servers})


def select(
    it: TopologyDescription,
    preference: ReadMode | None,
    *,
    deprioritized: frozenset[Address] = frozenset(),
    heartbeat_interval: float = 10.0,
) -> list[Address]:
    found = suitable_servers(
        it,
        preference,
        local_threshold=0.015,
        heartbeat_interval=heartbeat_interval,
        deprioritized=deprioritized,
    )
    return [s.address for s in found]


PRIMARY = server(P, ServerKind.RS_PRIMARY)
FULL = topology(WITH, PRIMARY, server(S), server(T))
HEADLESS = topology(WITHOUT, server(S), server(T), ServerDescription.unknown(P))
ONLY_PRIMARY = topology(WITH, PRIMARY, ServerDescription.unknown(S))
SHARDED = topology(
    TopologyKind.SHARDED,
    server(S, ServerKind.MONGOS),
    server(T, ServerKind.MONGOS),
    ServerDescription.unknown(P),
)


# -- modes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("preference", "full", "headless", "only_primary"),
    [
        (None, [P], [], [P]),
        (Primary(), [P], [], [P]),
        (PrimaryPreferred(), [P], [S, T], [P]),
        (Secondary(), [S, T], [S, T], []),
        (SecondaryPreferred(), [S, T], [S, T], [P]),
        (Nearest(), [P, S, T], [S, T], [P]),
    ],
)
def test_the_mode_decides_between_primary_and_secondaries(
    preference: ReadMode | None,
    full: list[Address],
    headless: list[Address],
    only_primary: list[Address],
) -> None:
    assert select(FULL, preference) == full
    assert select(HEADLESS, preference) == headless
    assert select(ONLY_PRIMARY, preference) == only_primary


@pytest.mark.parametrize("preference", [None, Primary(), Secondary(), Nearest()])
@pytest.mark.parametrize(
    ("it", "expected"),
    [
        (topology(TopologyKind.SINGLE, server(S, ServerKind.RS_OTHER)), [S]),
        (topology(TopologyKind.SINGLE, ServerDescription.unknown(S)), []),
        (topology(TopologyKind.LOAD_BALANCED, ServerDescription.load_balancer(S)), [S]),
        (topology(TopologyKind.UNKNOWN, server(S, ServerKind.RS_GHOST)), []),
        (SHARDED, [S, T]),
    ],
)
def test_outside_of_replica_sets_the_preference_selects_nothing(
    it: TopologyDescription, preference: ReadMode | None, expected: list[Address]
) -> None:
    assert select(it, preference) == expected


# -- deprioritized servers -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("it", "preference", "avoided", "expected"),
    [
        (FULL, None, {P}, [P]),
        (FULL, Nearest(), {P, S}, [T]),
        (FULL, PrimaryPreferred(), {P}, [S, T]),
        (FULL, SecondaryPreferred(), {S, T}, [P]),
        (FULL, Secondary(), {S, T}, [S, T]),
        (SHARDED, None, {S}, [T]),
        (SHARDED, Nearest(), {S}, [T]),
        (SHARDED, None, {S, T}, [S, T]),
        (SHARDED, Nearest(), {S, T}, [S, T]),
    ],
)
def test_deprioritized_servers_are_taken_only_if_no_other_is_suitable(
    it: TopologyDescription,
    preference: ReadMode | None,
    avoided: set[Address],
    expected: list[Address],
) -> None:
    assert select(it, preference, deprioritized=frozenset(avoided)) == expected


# -- tags ------------------------------------------------------------------------------------------

TAGGED = topology(
    WITH,
    server(P, ServerKind.RS_PRIMARY, tags={"dc": "ny"}),
    server(S, tags={"dc": "ny", "rack": "1"}),
    server(T, tags={"dc": "sf"}),
)


@pytest.mark.parametrize(
    ("tag_sets", "expected"),
    [
        ([{"dc": "ny"}], [S]),
        ([{"dc": "ny", "rack": "2"}], []),
        ([{"dc": "ny", "rack": "2"}, {"dc": "sf"}], [T]),
        ([{"dc": "sf"}, {}], [T]),
        ([{"dc": "tokyo"}, {}], [S, T]),
        (None, [S, T]),
    ],
)
def test_the_first_tag_set_that_matches_anything_counts(
    tag_sets: list[dict[str, str]] | None, expected: list[Address]
) -> None:
    assert select(TAGGED, Secondary(tag_sets=tag_sets)) == expected


class Untagged:
    mode, max_staleness, tag_sets = 2, -1, ()


def test_no_tag_sets_at_all_match_everything() -> None:
    assert select(TAGGED, Untagged()) == [S, T]  # type: ignore[arg-type]


def test_the_primary_needs_the_tags_too_when_it_is_just_the_nearest() -> None:
    assert select(TAGGED, Nearest(tag_sets=[{"dc": "sf"}])) == [T]
    assert select(TAGGED, PrimaryPreferred(tag_sets=[{"dc": "sf"}])) == [P]
    assert select(TAGGED, SecondaryPreferred(tag_sets=[{"dc": "tokyo"}])) == [P]


# -- staleness -------------------------------------------------------------------------------------


def written(address: Address, seconds: float | None, at: float, **facts: Any) -> ServerDescription:
    return server(address, last_write_date=seconds, last_update_time=at, **facts)


def test_lag_is_measured_from_the_primary_whatever_the_clocks_say() -> None:
    it = topology(
        WITH,
        written(P, 1000.0, 50.0, kind=ServerKind.RS_PRIMARY),
        written(S, 920.0, 50.0),  # 80 s behind, and 10 s until the next check
        written(T, 915.0, 46.0),  # 85 s behind, but checked 4 s earlier: 81 s
    )
    assert select(it, Secondary(max_staleness=90)) == [S]
    assert select(it, Secondary(max_staleness=91)) == [S, T]
    assert select(it, Nearest(max_staleness=90)) == [P, S]


def test_without_a_primary_lag_is_measured_from_the_newest_secondary() -> None:
    it = topology(WITHOUT, written(S, 1000.0, 0.0), written(T, 915.0, 99.0))
    assert select(it, Nearest(max_staleness=94)) == [S]
    assert select(it, Nearest(max_staleness=95)) == [S, T]


def test_a_primary_that_tells_no_last_write_is_passed_over() -> None:
    it = topology(
        WITH,
        written(P, None, 0.0, kind=ServerKind.RS_PRIMARY),
        written(S, 1000.0, 0.0),
        written(T, 900.0, 0.0),
    )
    assert select(it, Secondary(max_staleness=90)) == [S]


def test_a_secondary_that_tells_no_last_write_cannot_be_trusted() -> None:
    it = topology(WITH, PRIMARY, written(S, None, 0.0), written(T, 1000.0, 0.0))
    assert select(it, Secondary(max_staleness=90)) == [T]
    it = topology(WITHOUT, written(S, None, 0.0))
    assert select(it, Secondary(max_staleness=90)) == []


@pytest.mark.parametrize(
    ("limit", "heartbeat_interval", "complaint"),
    [
        (89, 10.0, "maxStalenessSeconds must be at least 90, not 89"),
        (
            100,
            91.0,
            r"at least heartbeatFrequencyMS \+ 10 seconds, that is 101, not 100",
        ),
    ],
)
def test_a_limit_that_healthy_secondaries_would_miss_is_refused(
    limit: int, heartbeat_interval: float, complaint: str
) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        select(
            FULL,
            PrimaryPreferred(max_staleness=limit),
            heartbeat_interval=heartbeat_interval,
        )


def test_a_mongos_judges_the_limit_by_itself() -> None:
    assert select(SHARDED, Nearest(max_staleness=1)) == [S, T]


# -- latency window --------------------------------------------------------------------------------


def test_servers_far_behind_the_nearest_are_left_out() -> None:
    it = topology(
        TopologyKind.SHARDED,
        server(P, ServerKind.MONGOS, round_trip_time=0.010),
        server(S, ServerKind.MONGOS, round_trip_time=0.025),
        server(T, ServerKind.MONGOS, round_trip_time=0.026),
    )
    assert select(it, None) == [P, S]


def test_a_server_without_a_round_trip_time_counts_as_near() -> None:
    it = topology(WITHOUT, server(S, round_trip_time=None), server(T, round_trip_time=0.1))
    assert select(it, Secondary()) == [S]


def test_the_only_server_may_be_far_away() -> None:
    assert select(topology(WITHOUT, server(S, round_trip_time=9.0)), Secondary()) == [S]


# -- choosing one ----------------------------------------------------------------------------------


def last_two(servers: Sequence[ServerDescription], count: int) -> Sequence[ServerDescription]:
    return servers[-count:]


def test_the_only_server_is_chosen_without_drawing() -> None:
    assert choose([PRIMARY], {}, last_two) is PRIMARY


@pytest.mark.parametrize(
    ("counts", "expected"),
    [({S: 2, T: 1}, T), ({S: 1, T: 2}, S), ({S: 1}, T), ({}, S), ({P: 0, S: 3, T: 3}, S)],
)
def test_the_less_busy_of_two_drawn_is_chosen(
    counts: dict[Address, int], expected: Address
) -> None:
    servers = [PRIMARY, server(S), server(T)]
    assert choose(servers, counts, last_two).address == expected
