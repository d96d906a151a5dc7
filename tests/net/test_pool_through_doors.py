"""The acceptance cases of the pool (P), as threads and greenlets meet them.

A "checkout" is an operation: one that is under way when its reply is held back at a gate. The
pool alone, with all its corners, is tested in `test_pool.py`.

The cases are listed in tests/README.md.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest
from pymongo.errors import AutoReconnect, ConnectionFailure, WaitQueueTimeoutError

from greenmongo import Connection, MongoClient
from greenmongo._net.connection import Connection as NetConnection
from greenmongo.errors import ExceededMaxWaiters
from tests.support.fix_doors import Door
from tests.support.fix_hub import Client, Connect
from tests.support.fix_leaks import wait_until
from tests.support.fix_scripted import Answer, Gate, ScriptedServer, hang_up
from tests.support.peek import pool_of, sid

EMPTY: dict[str, Any] = {"cursor": {"id": 0, "firstBatch": []}}


@pytest.fixture
def gate(scripted_server: ScriptedServer) -> Gate:
    """Hold the replies to finds back."""
    gate = Gate()
    scripted_server.on("find", Answer(EMPTY, gate))
    return gate


@pytest.fixture
def client(scripted_server: ScriptedServer, client_of: Connect) -> Client:
    return client_of(scripted_server.uri)


def hold(door: Door, client: Client, gate: Gate, count: int = 1) -> list[Callable[[], object]]:
    """Have contexts take a connection each until the gate is opened."""
    before = gate.waiting
    calls: list[Callable[[], object]] = [door.spawn(client.test.c.find_one) for _ in range(count)]
    wait_until(lambda: gate.waiting == before + count)
    return calls


def finders(server: ScriptedServer) -> list[int]:
    """Return the connections that finds came on."""
    return [each.connection.number for each in server.commands("find")]


def counts(client: Client) -> tuple[int, int]:
    """Return how many connections are idle, and how many there are."""
    return pool_of(client).idle_count, pool_of(client).size


def clear(client: Client) -> None:
    """Make every connection stale, as an error of some context does."""
    pool = pool_of(client)

    def clear_and_go_on() -> None:
        pool.clear()
        pool.ready()

    client._executor.thread.call(clear_and_go_on)


def bound(client: Client) -> NetConnection:
    """Return the connection of the only request."""
    (holder,) = client._executor.open().table.holders.values()
    (connection,) = holder.bound.values()
    return connection


def lose(client: Client, server: ScriptedServer, number: int) -> None:
    """Have the server hang up on a connection, and wait until the driver has seen it."""
    size = pool_of(client).size
    server.kill(number)
    wait_until(lambda: pool_of(client).size < size)


def is_gone(server: ScriptedServer, number: int) -> bool:
    return not server.connections[number].is_open


def test_P01_two_checkouts_differ(
    client: Client, scripted_server: ScriptedServer, gate: Gate, door: Door
) -> None:
    calls = hold(door, client, gate, 2)
    assert len(set(finders(scripted_server))) == 2
    assert counts(client) == (0, 2)
    gate.open()
    for call in calls:
        call()
    assert counts(client) == (2, 2)


def test_P02_P03_a_request_keeps_its_connection_and_gives_it_back(
    client: Client, scripted_server: ScriptedServer, gate: Gate, door: Door
) -> None:
    def request() -> int:
        with client.start_request():
            number = sid(client)
            assert counts(client) == (0, 1)
            assert sid(client) == number
            assert counts(client) == (0, 1)
        assert counts(client) == (1, 1)
        return number

    number = door.call(request)
    (call,) = hold(door, client, gate)
    assert finders(scripted_server) == [number]
    assert door.call(sid, client) != number
    gate.open()
    call()


def test_P05_a_disconnect_empties_the_pool(scripted_server: ScriptedServer, door: Door) -> None:
    old: Connection[dict[str, Any]] = Connection(scripted_server.uri, auto_start_request=False)
    with old as client:

        def use() -> None:
            before = sid(client)
            client.disconnect()
            assert counts(client)[0] == 0
            assert not client.in_request()
            assert sid(client) != before

        door.call(use)
        client.close()


def test_P06_binding_prefers_an_idle_connection(client: Client, door: Door) -> None:
    number = sid(client)

    def request() -> None:
        with client.start_request():
            assert sid(client) == number
            assert counts(client) == (0, 1)

    door.call(request)
    assert counts(client) == (1, 1)


def test_P09_an_open_connection_is_reused(client: Client, door: Door) -> None:
    assert door.call(sid, client) == door.call(sid, client)
    assert counts(client) == (1, 1)


def test_P10_a_dead_idle_connection_is_replaced(
    client: Client, scripted_server: ScriptedServer, door: Door
) -> None:
    dead = door.call(sid, client)
    lose(client, scripted_server, dead)
    assert counts(client) == (0, 0)
    assert door.call(sid, client) != dead
    assert counts(client) == (1, 1)


def test_P11_a_connection_that_dies_under_an_operation_is_told_once(
    client: Client, scripted_server: ScriptedServer, door: Door
) -> None:
    def use() -> None:
        dead = sid(client)
        scripted_server.script("ping", Answer(manner=hang_up))
        with pytest.raises(AutoReconnect):
            client.admin.command("ping")
        assert sid(client) != dead

    door.call(use)


def test_P12_a_dead_bound_connection_is_replaced(
    client: Client, scripted_server: ScriptedServer, door: Door
) -> None:
    def request() -> None:
        with client.start_request():
            dead = sid(client)
            lose(client, scripted_server, dead)
            fresh = sid(client)
            assert fresh != dead
            assert client.in_request()
            assert (sid(client), counts(client)) == (fresh, (0, 1))
        assert counts(client) == (1, 1)

    door.call(request)


def test_P13_a_bound_connection_that_was_closed_is_replaced(client: Client, door: Door) -> None:
    def request() -> None:
        with client.start_request():
            dead = sid(client)
            client._executor.thread.call(bound(client).close)
            fresh = sid(client)
            assert fresh != dead
            assert client.in_request()
            assert (sid(client), counts(client)) == (fresh, (0, 1))
        assert counts(client) == (1, 1)

    door.call(request)


def test_P14_a_connection_that_died_after_its_request_is_replaced(
    client: Client, scripted_server: ScriptedServer, door: Door
) -> None:
    def request() -> None:
        with client.start_request():
            dead = sid(client)
        lose(client, scripted_server, dead)
        assert sid(client) != dead
        assert not client.in_request()
        assert counts(client) == (1, 1)

    door.call(request)


def test_P15_a_clear_neither_starts_nor_ends_a_request(client: Client, door: Door) -> None:
    def use() -> list[bool]:
        seen = []
        for act in (int, client.start_request, int, client.end_request):
            act()
            clear(client)
            seen.append(client.in_request())
        return seen

    sid(client)
    assert door.call(use) == [False, True, True, False]


def test_P16_a_clear_closes_the_idle_at_once_and_the_bound_at_its_next_use(
    client: Client, scripted_server: ScriptedServer, gate: Gate, door: Door
) -> None:
    def request() -> None:
        with client.start_request():
            mine = sid(client)
            (call,) = hold(door, client, gate)
            (idle,) = finders(scripted_server)
            gate.open()
            call()
            clear(client)
            wait_until(lambda: is_gone(scripted_server, idle))
            assert not is_gone(scripted_server, mine)
            assert sid(client) not in (mine, idle)
            wait_until(lambda: is_gone(scripted_server, mine))

    door.call(request)


def test_P17_a_connection_that_comes_back_after_a_clear_is_closed(
    client: Client, scripted_server: ScriptedServer, gate: Gate, door: Door
) -> None:
    (call,) = hold(door, client, gate)
    clear(client)
    gate.open()
    call()
    assert counts(client) == (0, 0)
    wait_until(lambda: is_gone(scripted_server, finders(scripted_server)[0]))


def test_P18_a_request_that_ends_after_a_clear_gives_nothing_back(
    client: Client, scripted_server: ScriptedServer, door: Door
) -> None:
    def request() -> int:
        with client.start_request():
            number = sid(client)
            clear(client)
        assert counts(client) == (0, 0)
        return number

    number = door.call(request)
    wait_until(lambda: is_gone(scripted_server, number))


@pytest.mark.parametrize("again", [True, False])
def test_P19_P20_a_request_goes_on_or_ends_after_its_connection_was_discarded(
    client: Client, scripted_server: ScriptedServer, door: Door, again: bool
) -> None:
    def request() -> None:
        with client.start_request():
            dead = sid(client)
            scripted_server.script("ping", Answer(manner=hang_up))
            with pytest.raises(AutoReconnect):
                client.admin.command("ping")
            assert client.in_request()
            assert counts(client) == (0, 0)
            if again:
                fresh = sid(client)
                assert fresh != dead
                assert sid(client) == fresh
        assert not client.in_request()
        assert counts(client) == (int(again), int(again))

    door.call(request)


def test_P21_a_closed_connection_never_becomes_idle(client: Client, door: Door) -> None:
    def request() -> None:
        with client.start_request():
            sid(client)
            client._executor.thread.call(bound(client).close)
        assert counts(client) == (0, 0)

    door.call(request)


def test_P22_a_client_that_is_forgotten_closes_its_connections(
    scripted_server: ScriptedServer, gate: Gate, door: Door
) -> None:
    def use_and_forget() -> None:
        client: Client = MongoClient(scripted_server.uri)
        client.start_request()
        sid(client)
        calls = hold(door, client, gate)
        gate.open()
        for call in calls:
            call()
        assert counts(client) == (1, 2)

    door.call(use_and_forget)
    # A thread lets go of the client when it ends, which is after it has told its result.
    wait_until(lambda: gc.collect() >= 0 and not scripted_server.open_connections)


def test_P23_the_cap_makes_callers_wait(
    scripted_server: ScriptedServer, client_of: Connect, gate: Gate, door: Door
) -> None:
    client = client_of(scripted_server.uri, maxPoolSize=1)
    (first,) = hold(door, client, gate)
    second = door.spawn(sid, client)
    wait_until(lambda: pool_of(client).waiting_count == 1)
    gate.open()
    first()
    assert second() == finders(scripted_server)[0]


def test_P24_the_wait_may_be_limited(
    scripted_server: ScriptedServer, client_of: Connect, gate: Gate, door: Door
) -> None:
    client = client_of(scripted_server.uri, maxPoolSize=1, minPoolSize=1, waitQueueTimeoutMS=50)
    wait_until(lambda: pool_of(client).idle_count == 1)  # who comes first waits for nothing
    (call,) = hold(door, client, gate)
    with pytest.raises(WaitQueueTimeoutError) as caught:
        door.call(sid, client)
    assert isinstance(caught.value, ConnectionFailure)
    assert not isinstance(caught.value, AutoReconnect)
    gate.open()
    call()


def test_P25_so_many_may_wait_and_no_more(
    scripted_server: ScriptedServer, client_of: Connect, gate: Gate, door: Door
) -> None:
    client = client_of(scripted_server.uri, maxPoolSize=2, waitQueueMultiple=3)
    calls = hold(door, client, gate, 2)
    waiting = [door.spawn(sid, client) for _ in range(6)]
    wait_until(lambda: pool_of(client).waiting_count == 6)
    with pytest.raises(ExceededMaxWaiters):
        door.call(sid, client)
    assert pool_of(client).waiting_count == 6
    gate.open()
    for call in (*calls, *waiting):
        call()


def test_P26_any_number_may_wait(
    scripted_server: ScriptedServer, client_of: Connect, gate: Gate, door: Door
) -> None:
    client = client_of(scripted_server.uri, maxPoolSize=2)
    calls = hold(door, client, gate, 2)
    waiting = [door.spawn(sid, client) for _ in range(30)]
    wait_until(lambda: pool_of(client).waiting_count == 30)
    gate.open()
    for call in (*calls, *waiting):
        call()


def test_P27_a_failed_connect_frees_its_place(
    scripted_server: ScriptedServer, client_of: Connect, door: Door
) -> None:
    client = client_of(
        scripted_server.uri, maxPoolSize=1, waitQueueTimeoutMS=10_000, serverSelectionTimeoutMS=200
    )
    client._executor.open()
    wait_until(lambda: client.nodes)
    client.admin.command("ping")
    scripted_server.refuse()
    clear(client)
    for _ in range(2):
        with pytest.raises(AutoReconnect):
            door.call(sid, client)
    scripted_server.accept_again()
    wait_until(lambda: client.nodes)
    assert door.call(sid, client) == door.call(sid, client)


def test_P28_replacing_a_connection_keeps_its_place(
    scripted_server: ScriptedServer, client_of: Connect, door: Door
) -> None:
    client = client_of(scripted_server.uri, maxPoolSize=1, waitQueueTimeoutMS=10_000)

    def request() -> None:
        with client.start_request():
            lose(client, scripted_server, sid(client))
            fresh = sid(client)
        assert sid(client) == fresh

    door.call(request)
    assert counts(client) == (1, 1)
