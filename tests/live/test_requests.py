"""The acceptance cases of requests (R).

Connections are told apart by the server's own number for them. Cases that need a misbehaving
server run against a scripted one.

The cases are listed in tests/README.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import gevent
import pytest
from bson.objectid import ObjectId
from gevent import Greenlet, GreenletExit
from pymongo.errors import (
    AutoReconnect,
    ConfigurationError,
    DuplicateKeyError,
    InvalidOperation,
    NetworkTimeout,
    OperationFailure,
    ServerSelectionTimeoutError,
)
from pymongo.read_preferences import SecondaryPreferred
from pymongo.write_concern import WriteConcern

from bridge import AsyncConnection, AsyncMongoClient
from greenmongo import Connection, MongoClient
from greenmongo._core.pool_rules import ConnectionState
from greenmongo._core.requests.errors import RequestBroken
from tests.support.fix_doors import Door, in_hub
from tests.support.fix_hub import Client, Connect
from tests.support.fix_leaks import wait_until
from tests.support.fix_scripted import Answer, FakeReplicaSet, ScriptedServer, hang_up
from tests.support.peek import pool_of, rows, settle, sid

live = pytest.mark.live
IN_USE = ConnectionState.IN_USE
EMPTY: dict[str, Any] = {"cursor": {"id": 0, "firstBatch": []}}


@pytest.fixture
def door(every_door: Door) -> Door:
    """Have every test that asks for a door go through all four."""
    return every_door


@pytest.fixture
def client(mongo_uri: str, connect_through: Connect) -> Client:
    return connect_through(mongo_uri)


@pytest.fixture
def scratch(client: Client) -> Iterator[str]:
    """The name of a database that is dropped afterwards."""
    name = f"requests_{ObjectId()}"
    yield name
    client.drop_database(name)


@pytest.fixture
def fake(scripted_server: ScriptedServer, connect_through: Connect) -> Client:
    """A client of the scripted server, not patient with connections."""
    return connect_through(scripted_server.uri)


@live
def test_R01_a_request_is_a_context_manager(client: Client, door: Door) -> None:
    def request() -> None:
        with client.start_request() as it:
            assert it.connection is client
            assert client.in_request()
            assert len({sid(client) for _ in range(5)}) == 1
            assert it.connection_id == sid(client)
            assert f"connection {it.connection_id}" in repr(it)
        assert not client.in_request()
        assert "over" in repr(it)

    door.call(request)


def fail(_: object, error: BaseException) -> None:
    raise error


@live
def test_R02_an_exception_passes_and_ends_the_request(client: Client, door: Door) -> None:
    def request() -> None:
        error = KeyError()
        with pytest.raises(KeyError) as caught, client.start_request():
            fail(sid(client), error)
        assert caught.value is error
        assert not client.in_request()
        assert pool_of(client).idle_count == pool_of(client).size

    door.call(request)


@live
def test_R03_requests_nest(client: Client, door: Door) -> None:
    def request() -> None:
        client.start_request()
        client.start_request()
        number = sid(client)
        client.end_request()
        assert (client.in_request(), sid(client)) == (True, number)
        client.end_request()
        assert not client.in_request()

    door.call(request)


@live
def test_R04_surplus_ends_are_harmless(client: Client, door: Door) -> None:
    def request() -> None:
        for _ in range(3):
            client.end_request()
        client.start_request()
        assert client.in_request()
        client.end_request()
        assert not client.in_request()

    door.call(request)


@live
def test_R06_a_request_ends_at_most_once(client: Client, door: Door) -> None:
    def request() -> None:
        with client.start_request():
            with client.start_request() as inner:
                inner.end()
                inner.end()
                assert client.in_request()
            assert client.in_request()
        assert not client.in_request()

    door.call(request)


@live
def test_R07_another_context_cannot_end_a_request(client: Client, door: Door) -> None:
    def request() -> None:
        mine = client.start_request()
        door.spawn(mine.end)()
        assert client.in_request()
        mine.end()
        assert not client.in_request()

    door.call(request)


@live
def test_R08_contexts_do_not_see_each_others_requests(client: Client, door: Door) -> None:
    started, let_go = door.flag(), door.flag()

    def request() -> int:
        with client.start_request():
            number = sid(client)
            started.set()
            let_go.wait()
            return number

    call = door.spawn(request)
    started.wait()
    assert not client.in_request()
    mine = sid(client)
    let_go.set()
    assert call() != mine


@live
def test_R10_R11_an_operation_can_start_a_request(
    mongo_uri: str, connect_through: Connect, door: Door
) -> None:
    client = connect_through(mongo_uri, auto_start_request=True)

    def request() -> None:
        assert not client.in_request()
        number = sid(client)
        assert client.in_request()
        assert sid(client) == number
        client.end_request()
        assert not client.in_request()
        sid(client)
        client.start_request()
        client.end_request()
        assert client.in_request()
        client.end_request()
        client.start_request()
        sid(client)
        client.end_request()
        assert not client.in_request()

    door.call(request)


@pytest.mark.parametrize("kind", [MongoClient, Connection, AsyncMongoClient, AsyncConnection])
@pytest.mark.parametrize("value", [None, 5, "hi!"])
def test_R12_auto_start_request_is_true_or_false(kind: Callable[..., Any], value: object) -> None:
    with pytest.raises((TypeError, ValueError, ConfigurationError), match="auto_start_request"):
        kind("mongodb://127.0.0.1:1", auto_start_request=value)


@live
def test_R13_operations_start_no_request_by_default(client: Client, door: Door) -> None:
    assert not client.auto_start_request
    door.call(sid, client)
    assert not client.in_request()


@live
def test_R14_many_contexts_have_as_many_connections(
    mongo_uri: str, connect_through: Connect, door: Door
) -> None:
    client = connect_through(mongo_uri, auto_start_request=True)
    meet = door.barrier(12)

    def work() -> tuple[int, bool]:
        number = sid(client)
        meet()
        return number, client.in_request()

    numbers, in_request = zip(*door.gather(*[work] * 12), strict=True)
    assert len(set(numbers)) == 12
    assert all(in_request)
    settle(client)
    wait_until(lambda: pool_of(client).idle_count == 12)


def test_R15_a_connection_lost_during_an_operation_is_told_once(
    scripted_server: ScriptedServer, fake: Client, door: Door
) -> None:
    def request() -> None:
        with fake.start_request():
            lost = sid(fake)
            scripted_server.script("ping", Answer(manner=hang_up))
            with pytest.raises(AutoReconnect):
                fake.admin.command("ping")
            assert fake.in_request()
            fresh = sid(fake)
            assert fresh != lost
            assert sid(fake) == fresh

    door.call(request)


@pytest.mark.parametrize("strict", [False, True])
def test_R16_a_connection_lost_between_operations_is_replaced(
    scripted_server: ScriptedServer, fake: Client, door: Door, strict: bool
) -> None:
    def request() -> None:
        with fake.start_request(strict=strict) as it:
            lost = sid(fake)
            scripted_server.kill(lost)
            wait_until(lambda: it.connection_id is None)
            if strict:
                with pytest.raises(RequestBroken):
                    sid(fake)
            fresh = sid(fake)
            assert fresh != lost
            assert (it.connection_id, fake.in_request()) == (fresh, True)
            assert sid(fake) == fresh

    door.call(request)


def test_R18_R19_a_neighbours_failure_costs_no_more_than_the_connection(
    scripted_server: ScriptedServer, connect_through: Connect, door: Door
) -> None:
    client = connect_through(scripted_server.uri, auto_start_request=True)
    contexts = 40
    bound, go_on = door.barrier(contexts + 1), door.flag()

    def work() -> tuple[int, int, bool]:
        before = sid(client)
        bound()
        go_on.wait()
        return before, sid(client), client.in_request()

    calls = [door.spawn(work) for _ in range(contexts)]
    sid(client)
    bound()
    scripted_server.script("ping", Answer(manner=hang_up))
    with pytest.raises(AutoReconnect):
        client.admin.command("ping")
    go_on.set()
    for before, after, in_request in [call() for call in calls]:
        assert before != after
        assert in_request
    client.end_request()


@live
def test_R20_R21_a_command_that_fails_keeps_the_connection(
    client: Client, scratch: str, door: Door
) -> None:
    documents = client[scratch].c
    documents.insert_one({"_id": 1})

    def outside() -> None:
        before = sid(client)
        with pytest.raises(DuplicateKeyError):
            documents.insert_one({"_id": 1})
        assert sid(client) == before
        with pytest.raises(OperationFailure):
            client.admin.command("nonsense")
        assert sid(client) == before

    def inside() -> None:
        with client.start_request():
            outside()

    door.call(outside)
    door.call(inside)


@live
def test_R23_a_timeout_leaves_the_request_intact(mongo_uri: str, client_of: Connect) -> None:
    """For greenlets; tasks have the case among their own."""
    client = client_of(mongo_uri)

    def request() -> None:
        with client.start_request():
            before = sid(client)
            with pytest.raises(gevent.Timeout), gevent.Timeout(0.05):
                client.admin.command("sleep", 1, millis=10_000, lock="none")
            assert client.in_request()
            # Neither a stale reply nor another connection, since the operation was ended.
            assert sid(client) == before
        wait_until(lambda: pool_of(client).idle_count == pool_of(client).size)

    in_hub(request)


@live
def test_R24_a_greenlet_killed_during_an_operation_leaves_nothing(
    mongo_uri: str, client_of: Connect
) -> None:
    client = client_of(mongo_uri)

    def kill() -> None:
        def request() -> None:
            client.start_request()
            client.admin.command("sleep", 1, millis=10_000, lock="none")

        victim: Greenlet[[], None] = gevent.spawn(request)
        wait_until(lambda: any(each.state is IN_USE for each in list(pool_of(client).connections)))
        assert rows(client) == 1
        victim.kill()
        assert isinstance(victim.value, GreenletExit)
        sid(client)
        wait_until(lambda: rows(client) == 0)
        wait_until(lambda: pool_of(client).idle_count == pool_of(client).size)

    in_hub(kill)


@live
def test_R25_a_socket_timeout_replaces_the_connection(
    mongo_uri: str, connect_through: Connect, door: Door
) -> None:
    client = connect_through(mongo_uri, socketTimeoutMS=2000)

    def request() -> None:
        with client.start_request():
            before = sid(client)
            with pytest.raises(NetworkTimeout):
                client.admin.command("sleep", 1, millis=6000, lock="none")
            assert client.in_request()
            after = sid(client)
            assert after != before
            assert sid(client) == after

    door.call(request)


@live
def test_R27_a_request_reads_its_own_unacknowledged_writes(
    client: Client, scratch: str, door: Door
) -> None:
    acknowledged = client[scratch].c
    silent = acknowledged.with_options(write_concern=WriteConcern(w=0))

    def request() -> list[int]:
        with client.start_request():
            counts = []
            for n in range(200):
                silent.insert_one({"_id": n})
                counts.append(acknowledged.count_documents({}))
            return counts

    assert door.call(request) == list(range(1, 201))


@live
def test_R28_an_unacknowledged_failure_disturbs_nothing(
    client: Client, scratch: str, door: Door
) -> None:
    silent = client[scratch].get_collection("c", write_concern=WriteConcern(w=0))

    def request() -> None:
        with client.start_request():
            before = sid(client)
            for _ in range(2):
                silent.insert_one({"_id": 1})
            assert list(client[scratch].c.find()) == [{"_id": 1}]
            assert sid(client) == before

    door.call(request)


def test_R29_an_unacknowledged_write_is_not_sent_to_a_secondary(
    fake_replica_set: FakeReplicaSet, connect_through: Connect, door: Door
) -> None:
    secondary = fake_replica_set.members[1]
    client = connect_through(secondary.uri)
    silent = client.test.get_collection("c", write_concern=WriteConcern(w=0))
    admin = client.get_database("admin", read_preference=SecondaryPreferred())

    def request() -> None:
        with client.start_request():
            before = admin.command("whoami")
            with pytest.raises(AutoReconnect):
                silent.insert_one({"_id": 1})
            assert admin.command("whoami") == before

    door.call(request)
    assert secondary.count("insert") == 0


@live
def test_R30_R31_everything_in_a_request_uses_one_connection(
    client: Client, scratch: str, door: Door
) -> None:
    client[scratch].c.insert_many([{"_id": n} for n in range(10)])

    def request() -> None:
        with client.start_request() as it:
            cursor = client[scratch].c.find(batch_size=2)
            seen: list[int] = []
            numbers: set[int | None] = set()
            for document in cursor:
                seen.append(document["_id"])
                client[scratch].other.find_one()
                client.test.third.count_documents({})
                numbers.update((it.connection_id, sid(client)))
            assert seen == list(range(10))
            assert len(numbers) == 1

    door.call(request)


@live
def test_R32_a_cursor_may_be_read_in_another_context(
    client: Client, scratch: str, door: Door
) -> None:
    client[scratch].c.insert_many([{"_id": n} for n in range(10)])
    opened, read = door.flag(), door.flag()
    cursors: list[Any] = []

    def opener() -> tuple[int, int]:
        with client.start_request():
            before = sid(client)
            cursor = client[scratch].c.find(batch_size=2)
            next(cursor)
            cursors.append(cursor)
            opened.set()
            read.wait()
            return before, sid(client)

    def reader() -> tuple[int, bool]:
        opened.wait()
        count = len(list(cursors[0]))
        read.set()
        return count, client.in_request()

    opening = door.spawn(opener)
    assert door.call(reader) == (9, False)
    before, after = opening()
    assert before == after


@live
def test_R33_a_client_can_be_closed_by_a_with_block(
    mongo_uri: str, connect_through: Connect
) -> None:
    client = connect_through(mongo_uri)
    with closing(client):
        client.start_request()
        sid(client)
        pool = pool_of(client)
    assert (pool.size, client.in_request()) == (0, False)


@live
def test_R36_requests_of_two_clients_are_independent(
    mongo_uri: str, connect_through: Connect, door: Door
) -> None:
    def request() -> None:
        with ExitStack() as stack:
            one, other = connect_through(mongo_uri), connect_through(mongo_uri)
            stack.enter_context(one.start_request())
            with other.start_request():
                assert sid(one) != sid(other)
            assert (one.in_request(), other.in_request()) == (True, False)

    door.call(request)


def test_R37_a_request_survives_that_nobody_answers(
    scripted_server: ScriptedServer, connect_through: Connect, door: Door
) -> None:
    scripted_server.refuse()
    client = connect_through(
        scripted_server.uri, serverSelectionTimeoutMS=100, heartbeatFrequencyMS=500
    )

    def request() -> None:
        with client.start_request():
            with pytest.raises(ServerSelectionTimeoutError):
                sid(client)
            assert client.in_request()
            scripted_server.accept_again()
            wait_until(lambda: client.nodes)
            assert sid(client) == sid(client)

    door.call(request)


@live
def test_R38_asking_and_ending_work_on_a_closed_client(client: Client, door: Door) -> None:
    def request() -> None:
        it = client.start_request()
        sid(client)
        client.close()
        assert not client.in_request()
        client.end_request()
        it.end()
        with pytest.raises(InvalidOperation):
            client.start_request()

    door.call(request)
