"""Connection and ReplicaSetConnection on a real server, used with today's methods."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from gevent.event import Event
from pymongo.errors import AutoReconnect, InvalidOperation
from pymongo.uri_parser import parse_uri

from greenmongo import Connection, MongoClient, ReplicaSetConnection
from greenmongo.embedded import MongoServer

pytestmark = pytest.mark.live

DB = "test_legacy_clients"


def connection_id(client: MongoClient[dict[str, Any]]) -> int:
    number: int = client.get_database("admin").command("hello")["connectionId"]
    return number


@pytest.fixture
def client(mongo_uri: str) -> Iterator[Connection[dict[str, Any]]]:
    opened: Connection[dict[str, Any]] = Connection(mongo_uri)
    with opened as client:
        yield client
        client.drop_database(DB)


@pytest.fixture
def set_client(mongo_uri: str) -> Iterator[ReplicaSetConnection[dict[str, Any]]]:
    opened: ReplicaSetConnection[dict[str, Any]] = ReplicaSetConnection(mongo_uri)
    with opened as client:
        yield client


def test_a_connection_is_connected_when_it_is_made(client: Connection[dict[str, Any]]) -> None:
    (address,) = client.nodes
    assert (client.host, client.port) == address == client.address
    assert client.is_primary
    assert not client.is_mongos
    assert client.max_bson_size == 16 * 1024 * 1024
    assert client.max_message_size == 48_000_000
    assert client.max_wire_version > client.min_wire_version
    assert client.alive()


def test_a_set_connection_knows_its_members(
    set_client: ReplicaSetConnection[dict[str, Any]], mongo_uri: str
) -> None:
    assert set_client.primary in set_client.hosts
    assert set_client.seeds == set(parse_uri(mongo_uri)["nodelist"])
    assert not set_client.arbiters
    assert not set_client.is_mongos


def test_the_first_operation_starts_a_request(client: Connection[dict[str, Any]]) -> None:
    assert not client.in_request()
    assert connection_id(client) == connection_id(client)
    assert client.in_request()
    client.end_request()
    assert not client.in_request()


def test_greenlets_get_connections_of_their_own(client: Connection[dict[str, Any]]) -> None:
    bound = [Event(), Event()]

    def two_ids(mine: Event, others: Event) -> set[int]:
        first = connection_id(client)
        mine.set()
        others.wait()
        return {first, connection_id(client)}

    both = [gevent.spawn(two_ids, *bound), gevent.spawn(two_ids, *reversed(bound))]
    first, second = (greenlet.get() for greenlet in both)
    assert len(first) == len(second) == 1
    assert first != second


def test_a_request_reads_its_own_unacknowledged_writes(
    client: Connection[dict[str, Any]], mongo_uri: str
) -> None:
    client[DB].unacknowledged.drop()
    careless: Connection[dict[str, Any]] = Connection(mongo_uri, w=0)
    with careless:
        collection = careless[DB].unacknowledged
        for number in range(100):
            assert not collection.insert_one({"_id": number}).acknowledged
            assert collection.count_documents({}) == number + 1


def test_a_direct_connection_takes_the_server_as_it_is(standalone: MongoServer) -> None:
    client: Connection[dict[str, Any]] = Connection("127.0.0.1", standalone.ports[0])
    with client:
        assert client.port == standalone.ports[0]
        assert client[DB].things.find_one() is None


def test_disconnect_gives_a_request_another_connection(
    client: Connection[dict[str, Any]],
) -> None:
    before = connection_id(client)
    client.disconnect()
    assert client.in_request()
    after = connection_id(client)
    assert after != before
    assert connection_id(client) == after


def test_disconnect_gives_the_others_other_connections_too(
    client: Connection[dict[str, Any]],
) -> None:
    def before_and_after(go_on: Event, ready: Event) -> tuple[int, int, bool]:
        before = connection_id(client)
        ready.set()
        go_on.wait()
        return before, connection_id(client), client.in_request()

    go_on, ready = Event(), Event()
    greenlet = gevent.spawn(before_and_after, go_on, ready)
    ready.wait()
    client.disconnect()
    go_on.set()
    before, after, was_in_request = greenlet.get()
    assert before != after
    assert was_in_request


def test_a_closed_connection_can_be_used_again(client: Connection[dict[str, Any]]) -> None:
    collection = client[DB].things
    collection.insert_one({"_id": 1})
    client.close()
    assert not client.in_request()
    client.end_request()
    assert collection.find_one() == {"_id": 1}
    assert client.in_request()


def test_closing_twice_does_no_harm(client: Connection[dict[str, Any]]) -> None:
    client.close()
    client.close()
    client.disconnect()
    assert client.alive()


@pytest.mark.usefixtures("no_leaks")
def test_a_closed_connection_leaves_nothing_behind(mongo_uri: str) -> None:
    client: Connection[dict[str, Any]] = Connection(mongo_uri)
    client[DB].things.find_one()
    client.close()


def test_a_disconnected_set_connection_goes_on(
    set_client: ReplicaSetConnection[dict[str, Any]],
) -> None:
    before = connection_id(set_client)
    set_client.disconnect()
    set_client.refresh()
    assert set_client.in_request()
    assert connection_id(set_client) != before


def test_a_closed_set_connection_is_closed_for_good(
    set_client: ReplicaSetConnection[dict[str, Any]],
) -> None:
    set_client.close()
    with pytest.raises(InvalidOperation):
        set_client[DB].things.find_one()


def test_making_one_fails_where_no_server_is() -> None:
    with pytest.raises(AutoReconnect):
        Connection("127.0.0.1", 1, serverSelectionTimeoutMS=200)


def test_without_connect_nobody_is_asked() -> None:
    client: Connection[dict[str, Any]] = Connection("127.0.0.1", 1, _connect=False)
    assert client.host is None
    client.close()
