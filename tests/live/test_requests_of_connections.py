"""Acceptance cases of requests (R) that are about the old classes, or about logging in.

The cases are listed in tests/README.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from bson.objectid import ObjectId
from pymongo.errors import DuplicateKeyError, NetworkTimeout

from greenmongo import Connection, ReplicaSetConnection
from greenmongo.embedded import MongoServer
from tests.support.fix_doors import Door
from tests.support.fix_hub import Connect
from tests.support.fix_leaks import wait_until
from tests.support.peek import pool_of, rows, sid

live = pytest.mark.live

ROOT = ("root", "secret")
OldConnect = Callable[..., Any]

both_classes = pytest.mark.parametrize("kind", [Connection, ReplicaSetConnection])


@pytest.fixture
def door(every_door: Door) -> Door:
    """Have every test that asks for a door go through all four."""
    return every_door


@pytest.fixture(scope="module")
def locked_server() -> Iterator[MongoServer]:
    """A server that wants a name and a password."""
    with MongoServer(replica_set=None, auth=ROOT) as server:
        yield server


@live
@both_classes
def test_R05_starts_count_on_the_old_classes_as_well(
    mongo_uri: str, connection_through: OldConnect, door: Door, kind: type[Any]
) -> None:
    """PyMongo 2.2 did not count; there is one behaviour here, and no switch."""
    client = connection_through(mongo_uri, kind, auto_start_request=False)

    def request() -> list[bool]:
        seen = []
        client.start_request()
        client.start_request()
        for _ in range(3):
            client.end_request()
            seen.append(client.in_request())
        return seen

    assert door.call(request) == [True, False, False]


@live
@both_classes
def test_R09_the_first_operation_starts_a_request(
    mongo_uri: str, connection_through: OldConnect, door: Door, kind: type[Any]
) -> None:
    """As since PyMongo 2.7, in the context that made the client, too."""
    client = connection_through(mongo_uri, kind)
    assert client.auto_start_request

    def first_operation() -> list[bool]:
        before = client.in_request()
        sid(client)
        return [before, client.in_request()]

    assert door.call(first_operation) == [False, True]
    assert first_operation() == [False, True]
    client.end_request()


@live
@both_classes
def test_R17_a_request_goes_on_after_a_disconnect(
    mongo_uri: str, connection_through: OldConnect, door: Door, kind: type[Any]
) -> None:
    client = connection_through(mongo_uri, kind, auto_start_request=False)

    def request() -> None:
        with client.start_request():
            before = sid(client)
            client.disconnect()
            assert client.in_request()
            after = sid(client)
            assert after != before
            assert sid(client) == after
        assert not client.in_request()

    door.call(request)


@live
@both_classes
def test_R20_a_write_that_fails_keeps_the_connection(
    mongo_uri: str, connection_through: OldConnect, door: Door, kind: type[Any]
) -> None:
    client = connection_through(mongo_uri, kind)
    name = f"requests_{ObjectId()}"

    def request() -> None:
        client[name].c.insert({"_id": 1})
        before = sid(client)
        with pytest.raises(DuplicateKeyError):
            client[name].c.insert({"_id": 1})
        assert sid(client) == before
        client.drop_database(name)

    door.call(request)


@live
def test_R26_the_timeout_of_one_operation_is_its_own(
    mongo_uri: str, connection_through: OldConnect, door: Door
) -> None:
    client = connection_through(mongo_uri, network_timeout=10)
    name = f"requests_{ObjectId()}"

    def request() -> None:
        client[name].c.insert({"_id": 1})
        with pytest.raises(NetworkTimeout):
            list(client[name].c.find({"$where": "sleep(10000) || true"}, network_timeout=0.1))
        assert client.in_request()
        before = sid(client)
        # It takes three times as long as the one before had, on the same connection.
        slow = {"$where": "sleep(300) || true"}
        assert list(client[name].c.find(slow)) == [{"_id": 1}]
        assert sid(client) == before
        client.drop_database(name)

    door.call(request)


@live
def test_R34_logging_in_neither_starts_nor_ends_a_request(
    locked_server: MongoServer, connection_through: OldConnect, door: Door
) -> None:
    uri = f"mongodb://127.0.0.1:{locked_server.ports[0]}/"
    client = connection_through(uri, auto_start_request=False)

    def request() -> None:
        assert client.admin.authenticate(*ROOT)
        assert not client.in_request()
        with client.start_request():
            assert client.admin.authenticate(*ROOT)
            assert client.in_request()
            assert who(client) == ["root"]
        client.admin.logout()
        assert not client.in_request()

    door.call(request)


def who(client: Any) -> list[str]:
    """Return as whom the connection of the next operation is logged in."""
    status = client.admin.command("connectionStatus")
    return [user["user"] for user in status["authInfo"]["authenticatedUsers"]]


@live
def test_R35_a_new_connection_is_logged_in(
    locked_server: MongoServer, connect_through: Connect, door: Door
) -> None:
    client = connect_through(locked_server.uri)

    def request() -> None:
        with client.start_request() as it:
            before = sid(client)
            lose_bound_connection(client)
            wait_until(lambda: it.connection_id is None)
            assert who(client) == ["root"]
            assert sid(client) != before

    door.call(request)


def lose_bound_connection(client: Any) -> None:
    """Have the server hang up on the only connection, with a message that makes no sense."""
    (connection,) = pool_of(client).connections
    client._executor.thread.call(connection.stream.send, b"\\x01\\0\\0\\0" + bytes(12), 5.0)


@live
@pytest.mark.slow
def test_R39_every_connection_logs_in_once(
    locked_server: MongoServer, connect_through: Connect, door: Door
) -> None:
    client = connect_through(locked_server.uri, maxPoolSize=10, auto_start_request=True)
    name = f"requests_{ObjectId()}"
    meet = door.barrier(10)

    def logins() -> int:
        status = client.admin.command("serverStatus")
        mechanisms = status["security"]["authentication"]["mechanisms"].values()
        return sum(each["authenticate"]["received"] for each in mechanisms)

    def work() -> int:
        for _ in range(100):
            _id = client[name].c.insert_one({}).inserted_id
            assert client[name].c.find_one({"_id": _id}) == {"_id": _id}
        meet()
        return sid(client)

    before, already = logins(), pool_of(client).created_count
    client.end_request()
    assert len(set(door.gather(*[work] * 10))) == 10
    wait_until(lambda: rows(client) == 0)
    assert logins() - before == pool_of(client).created_count - already
    client.drop_database(name)
    client.end_request()
