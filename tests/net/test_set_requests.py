"""The acceptance cases of replica sets (S) that are about requests, on a scripted set.

Not here: S13, the looser pins of PyMongo 2.3, because there is one behaviour and no version switch
(S12 is its opposite), and that part of S12 which changes the latency window, which a client keeps
for life.

The cases are listed in tests/README.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from pymongo.errors import ConnectionFailure, WaitQueueTimeoutError
from pymongo.read_preferences import (
    Nearest,
    Primary,
    PrimaryPreferred,
    Secondary,
    SecondaryPreferred,
)

from greenmongo import ReplicaSetConnection
from tests.support.fix_doors import Door
from tests.support.fix_hub import Client, Connect
from tests.support.fix_leaks import wait_until
from tests.support.fix_scripted import FakeReplicaSet
from tests.support.peek import place, pools_of

ANYWHERE: dict[str, Any] = {"localThresholdMS": 100_000}
OldClient = ReplicaSetConnection[dict[str, Any]]


def host_of(client: Client, preference: Any) -> str:
    return place(client, preference)[0]


@pytest.fixture
def client(fake_replica_set: FakeReplicaSet, client_of: Connect) -> Client:
    """A client that knows every member and takes none for too far away."""
    client = client_of(fake_replica_set.uri, **ANYWHERE)
    wait_until(lambda: len(client.nodes) == 3)
    return client


@pytest.fixture
def primary(fake_replica_set: FakeReplicaSet) -> str:
    return fake_replica_set.members[0].host


@pytest.fixture
def old_client(fake_replica_set: FakeReplicaSet) -> Iterator[Callable[[], OldClient]]:
    """Provide a function that makes clients of the old class."""
    with ExitStack() as stack:

        def make() -> OldClient:
            made: OldClient = ReplicaSetConnection(fake_replica_set.uri, **ANYWHERE)
            wait_until(lambda: len(made.nodes) == 3)
            return stack.enter_context(made)

        yield make


def test_S06_a_request_belongs_to_its_context(client: Client, door: Door) -> None:
    is_started, was_asked = door.flag(), door.flag()

    def one() -> bool:
        with client.start_request():
            is_started.set()
            was_asked.wait()
            return client.in_request()

    def other() -> bool:
        is_started.wait()
        try:
            return client.in_request()
        finally:
            was_asked.set()

    assert door.gather(one, other) == [True, False]


def test_S07_starts_are_counted_once_for_all_members(client: Client, door: Door) -> None:
    def nested() -> None:
        for _ in range(3):
            client.start_request()
        of_secondary, of_primary = place(client, Secondary()), place(client)
        client.end_request()
        client.end_request()
        assert client.in_request()
        assert place(client) == of_primary != of_secondary
        assert sum(pool.idle_count for pool in pools_of(client).values()) == 0
        client.end_request()
        assert not client.in_request()
        assert sum(pool.idle_count for pool in pools_of(client).values()) == 2

    door.call(nested)


def test_S08_an_operation_starts_a_request_on_all_members(
    old_client: Callable[[], OldClient], door: Door
) -> None:
    client = old_client()

    def operate() -> None:
        where = [place(client, Primary())[0], place(client, Secondary())[0]]
        assert client.in_request()
        used = [pool for pool in pools_of(client).values() if pool.size]
        assert len(set(where)) == len(used) == 2
        assert [pool.idle_count for pool in used] == [0, 0]
        client.end_request()
        assert not client.in_request()
        assert [pool.idle_count for pool in used] == [1, 1]

    door.call(operate)


def test_S09_a_request_has_one_connection_to_each_member(client: Client, door: Door) -> None:
    def request() -> None:
        with client.start_request():
            assert len({place(client, Primary()) for _ in range(20)}) == 1
            assert len({place(client, Secondary()) for _ in range(20)}) == 1

    door.call(request)


def test_S10_outside_a_request_reads_are_spread(client: Client, primary: str, door: Door) -> None:
    def reads() -> tuple[set[str], set[str]]:
        return (
            {host_of(client, Secondary()) for _ in range(100)},
            {host_of(client, Nearest()) for _ in range(100)},
        )

    secondaries, all_members = door.call(reads)
    assert len(secondaries) == 2
    assert all_members == secondaries | {primary}


def test_S11_in_a_request_reads_stay_on_one_secondary(client: Client, door: Door) -> None:
    def request() -> set[str]:
        with client.start_request():
            return {host_of(client, Secondary()) for _ in range(10)}

    assert len(door.call(request)) == 1


def test_S12_another_preference_selects_again(client: Client, primary: str, door: Door) -> None:
    def request() -> None:
        with client.start_request():
            assert host_of(client, Secondary()) != primary
            assert host_of(client, PrimaryPreferred()) == primary
            preferred = host_of(client, SecondaryPreferred())
            assert preferred != primary
            assert {host_of(client, SecondaryPreferred()) for _ in range(10)} == {preferred}

    door.call(request)


def test_S12_other_tag_sets_select_again(
    client: Client, fake_replica_set: FakeReplicaSet, door: Door
) -> None:
    for member in fake_replica_set.members:
        member.hello["tags"] = {"dc": "here"}
    client._executor.select_address(Secondary([{"dc": "here"}]))
    wait_until(lambda: all(s.tags for s in client.topology_description.servers.values()))
    preferences = [Secondary([{"dc": "here"}]), Secondary([{"dc": "here"}, {}])]

    def request() -> None:
        with client.start_request():
            first = host_of(client, preferences[0])
            chosen = (host_of(client, preferences[n % 2]) for n in range(1, 1000))
            assert any(host != first for host in chosen)

    door.call(request)


def test_S14_a_write_does_not_move_the_pin(client: Client, door: Door) -> None:
    def request() -> set[str]:
        with client.start_request():
            pinned = host_of(client, Secondary())
            client.test.c.insert_one({})
            return {pinned} | {host_of(client, Secondary()) for _ in range(30)}

    assert len(door.call(request)) == 1


def test_S15_the_end_unpins(client: Client, door: Door) -> None:
    def request() -> set[str]:
        with client.start_request():
            assert len({host_of(client, Nearest()) for _ in range(10)}) == 1
        return {host_of(client, Nearest()) for _ in range(100)}

    assert len(door.call(request)) == 3


def test_S20_a_refresh_leaves_requests_alone(
    old_client: Callable[[], OldClient], fake_replica_set: FakeReplicaSet, door: Door
) -> None:
    client, member = old_client(), fake_replica_set.members[0]
    is_bound, is_refreshed = door.flag(), door.flag()

    def request() -> None:
        before = place(client)
        is_bound.set()
        is_refreshed.wait()
        assert place(client) == before

    def refresh() -> None:
        is_bound.wait()
        checks = member.count("hello")
        client.refresh()
        member.wait_for(lambda: member.count("hello") > checks)
        is_refreshed.set()

    door.gather(request, refresh)


def test_S22_disconnect_is_about_the_primary(
    old_client: Callable[[], OldClient], door: Door
) -> None:
    client = old_client()

    def request() -> None:
        primary, secondary = place(client), place(client, Secondary())
        client.disconnect()
        assert client.in_request()
        assert place(client) != primary
        # Which secondary the request reads from is open again; its connection to it is not.
        found = place(client, Secondary())
        while found[0] != secondary[0]:
            place(client)  # so that the next read selects afresh
            found = place(client, Secondary())
        assert found == secondary

    door.call(request)


@pytest.mark.parametrize("preference", [Primary(), Secondary()])
def test_S33_an_exhausted_pool_is_not_a_dead_member(
    client_of: Connect, door: Door, preference: Any
) -> None:
    with FakeReplicaSet(2) as pair:
        client = client_of(
            pair.uri, maxPoolSize=1, minPoolSize=1, waitQueueTimeoutMS=100, retryReads=True
        )
        wait_until(lambda: len(client.nodes) == 2)
        # Who comes first waits for nothing.
        wait_until(lambda: all(pool.idle_count == 1 for pool in pools_of(client).values()))
        find_while_another_holds_the_connection(client, preference, door)


def find_while_another_holds_the_connection(client: Client, preference: Any, door: Door) -> None:
    is_bound, is_told = door.flag(), door.flag()

    def holder() -> None:
        with client.start_request():
            before = place(client, preference)
            is_bound.set()
            is_told.wait()
            assert place(client, preference) == before

    def other() -> None:
        is_bound.wait()
        known = dict(client.topology_description.servers)
        generations = [pool.generation for pool in pools_of(client).values()]
        try:
            with pytest.raises(WaitQueueTimeoutError) as caught:
                client.test.get_collection("c", read_preference=preference).find_one()
        finally:
            is_told.set()
        assert isinstance(caught.value, ConnectionFailure)
        assert client.topology_description.servers == known
        assert [pool.generation for pool in pools_of(client).values()] == generations

    door.gather(holder, other)
