"""The acceptance cases of requests that are about the pool (P).

The cases are listed in tests/README.md.
"""

from __future__ import annotations

import _thread
import gc
from functools import partial
from typing import Any

import pytest
from bson.objectid import ObjectId
from pymongo.errors import (
    ConfigurationError,
    WaitQueueTimeoutError,
)

from tests.support.fix_doors import Door
from tests.support.fix_hub import Client, Connect
from tests.support.fix_leaks import take_snapshot, wait_until
from tests.support.fix_scripted import ScriptedServer
from tests.support.peek import pool_of, rows, settle, sid

live = pytest.mark.live
EMPTY: dict[str, Any] = {"cursor": {"id": 0, "firstBatch": []}}


@pytest.fixture
def client(mongo_uri: str, client_of: Connect) -> Client:
    return client_of(mongo_uri)


@live
def test_P04_a_request_binds_with_its_first_operation(client: Client, door: Door) -> None:
    def request() -> None:
        client.admin.command("ping")
        pool = pool_of(client)
        request = client.start_request()
        assert (pool.idle_count, request.connection_id) == (1, None)
        cursor = client.test.nothing.find()
        assert pool.idle_count == 1
        list(cursor)
        assert (pool.idle_count, request.connection_id) == (0, sid(client))
        client.end_request()
        assert (pool.idle_count, client.in_request()) == (1, False)
        assert pool.created_count == 1

    door.call(request)


@live
def test_P07_P08_clients_are_independent(
    client: Client, mongo_uri: str, client_of: Connect, door: Door
) -> None:
    other = client_of(mongo_uri)

    def request() -> None:
        for each in (client, other):
            each.admin.command("ping")
        client.start_request()
        sid(client)
        assert (pool_of(client).idle_count, pool_of(other).idle_count) == (0, 1)
        other.end_request()
        assert client.in_request()
        other.start_request()
        assert sid(other) != sid(client)
        client.end_request()
        assert (client.in_request(), other.in_request()) == (False, True)
        other.end_request()

    door.call(request)


@live
def test_P30_contexts_without_requests_share_the_connections(
    mongo_uri: str, client_of: Connect, door: Door
) -> None:
    client = client_of(mongo_uri, maxPoolSize=4)
    door.gather(*[partial(client.admin.command, "ping")] * 10)
    pool = pool_of(client)
    wait_until(lambda: pool.idle_count == pool.size)
    assert 1 <= pool.size <= 4


@live
@pytest.mark.parametrize(
    ("starts", "ends", "cap"), [(1, 1, 10), (10, 10, 10), (20, 1, 10), (1, 0, 10), (0, 1, 10)]
)
def test_P29_P31_P32_P33_P35_contexts_leave_the_pool_as_it_was(
    mongo_uri: str, client_of: Connect, door: Door, starts: int, ends: int, cap: int
) -> None:
    client = client_of(mongo_uri, maxPoolSize=cap)
    meet = door.barrier(10)

    def live_and_die() -> None:
        for _ in range(starts):
            client.start_request()
        client.admin.command("ping")
        meet()
        for _ in range(ends):
            client.end_request()

    door.gather(*[live_and_die] * 10)
    gc.collect()
    wait_until(lambda: rows(client) == 0)
    pool = pool_of(client)
    wait_until(lambda: pool.idle_count == pool.size)
    assert 1 <= pool.size <= cap
    if starts:
        assert pool.size == 10


@live
def test_P34_more_leaking_contexts_than_connections_all_finish(
    mongo_uri: str, client_of: Connect, door: Door
) -> None:
    client = client_of(mongo_uri, maxPoolSize=5)

    def leak() -> None:
        client.start_request()
        client.admin.command("ping")

    door.gather(*[leak] * 10)
    settle(client)
    wait_until(lambda: rows(client) == 0)
    assert 1 <= pool_of(client).size <= 5


@live
def test_P36_without_a_cap_connections_are_reused_all_the_same(
    mongo_uri: str, client_of: Connect, door: Door
) -> None:
    client = client_of(mongo_uri, maxPoolSize=0)
    meet = door.barrier(10)

    def work() -> int:
        with client.start_request():
            number = sid(client)
            meet()
            return number

    first, second = set(door.gather(*[work] * 10)), sid(client)
    assert len(first) == 10
    assert second in first


@live
def test_P37_requests_can_exhaust_the_pool(mongo_uri: str, client_of: Connect, door: Door) -> None:
    client = client_of(mongo_uri, maxPoolSize=2, minPoolSize=2, waitQueueTimeoutMS=100)
    # The limit is for those who are refused: the holders find a connection that is open.
    wait_until(lambda: pool_of(client).idle_count == 2)
    let_go, holders = door.flag(), list[int]()

    def hold() -> int:
        with client.start_request():
            number = sid(client)
            holders.append(number)
            let_go.wait()
            return number

    holding = [door.spawn(hold) for _ in range(2)]
    wait_until(lambda: len(holders) == 2)
    refused = [door.spawn(hold) for _ in range(3)]
    for call in refused:
        with pytest.raises(WaitQueueTimeoutError):
            call()
    assert pool_of(client).size == 2
    let_go.set()
    assert {call() for call in holding} == set(holders)
    assert len(set(holders)) == 2
    assert pool_of(client).idle_count == 2


def test_P38_pool_sizes_are_told(client_of: Connect) -> None:
    told = [
        client_of("mongodb://127.0.0.1:1", connect=False, **options).options.max_pool_size
        for options in ({}, {"maxPoolSize": None}, {"maxPoolSize": 0}, {"maxPoolSize": 7})
    ]
    assert told == [100, None, None, 7]


@pytest.mark.parametrize("size", [-1, "foo"])
def test_P38_a_senseless_pool_size_is_refused(client_of: Connect, size: Any) -> None:
    with pytest.raises((ConfigurationError, ValueError), match=r"(?i)maxPoolSize"):
        client_of("mongodb://127.0.0.1:1", maxPoolSize=size)


def test_P39_the_monitor_needs_no_place_in_the_pool(
    scripted_server: ScriptedServer, client_of: Connect, door: Door
) -> None:
    client = client_of(scripted_server.uri, maxPoolSize=1, heartbeatFrequencyMS=500)

    def request() -> None:
        with client.start_request():
            client.admin.command("ping")
            checks = scripted_server.count("hello")
            wait_until(lambda: scripted_server.count("hello") > checks)
            assert pool_of(client).size == 1

    door.call(request)


@live
def test_P43_a_primitive_thread_is_a_context(client: Client) -> None:
    seen: list[int] = []
    ended = _thread.allocate_lock()
    ended.acquire()

    def run() -> None:
        with client.start_request():
            seen.extend((sid(client), sid(client)))
        ended.release()

    _thread.start_new_thread(run, ())
    assert ended.acquire(timeout=10)
    assert len(set(seen)) == 1


@live
@pytest.mark.slow
@pytest.mark.timeout(120)
def test_P44_short_lived_contexts_leave_nothing(
    mongo_uri: str, client_of: Connect, door: Door
) -> None:
    client = client_of(mongo_uri, maxPoolSize=100, auto_start_request=True)
    name = f"requests_{ObjectId()}"
    client[name].c.insert_many([{"_id": n} for n in range(20)])

    def read() -> int:
        return len(list(client[name].c.find(batch_size=10)))

    before = len(take_snapshot().sockets)
    for _ in range(50):
        assert door.gather(*[read] * 100) == [20] * 100
    assert len(take_snapshot().sockets) - before <= 100
    client.drop_database(name)
    client.end_request()
    settle(client)
    wait_until(lambda: rows(client) == 0)
    assert pool_of(client).size <= 100
