"""One client's part of the hub thread, against scripted servers.

The cases are listed in tests/README.md.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from bson.errors import InvalidDocument
from bson.timestamp import Timestamp
from pymongo.errors import (
    AutoReconnect,
    ConfigurationError,
    InvalidOperation,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    ProtocolError,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WriteConcernError,
)
from pymongo.read_preferences import SecondaryPreferred
from pymongo.write_concern import WriteConcern

from greenmongo import timeout
from greenmongo._api.client import MongoClient
from tests.support.fix_doors import Door, start
from tests.support.fix_hub import Client, Connect
from tests.support.fix_leaks import wait_until
from tests.support.fix_scripted import (
    Answer,
    FakeReplicaSet,
    Gate,
    Manner,
    Received,
    ScriptedServer,
    by_half_then_hang_up,
    garbage,
    hang_up,
    huge_length,
    reset,
    silently,
    to_another_request,
    twice,
)
from tests.support.peek import engine_of

EMPTY: dict[str, Any] = {"cursor": {"id": 0, "firstBatch": []}}


def whoami(client: Client) -> int:
    return int(client.admin.command("whoami")["connectionId"])


def lsids(server: ScriptedServer, name: str) -> list[Any]:
    return [each.document.get("lsid") for each in server.commands(name)]


@pytest.fixture
def two_members() -> Iterator[FakeReplicaSet]:
    with FakeReplicaSet(2) as members:
        yield members


def primary_of(members: FakeReplicaSet) -> ScriptedServer:
    return members.members[0]


# -- load balancing --------------------------------------------------------------------------------


def test_a_server_that_is_behind_no_load_balancer_says_so(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client = client_of(f"mongodb://{scripted_server.host}/", loadBalanced=True)
    with pytest.raises(ConfigurationError, match="load balancing mode, but the server does not"):
        client.admin.command("ping")


# -- sessions and times ----------------------------------------------------------------------------


def test_operations_one_after_another_share_a_session(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client = client_of(scripted_server.uri)
    for _ in range(3):
        client.test.c.find_one()
    one, *others = lsids(scripted_server, "find")
    assert one is not None
    assert others == [one] * 2


def test_operations_at_once_have_sessions_of_their_own(
    scripted_server: ScriptedServer, client_of: Connect, door: Door
) -> None:
    client, gate = client_of(scripted_server.uri), Gate()
    scripted_server.on("find", Answer(EMPTY, gate))
    calls = [door.spawn(client.test.c.find_one) for _ in range(3)]
    wait_until(lambda: gate.waiting == 3)
    gate.open()
    for call in calls:
        call()
    assert len({each["id"] for each in lsids(scripted_server, "find")}) == 3


def test_a_server_without_sessions_is_sent_none(client_of: Connect) -> None:
    with ScriptedServer({"logicalSessionTimeoutMinutes": None}) as server:
        client_of(server.uri).test.c.find_one()
        assert lsids(server, "find") == [None]


def test_the_next_batch_is_asked_for_in_the_session_of_the_cursor(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    scripted_server.store.collections["test.c"] = [{"_id": n} for n in range(10)]
    client = client_of(scripted_server.uri)
    cursor = client.test.c.find(batch_size=4)
    next(cursor)
    client.test.other.find_one()
    assert len(list(cursor)) == 9
    (opened, other) = lsids(scripted_server, "find")
    assert lsids(scripted_server, "getMore") == [opened, opened]
    assert other != opened


def test_a_cursor_closed_early_is_closed_in_its_session_which_is_then_free(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    scripted_server.store.collections["test.c"] = [{"_id": n} for n in range(10)]
    client = client_of(scripted_server.uri)
    with client.test.c.find(batch_size=4) as cursor:
        next(cursor)
    (opened,) = lsids(scripted_server, "find")
    assert lsids(scripted_server, "killCursors") == [opened]
    client.test.c.insert_one({})
    assert lsids(scripted_server, "insert") == [opened]
    assert len(engine_of(client).sessions) == 1


def test_the_sessions_are_ended_with_the_client(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client = client_of(scripted_server.uri)
    client.test.c.find_one()
    client.close()
    (ended,) = scripted_server.commands("endSessions")
    assert ended.document["endSessions"] == lsids(scripted_server, "find")


def test_cluster_times_are_passed_on(two_members: FakeReplicaSet, client_of: Connect) -> None:
    def time_of(seconds: int) -> dict[str, Any]:
        return {"$clusterTime": {"clusterTime": Timestamp(seconds, 1), "signature": {"keyId": 0}}}

    server, client = primary_of(two_members), client_of(two_members.uri)
    server.script("ping", time_of(5), time_of(9), time_of(7))
    for _ in range(4):
        client.admin.command("ping")
    times = [each.document.get("$clusterTime") for each in server.commands("ping")]
    assert times[0] is None
    assert [each["clusterTime"].time for each in times[1:] if each] == [5, 9, 9]


def test_an_operation_has_no_more_time_than_the_client_gives_it(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client = client_of(scripted_server.uri, timeoutMS=2500)
    with timeout(0):
        whoami(client)  # connected
    scripted_server.script("ping", Answer(manner=silently))
    with pytest.raises(NetworkTimeout):
        client.admin.command("ping")
    (ping,) = scripted_server.commands("ping")
    assert 0 < ping.document["maxTimeMS"] <= 2500
    assert client.admin.command("ping") == {"ok": 1.0}


def test_the_time_counts_from_the_search_for_a_server(client_of: Connect) -> None:
    with ScriptedServer() as server:
        server.on("hello", Answer(manner=silently))
        client = client_of(server.uri, timeoutMS=20)
        with pytest.raises(ServerSelectionTimeoutError):
            client.test.c.find_one()


# -- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("manner", "error"),
    [
        (hang_up, AutoReconnect),
        (reset, AutoReconnect),
        (silently, NetworkTimeout),
        (by_half_then_hang_up, AutoReconnect),
        (to_another_request, ProtocolError),
        (huge_length, ProtocolError),
        (garbage, ProtocolError),
    ],
)
def test_bad_manners_are_an_error_and_the_next_operation_is_fine(
    scripted_server: ScriptedServer,
    client_of: Connect,
    manner: Manner,
    error: type[Exception],
) -> None:
    client = client_of(scripted_server.uri, socketTimeoutMS=2500)
    scripted_server.script("ping", Answer(manner=manner))
    with pytest.raises(error, match=scripted_server.host):
        client.admin.command("ping")
    assert client.admin.command("ping") == {"ok": 1.0}
    assert scripted_server.count("ping") == 2


def test_a_reply_sent_twice_is_never_taken_for_another(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client = client_of(scripted_server.uri)
    scripted_server.script("one", Answer({"answer": 1}, twice))
    scripted_server.on("two", {"answer": 2})
    assert client.admin.command("one")["answer"] == 1
    assert client.admin.command("two")["answer"] == 2


def test_a_body_that_is_not_bson_is_the_servers_fault(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    def spoil(connection: Any, message: bytes) -> None:
        at = message.index(b"\x01ok\x00")
        connection.send(message[:at] + b"\x7e" + message[at + 1 :])

    client = client_of(scripted_server.uri)
    scripted_server.script("ping", Answer(manner=spoil))
    with pytest.raises(ProtocolError, match=scripted_server.host):
        client.admin.command("ping")
    assert client.admin.command("ping") == {"ok": 1.0}


def test_a_command_that_fails_keeps_its_connection(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client = client_of(scripted_server.uri)
    before = whoami(client)
    with pytest.raises(OperationFailure, match="no such command"):
        client.admin.command("nonsense")
    assert whoami(client) == before


def test_a_document_that_cannot_be_encoded_keeps_the_connection(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client = client_of(scripted_server.uri)
    before = whoami(client)
    with pytest.raises(InvalidDocument):
        client.admin.command("ping", what=object())
    assert whoami(client) == before


def test_why_connecting_failed_is_told(client_of: Connect) -> None:
    with ScriptedServer() as server:
        client = client_of(server.uri)
        client.admin.command("ping")
        server.on("hello", {"ok": 0.0, "code": 18, "errmsg": "go away", "codeName": "X"})
        server.kill(server.commands("ping")[0].connection.number)
        (known,) = engine_of(client).topology.servers.values()
        wait_until(lambda: not known.pool.size)
        with pytest.raises(PyMongoError, match="go away"):
            client.admin.command("ping")


# -- second attempts -------------------------------------------------------------------------------


@pytest.mark.parametrize("manner", [hang_up, reset])
def test_a_read_is_tried_twice(
    scripted_server: ScriptedServer, client_of: Connect, manner: Manner
) -> None:
    client = client_of(scripted_server.uri, retryReads=True)
    scripted_server.script("find", Answer(manner=manner))
    assert client.test.c.find_one() is None
    first, second = lsids(scripted_server, "find")
    assert first == second


def test_a_session_is_not_used_again_after_a_network_error(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client = client_of(scripted_server.uri, retryReads=True)
    scripted_server.script("find", Answer(manner=hang_up))
    client.test.c.find_one()
    client.test.c.find_one()
    first, again, after = lsids(scripted_server, "find")
    assert first == again
    assert after != first


def test_a_read_is_not_tried_a_third_time(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client = client_of(scripted_server.uri, retryReads=True)
    scripted_server.script("find", Answer(manner=hang_up), Answer(manner=hang_up))
    with pytest.raises(AutoReconnect):
        client.test.c.find_one()
    assert scripted_server.count("find") == 2


def test_a_read_is_tried_once_if_the_user_says_so(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client = client_of(scripted_server.uri, retryReads=False)
    scripted_server.script("find", Answer(manner=hang_up))
    with pytest.raises(AutoReconnect):
        client.test.c.find_one()
    assert scripted_server.count("find") == 1


@pytest.mark.parametrize("answer", [hang_up, 91])
def test_a_write_is_tried_twice_under_one_number(
    two_members: FakeReplicaSet, client_of: Connect, answer: Any
) -> None:
    server, client = primary_of(two_members), client_of(two_members.uri, retryWrites=True)
    if answer == 91:
        labels = ["RetryableWriteError"]
        failure = {"ok": 0.0, "code": 91, "errmsg": "shutting down", "errorLabels": labels}
        server.script("insert", failure)
    else:
        server.script("insert", Answer(manner=answer))
    assert client.test.c.insert_one({"_id": 1}).acknowledged
    one, other = (each.document for each in server.commands("insert"))
    assert (one["txnNumber"], one["lsid"]) == (other["txnNumber"], other["lsid"])


def test_a_write_that_failed_twice_says_that_it_may_be_tried_again(
    two_members: FakeReplicaSet, client_of: Connect
) -> None:
    client = client_of(two_members.uri, retryWrites=True)
    primary_of(two_members).on("insert", Answer({}, hang_up))
    with pytest.raises(AutoReconnect) as caught:
        client.test.c.insert_one({})
    assert caught.value.has_error_label("RetryableWriteError")


FAILED_CONCERN = {
    "n": 1,
    "writeConcernError": {"code": 91, "errmsg": "shutting down"},
    "errorLabels": ["RetryableWriteError"],
}


def test_a_write_whose_concern_failed_for_the_moment_is_tried_again(
    two_members: FakeReplicaSet, client_of: Connect
) -> None:
    client = client_of(two_members.uri, retryWrites=True)
    primary_of(two_members).script("insert", FAILED_CONCERN)
    assert client.test.c.insert_one({}).acknowledged
    assert primary_of(two_members).count("insert") == 2


@pytest.mark.parametrize("retries", [True, False])
def test_a_concern_that_fails_at_last_is_told_as_such(
    two_members: FakeReplicaSet, client_of: Connect, retries: bool
) -> None:
    client = client_of(two_members.uri, retryWrites=retries)
    primary_of(two_members).on("insert", FAILED_CONCERN)
    with pytest.raises(WriteConcernError, match="shutting down"):
        client.test.c.insert_one({})
    assert primary_of(two_members).count("insert") == 1 + retries


@pytest.mark.parametrize(("wire_version", "is_on_the_primary"), [(12, True), (13, False)])
def test_an_aggregate_that_writes_runs_anywhere_since_5_0(
    two_members: FakeReplicaSet, client_of: Connect, wire_version: int, is_on_the_primary: bool
) -> None:
    for member in two_members.members:
        member.hello["maxWireVersion"] = wire_version
    client = client_of(two_members.uri)
    wait_until(lambda: len(client.nodes) == 2)
    things = client.test.c.with_options(read_preference=SecondaryPreferred())
    things.aggregate([{"$out": "d"}])
    assert primary_of(two_members).count("aggregate") == is_on_the_primary
    secondary = two_members.members[1]
    assert secondary.count("aggregate") == (not is_on_the_primary)


def test_a_write_on_a_standalone_server_is_tried_once(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client = client_of(scripted_server.uri, retryWrites=True)
    scripted_server.script("insert", Answer(manner=hang_up))
    with pytest.raises(AutoReconnect):
        client.test.c.insert_one({})
    (insert,) = scripted_server.commands("insert")
    assert "txnNumber" not in insert.document


def test_every_write_has_a_number_of_its_own(
    two_members: FakeReplicaSet, client_of: Connect
) -> None:
    server, client = primary_of(two_members), client_of(two_members.uri, retryWrites=True)
    for n in range(3):
        client.test.c.insert_one({"_id": n})
    assert [each.document["txnNumber"] for each in server.commands("insert")] == [1, 2, 3]


def test_a_write_refused_by_a_former_primary_is_an_error_of_its_own_class(
    two_members: FakeReplicaSet, client_of: Connect
) -> None:
    server, client = primary_of(two_members), client_of(two_members.uri)
    before = whoami(client)
    server.script("insert", {"ok": 0.0, "code": 10107, "errmsg": "not primary"})
    with pytest.raises(NotPrimaryError):
        client.test.c.insert_one({})
    assert whoami(client) == before


# -- unacknowledged writes -------------------------------------------------------------------------


def test_an_unacknowledged_write_waits_for_nothing(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client = client_of(scripted_server.uri)
    silent = client.test.get_collection("c", write_concern=WriteConcern(w=0))
    before = whoami(client)
    assert not silent.insert_one({"_id": 1}).acknowledged
    assert client.test.c.find_one() == {"_id": 1}
    assert whoami(client) == before
    (insert,) = scripted_server.commands("insert")
    assert not insert.request.wants_reply
    assert insert.document["writeConcern"] == {"w": 0}
    assert "lsid" not in insert.document


def test_R29_an_unacknowledged_write_is_not_sent_to_a_secondary(
    two_members: FakeReplicaSet, client_of: Connect
) -> None:
    secondary = two_members.members[1]
    client = client_of(secondary.uri)
    silent = client.test.get_collection("c", write_concern=WriteConcern(w=0))
    preferred = client.get_database("admin", read_preference=SecondaryPreferred())
    before = preferred.command("whoami")
    with pytest.raises(AutoReconnect):
        silent.insert_one({"_id": 1})
    assert preferred.command("whoami") == before
    assert secondary.count("insert") == 0


# -- the end ---------------------------------------------------------------------------------------


def test_a_closed_client_refuses_everything(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client = client_of(scripted_server.uri)
    client.admin.command("ping")
    client.close()
    client.close()
    with pytest.raises(InvalidOperation, match="close"):
        client.admin.command("ping")


def test_closing_answers_who_waits_for_a_reply(
    scripted_server: ScriptedServer, client_of: Connect, door: Door
) -> None:
    client, gate = client_of(scripted_server.uri), Gate()
    scripted_server.on("find", Answer(EMPTY, gate))
    call = door.spawn(client.test.c.find_one)
    wait_until(lambda: gate.waiting)
    client.close()
    with pytest.raises(PyMongoError):
        call()


def test_closing_answers_who_waits_for_a_connection(
    scripted_server: ScriptedServer, client_of: Connect, door: Door
) -> None:
    client, gate = client_of(scripted_server.uri, maxPoolSize=1), Gate()
    scripted_server.on("find", Answer(EMPTY, gate))
    calls = [door.spawn(client.test.c.find_one) for _ in range(2)]
    (server,) = engine_of(client).topology.servers.values()
    wait_until(lambda: gate.waiting and server.pool.waiting_count)
    client.close()
    for call in calls:
        with pytest.raises(PyMongoError):
            call()


def test_closing_answers_who_waits_for_a_server(client_of: Connect, door: Door) -> None:
    with FakeReplicaSet(2, primary=None) as members:
        client = client_of(members.uri, serverSelectionTimeoutMS=60_000)
        call = door.spawn(client.test.c.insert_one, {})
        hub = engine_of(client).thread
        wait_until(lambda: hub.workers.busy and len(client.secondaries) == 2)
        client.close()
        with pytest.raises(InvalidOperation):
            call()


def test_closing_does_not_wait_for_a_server_that_is_stuck(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client = client_of(scripted_server.uri)
    client.test.c.find_one()
    scripted_server.on("endSessions", Answer(manner=silently))
    started = time.monotonic()
    closing = start(client.close)
    closing.result(10)
    assert time.monotonic() - started < 5.0


def test_a_client_nobody_refers_to_closes_its_connections(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client: Client | None = MongoClient(scripted_server.uri)
    assert client is not None
    client.admin.command("ping")
    del client
    scripted_server.wait_for(lambda: not scripted_server.open_connections)


def test_an_exhausted_pool_is_no_network_error(
    scripted_server: ScriptedServer, client_of: Connect, door: Door
) -> None:
    client = client_of(
        scripted_server.uri,
        maxPoolSize=1,
        minPoolSize=1,
        waitQueueTimeoutMS=20,
        retryReads=True,
    )
    (server,) = engine_of(client).topology.servers.values()
    wait_until(lambda: server.pool.idle_count == 1)  # who comes first waits for nothing
    gate = Gate()
    scripted_server.script("find", Answer(EMPTY, gate))
    call = door.spawn(client.test.c.find_one)
    wait_until(lambda: gate.waiting)
    with pytest.raises(WaitQueueTimeoutError):
        client.test.c.find_one()
    gate.open()
    call()
    assert scripted_server.count("find") == 1


def test_the_handshake_names_the_application(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client_of(scripted_server.uri, appname="the-test").admin.command("ping")

    def names(received: Received) -> Any:
        return received.document.get("client", {}).get("application")

    assert {"name": "the-test"} in [names(each) for each in scripted_server.commands("hello")]
