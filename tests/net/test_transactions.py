"""Transactions where a mongod cannot play the part: several mongos, a load balancer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import gevent
import pytest
from bson.objectid import ObjectId
from pymongo.errors import AutoReconnect, PyMongoError

from tests.support.fix_hub import Client, Connect
from tests.support.fix_leaks import wait_until
from tests.support.fix_scripted import (
    MONGOS,
    Answer,
    Document,
    Gate,
    Received,
    ScriptedServer,
    hang_up,
)
from tests.support.scripted_store import failure

TOKEN = {"shard": 7}
ENDS = ("commitTransaction", "abortTransaction")


@pytest.fixture
def routers() -> Iterator[list[ScriptedServer]]:
    with ExitStack() as stack:
        servers = [stack.enter_context(ScriptedServer(MONGOS)) for _ in range(2)]
        for server in servers:
            server.on("insert", {"n": 1, "recoveryToken": TOKEN})
            for name in ENDS:
                server.on(name, {"ok": 1.0})
        yield servers


@pytest.fixture
def sharded(routers: list[ScriptedServer], client_of: Connect) -> Client:
    client = client_of(f"mongodb://{','.join(server.host for server in routers)}/")
    client.admin.command("ping")
    wait_until(lambda: len(client.nodes) == 2)
    return client


def where(routers: list[ScriptedServer], name: str) -> list[int]:
    return [at for at, server in enumerate(routers) for _ in server.commands(name)]


def last(routers: list[ScriptedServer], name: str) -> Document:
    return [each for server in routers for each in server.commands(name)][-1].document


def test_a_sharded_transaction_stays_with_its_mongos(
    sharded: Client, routers: list[ScriptedServer]
) -> None:
    with sharded.start_session() as session, session.start_transaction():
        for _ in range(8):
            sharded.t.c.insert_one({}, session=session)
    assert len(set(where(routers, "insert"))) == 1
    assert where(routers, "commitTransaction") == where(routers, "insert")[:1]


def test_the_recovery_token_goes_back_with_the_end(
    sharded: Client, routers: list[ScriptedServer]
) -> None:
    for name in ENDS:
        with sharded.start_session() as session:
            session.start_transaction()
            sharded.t.c.insert_one({}, session=session)
            session.commit_transaction() if name == ENDS[0] else session.abort_transaction()
        assert last(routers, name)["recoveryToken"] == TOKEN


def test_transactions_prose_mongos_pinning_01_a_new_transaction_may_go_elsewhere(
    sharded: Client, routers: list[ScriptedServer]
) -> None:
    with sharded.start_session() as session:
        for _ in range(50):
            with session.start_transaction():
                sharded.t.c.insert_one({}, session=session)
    assert set(where(routers, "insert")) == {0, 1}


def test_transactions_prose_mongos_pinning_02_an_operation_after_it_may_go_elsewhere(
    sharded: Client, routers: list[ScriptedServer]
) -> None:
    with sharded.start_session() as session:
        with session.start_transaction():
            sharded.t.c.insert_one({}, session=session)
        for _ in range(50):
            sharded.t.c.delete_one({}, session=session)
    assert set(where(routers, "delete")) == {0, 1}


def test_a_commit_whose_mongos_is_lost_goes_to_another(
    sharded: Client, routers: list[ScriptedServer]
) -> None:
    with sharded.start_session() as session:
        session.start_transaction()
        sharded.t.c.insert_one({}, session=session)
        (at,) = where(routers, "insert")
        routers[at].script("commitTransaction", Answer(manner=hang_up))
        session.commit_transaction()
    again = routers[1 - at].commands("commitTransaction")[-1].document
    assert again["recoveryToken"] == TOKEN
    assert again["writeConcern"] == {"w": "majority", "wtimeout": 10_000}


def test_a_network_error_in_a_transaction_has_a_label_and_is_not_retried(
    sharded: Client, routers: list[ScriptedServer]
) -> None:
    for server in routers:
        server.on("insert", Answer(manner=hang_up))
    with sharded.start_session() as session:
        session.start_transaction()
        with pytest.raises(AutoReconnect) as caught:
            sharded.t.c.insert_one({}, session=session)
        assert caught.value.has_error_label("TransientTransactionError")
        session.abort_transaction()
    assert len(where(routers, "insert")) == 1


# ---- behind a load balancer -----------------------------------------------------------------


@pytest.fixture
def balanced(scripted_server: ScriptedServer) -> ScriptedServer:
    def hello(received: Received) -> Document:
        reply = scripted_server.hello_reply(received)
        return {**reply, **MONGOS, "serviceId": ObjectId()}

    scripted_server.on("hello", hello)
    scripted_server.on("insert", {"n": 1})
    for name in ENDS:
        scripted_server.on(name, {"ok": 1.0})
    return scripted_server


@pytest.fixture
def client(balanced: ScriptedServer, client_of: Connect) -> Client:
    return client_of(f"mongodb://{balanced.host}/?loadBalanced=true", maxPoolSize=4)


def numbers(server: ScriptedServer, *names: str) -> list[int]:
    return [each.connection.number for each in server.commands() if each.name in names]


def crowd(client: Client, server: ScriptedServer, count: int) -> None:
    """Have so many connections opened, so that there is a choice."""
    gate = Gate()
    server.on("ping", Answer(manner=gate))
    calls = [gevent.spawn(client.admin.command, "ping") for _ in range(count)]
    hold(gate, count)
    gate.open()
    gevent.joinall(calls)
    server.on("ping", {})


def hold(gate: Gate, count: int) -> None:
    """Wait until so many replies are held back, and let greenlets of this thread run."""

    def are_held() -> bool:
        gevent.sleep(0.01)
        return gate.waiting == count

    wait_until(are_held)


def held(client: Client) -> int:
    (pool,) = client._executor.statistics().pools
    return pool.open - pool.idle


def test_a_transaction_keeps_its_connection(client: Client, balanced: ScriptedServer) -> None:
    crowd(client, balanced, 3)
    with client.start_session() as session:
        session.start_transaction()
        client.t.c.insert_one({}, session=session)
        client.admin.command("ping")
        client.t.c.insert_one({}, session=session)
        session.commit_transaction()
        used = numbers(balanced, "insert", "commitTransaction")
        assert len(used) == 3
        assert len(set(used)) == 1
        # For a commit that is repeated.
        assert held(client) == 1
    assert held(client) == 0


@pytest.mark.parametrize("end", ["abort", "error", "another"])
def test_a_connection_is_let_go_with_the_transaction(
    client: Client, balanced: ScriptedServer, end: str
) -> None:
    with client.start_session() as session:
        session.start_transaction()
        client.t.c.insert_one({}, session=session)
        assert held(client) == 1
        if end == "abort":
            session.abort_transaction()
        elif end == "error":
            failed = failure(112, "WriteConflict", "conflict")
            balanced.script("insert", {**failed, "errorLabels": ["TransientTransactionError"]})
            with pytest.raises(PyMongoError):
                client.t.c.insert_one({}, session=session)
        else:
            session.commit_transaction()
            client.t.c.insert_one({}, session=session)
        assert held(client) == 0


def test_a_request_and_a_transaction_share_the_connection(
    client: Client, balanced: ScriptedServer
) -> None:
    crowd(client, balanced, 3)
    with client.start_session() as session:
        with client.start_request():
            client.admin.command("ping")
            session.start_transaction()
            client.t.c.insert_one({}, session=session)
            client.admin.command("ping")
            assert held(client) == 1
        # The request is over; the transaction goes on where it was.
        assert held(client) == 1
        client.t.c.insert_one({}, session=session)
        session.commit_transaction()
        shared = numbers(balanced, "insert", "commitTransaction")
        assert set(shared) == {numbers(balanced, "ping")[-1]}
    assert held(client) == 0


def test_a_transaction_whose_connection_is_lost_is_not_continued(
    client: Client, balanced: ScriptedServer
) -> None:
    with client.start_session() as session:
        session.start_transaction()
        client.t.c.insert_one({}, session=session)
        balanced.script("insert", Answer(manner=hang_up))
        with pytest.raises(AutoReconnect) as caught:
            client.t.c.insert_one({}, session=session)
        assert caught.value.has_error_label("TransientTransactionError")
    assert held(client) == 0


def test_who_is_killed_in_a_transaction_gives_its_connection_back(
    client: Client, balanced: ScriptedServer
) -> None:
    gate = Gate()

    def work() -> None:
        with client.start_session() as session, session.start_transaction():
            client.t.c.insert_one({}, session=session)
            balanced.on("insert", Answer({"n": 1}, manner=gate))
            client.t.c.insert_one({}, session=session)

    caller: Any = gevent.spawn(work)
    hold(gate, 1)
    caller.kill()
    # Not before the operation that was left is over.
    assert not balanced.commands("abortTransaction")
    gate.open()
    wait_until(lambda: balanced.commands("abortTransaction") and held(client) == 0)
    assert len(set(numbers(balanced, "insert", "abortTransaction"))) == 1
