from __future__ import annotations

import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bson
import pytest
from pymongo import MongoClient, ReadPreference, WriteConcern
from pymongo.errors import (
    AutoReconnect,
    CursorNotFound,
    DuplicateKeyError,
    NetworkTimeout,
    OperationFailure,
    ProtocolError,
)

from tests.support.fix_scripted import (
    MONGOS,
    Answer,
    FakeReplicaSet,
    Gate,
    Manner,
    Received,
    ScriptedServer,
    by_half,
    by_half_then_hang_up,
    drip,
    garbage,
    hang_up,
    huge_length,
    reset,
    silently,
    to_another_request,
    twice,
)
from tests.support.native import NativeThread

Client = MongoClient[dict[str, Any]]


def connect(uri: str, **options: Any) -> Client:
    defaults = {"retryReads": False, "retryWrites": False, "serverSelectionTimeoutMS": 15_000}
    return MongoClient(uri, **(defaults | options))


@pytest.fixture
def client(scripted_server: ScriptedServer) -> Iterator[Client]:
    with connect(scripted_server.uri) as client:
        yield client


@pytest.fixture
def plain(scripted_server: ScriptedServer) -> Iterator[socket.socket]:
    with socket.create_connection(scripted_server.address, timeout=15) as plain:
        yield plain


def message(document: dict[str, Any], request_id: int = 5) -> bytes:
    body = bson.encode(document)
    return struct.pack("<iiiiIB", 21 + len(body), request_id, 0, 2013, 0, 0) + body


def test_a_stranger_takes_it_for_a_standalone_server(client: Client) -> None:
    assert client.admin.command("ping") == {"ok": 1.0}
    assert client.server_info()["versionArray"] == [6, 0, 5, 0]
    assert client.topology_description.topology_type_name == "Single"
    assert client.is_primary


def test_documents_are_kept_and_found(client: Client) -> None:
    numbers = client.test.numbers
    assert numbers.insert_many([{"_id": n, "even": n % 2 == 0} for n in range(5)]).inserted_ids
    assert numbers.find_one({"_id": 3}) == {"_id": 3, "even": False}
    assert numbers.count_documents({"even": True}) == 3
    assert numbers.count_documents({"even": 7}) == 0
    assert numbers.estimated_document_count() == 5
    assert numbers.update_one({"_id": 0}, {"$set": {"even": None}}).modified_count == 1
    assert numbers.update_many({"even": True}, {"$set": {"even": 1}}).modified_count == 2
    assert numbers.delete_one({"even": 1}).deleted_count == 1
    assert numbers.delete_many({"even": False}).deleted_count == 2
    assert list(numbers.aggregate([{"$match": {"even": 1}}])) == [{"_id": 4, "even": 1}]


def test_a_second_document_of_the_same_id_is_a_duplicate(client: Client) -> None:
    client.test.numbers.insert_one({"_id": 1})
    with pytest.raises(DuplicateKeyError):
        client.test.numbers.insert_one({"_id": 1})


def test_cursors_have_ids_of_64_bits_and_come_in_batches(
    scripted_server: ScriptedServer, client: Client
) -> None:
    scripted_server.store.collections["test.numbers"] = [{"_id": n} for n in range(10)]
    cursor = client.test.numbers.find(batch_size=4)
    assert cursor.next() == {"_id": 0}
    assert cursor.cursor_id is not None
    assert cursor.cursor_id > 2**32
    assert [document["_id"] for document in cursor] == list(range(1, 10))
    assert scripted_server.count("getMore") == 2
    assert scripted_server.store.open_cursors == 0


def test_a_cursor_closed_early_is_killed(scripted_server: ScriptedServer, client: Client) -> None:
    scripted_server.store.collections["test.numbers"] = [{"_id": n} for n in range(10)]
    with client.test.numbers.find(batch_size=4, limit=9, skip=1) as cursor:
        assert cursor.next() == {"_id": 1}
    scripted_server.wait_for(lambda: scripted_server.count("killCursors") == 1)
    assert scripted_server.store.open_cursors == 0


def test_an_unknown_cursor_is_not_found(client: Client) -> None:
    with pytest.raises(CursorNotFound):
        client.test.command("getMore", bson.Int64(7), collection="numbers")
    with pytest.raises(OperationFailure, match="wrong type 'int'"):
        client.test.command("getMore", 7, collection="numbers")


def test_an_unknown_command_is_not_found(client: Client) -> None:
    with pytest.raises(OperationFailure, match="no such command: 'nonsense'"):
        client.admin.command("nonsense")


def test_an_unacknowledged_write_gets_no_answer(
    scripted_server: ScriptedServer, client: Client
) -> None:
    silent = client.test.get_collection("numbers", write_concern=WriteConcern(w=0))
    silent.insert_one({"_id": 1})
    scripted_server.wait_for(lambda: scripted_server.count("insert"))
    assert not scripted_server.commands("insert")[0].request.wants_reply
    assert client.test.numbers.count_documents({}) == 1


def test_compressed_commands_are_understood(scripted_server: ScriptedServer) -> None:
    scripted_server.hello["compression"] = ["zlib"]
    with connect(scripted_server.uri, compressors="zlib") as client:
        client.test.numbers.insert_one({"_id": 1, "text": "x" * 1000})
        assert client.test.numbers.find_one({"_id": 1})
    assert scripted_server.commands("insert")[0].request.compressed
    assert scripted_server.commands("insert")[0].request.size < 500
    assert not scripted_server.commands("hello")[0].request.compressed


def test_every_connection_has_a_number_and_a_record(scripted_server: ScriptedServer) -> None:
    with connect(scripted_server.uri, appname="the-test") as client:
        number = client.admin.command("whoami")["connectionId"]
        connection = scripted_server.connections[number]
        assert connection.commands[0] == "hello"
        assert connection.commands[-1] == "whoami"
        assert connection.application == "the-test"
        assert scripted_server.commands("whoami")[0].connection is connection
        assert connection in scripted_server.open_connections
    scripted_server.wait_for(lambda: not scripted_server.open_connections)


def test_sessions_reach_the_record(scripted_server: ScriptedServer, client: Client) -> None:
    client.test.numbers.insert_one({"_id": 1})
    (received,) = scripted_server.commands("insert")
    assert received.document["documents"] == [{"_id": 1}]
    assert received.document["$db"] == "test"
    assert "lsid" in received.document


def test_answers_may_be_set_scripted_or_computed(
    scripted_server: ScriptedServer, client: Client
) -> None:
    def compute(received: Received) -> dict[str, Any]:
        return {"twice": 2 * received.document["compute"]}

    scripted_server.on("compute", compute)
    scripted_server.script("compute", {"twice": "no"}, Answer({"twice": "idea"}))
    twice = [client.admin.command("compute", n)["twice"] for n in (1, 2, 3)]
    assert twice == ["no", "idea", 6]


def test_a_failure_in_an_answer_is_the_tests_failure(client: Client) -> None:
    def complain(received: Received) -> dict[str, Any]:
        raise AssertionError("not what I expected")

    server = ScriptedServer()
    server.on("ping", complain)
    with connect(server.uri) as other, pytest.raises(AutoReconnect):
        other.admin.command("ping")
    with pytest.raises(AssertionError, match="not what I expected"):
        server.stop()


@pytest.mark.parametrize(
    ("manner", "error"),
    [
        (hang_up, AutoReconnect),
        (reset, AutoReconnect),
        (silently, NetworkTimeout),
        (by_half, NetworkTimeout),
        (by_half_then_hang_up, AutoReconnect),
        (to_another_request, ProtocolError),
        (huge_length, ProtocolError),
        (garbage, ProtocolError),
    ],
)
def test_a_stranger_suffers_from_bad_manners(
    scripted_server: ScriptedServer, manner: Manner, error: type[Exception]
) -> None:
    scripted_server.script("ping", Answer(manner=manner))
    # Enough for what must not time out.
    with connect(scripted_server.uri, socketTimeoutMS=3000) as client:
        with pytest.raises(error):
            client.admin.command("ping")
        assert client.admin.command("ping") == {"ok": 1.0}
    assert scripted_server.count("ping") == 2


def test_a_dripped_reply_is_whole_in_the_end(
    scripted_server: ScriptedServer, client: Client
) -> None:
    scripted_server.on("ping", Answer({"text": "x" * 50}, manner=drip(pause=0.0001)))
    assert client.admin.command("ping") == {"text": "x" * 50, "ok": 1.0}


def test_a_gate_holds_replies_until_it_is_opened(
    scripted_server: ScriptedServer, client: Client
) -> None:
    gate, answers = Gate(), []
    scripted_server.on("ping", Answer(manner=gate))
    callers = [NativeThread(lambda: answers.append(client.admin.command("ping"))) for _ in "ab"]
    gate.wait_for_waiting(2)
    assert answers == []
    gate.open()
    for caller in callers:
        caller.join()
    assert answers == [{"ok": 1.0}] * 2
    assert gate.waiting == 0


def test_a_closed_gate_does_not_keep_the_server_from_stopping(plain: socket.socket) -> None:
    gate = Gate()
    with ScriptedServer() as server, socket.create_connection(server.address) as other:
        server.on("ping", Answer(manner=gate))
        other.sendall(message({"ping": 1, "$db": "admin"}))
        gate.wait_for_waiting()
    assert gate.waiting == 0


def test_a_reply_sent_twice_arrives_twice(
    scripted_server: ScriptedServer, plain: socket.socket
) -> None:
    scripted_server.on("ping", Answer(manner=twice))
    plain.sendall(message({"ping": 1, "$db": "admin"}))
    reply = plain.recv(38, socket.MSG_WAITALL)
    assert plain.recv(38, socket.MSG_WAITALL) == reply
    assert struct.unpack_from("<iiiiIB", reply) == (38, 1, 5, 2013, 0, 0)
    assert bson.decode(reply[21:]) == {"ok": 1.0}


def test_a_legacy_hello_is_answered_with_a_legacy_reply(plain: socket.socket) -> None:
    body = struct.pack("<i", 4) + b"admin.$cmd\0" + struct.pack("<ii", 0, -1)
    body += bson.encode({"isMaster": 1})
    plain.sendall(struct.pack("<iiii", 16 + len(body), 9, 0, 2004) + body)
    length, _, response_to, op_code, flags, _, _, count = struct.unpack(
        "<iiiiiqii", plain.recv(36, socket.MSG_WAITALL)
    )
    assert (response_to, op_code, flags, count) == (9, 1, 8, 1)
    hello = bson.decode(plain.recv(length - 36, socket.MSG_WAITALL))
    assert hello["ismaster"] is True
    assert hello["connectionId"] == 1


@pytest.mark.parametrize(
    "nonsense",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        struct.pack("<iiii", 20, 1, 0, 1) + b"what",
        struct.pack("<iiiiI", 20, 1, 0, 2013, 0),
        struct.pack("<iiiiI", 20, 1, 0, 2013, 1),
        struct.pack("<iiiiIBi", 25, 1, 0, 2013, 0, 7, 4),
        struct.pack("<iiiiiiB", 25, 1, 0, 2012, 2013, 0, 1),
        struct.pack("<iiiiiiB", 33, 1, 0, 2012, 2013, 5, 2) + b"x\x9c\x03\x00\x00\x00\x00\x01",
    ],
)
def test_a_client_that_talks_nonsense_is_told_on(nonsense: bytes) -> None:
    server = ScriptedServer()
    with socket.create_connection(server.address, timeout=15) as plain:
        plain.sendall(nonsense)
        assert plain.recv(1) == b""
    with pytest.raises(ValueError, match=r"^a client "):
        server.stop()


def test_a_client_that_leaves_in_the_middle_of_a_message_is_no_error(
    scripted_server: ScriptedServer,
) -> None:
    for size in (10, 20):
        with socket.create_connection(scripted_server.address) as plain:
            plain.sendall(message({"ping": 1, "$db": "admin"})[:size])
    scripted_server.wait_for(lambda: len(scripted_server.connections) == 2)
    scripted_server.wait_for(lambda: not scripted_server.open_connections)
    assert scripted_server.errors == []


def test_a_killed_connection_ends(scripted_server: ScriptedServer, plain: socket.socket) -> None:
    with socket.create_connection(scripted_server.address, timeout=15) as other:
        scripted_server.wait_for(lambda: len(scripted_server.connections) == 2)
        scripted_server.kill(1)
        assert plain.recv(1) == b""
        other.sendall(message({"ping": 1, "$db": "admin"}))
        assert len(other.recv(38, socket.MSG_WAITALL)) == 38
        scripted_server.kill_all(reset=True)
        with pytest.raises(ConnectionResetError):
            other.recv(1)


def test_a_server_that_refuses_can_accept_again(scripted_server: ScriptedServer) -> None:
    scripted_server.refuse()
    scripted_server.refuse()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(scripted_server.address)
    scripted_server.accept_again()
    scripted_server.accept_again()
    with connect(scripted_server.uri) as client:
        assert client.admin.command("ping") == {"ok": 1.0}


def test_a_stranger_takes_several_for_a_replica_set(fake_replica_set: FakeReplicaSet) -> None:
    first, second, third = fake_replica_set.members
    with connect(fake_replica_set.uri) as client:
        client.test.numbers.insert_one({"_id": 1})
        assert client.primary == first.address
        assert first.count("insert") == 1
        secondary = client.test.get_collection("numbers", read_preference=ReadPreference.SECONDARY)
        assert secondary.find_one() == {"_id": 1}
        assert second.count("find") + third.count("find") == 1


def test_an_election_moves_the_writes(fake_replica_set: FakeReplicaSet) -> None:
    first, second, _ = fake_replica_set.members
    # No heartbeat tells of the election before the write that is refused.
    with connect(fake_replica_set.uri, retryWrites=True) as client:
        client.test.numbers.insert_one({"_id": 1})
        fake_replica_set.elect(1)
        client.test.numbers.insert_one({"_id": 2})
        assert client.primary == second.address
    assert [first.count("insert"), second.count("insert")] == [2, 1]


def test_a_set_may_be_without_a_primary() -> None:
    with FakeReplicaSet(2, primary=None) as members, connect(members.uri) as client:
        secondary = client.get_database("test", read_preference=ReadPreference.SECONDARY)
        assert secondary.numbers.find_one() is None
        assert client.topology_description.topology_type_name == "ReplicaSetNoPrimary"


def test_a_stranger_takes_it_for_a_mongos() -> None:
    with ScriptedServer(MONGOS) as server, connect(f"mongodb://{server.host}") as client:
        assert client.is_mongos
        assert client.topology_description.topology_type_name == "Sharded"


PATCHED = """
from gevent import monkey
monkey.patch_all()
import gevent, socket, threading
from pymongo import MongoClient
from tests.support.fix_scripted import Answer, Gate, ScriptedServer
assert socket.socket.__module__.startswith("gevent")
with ScriptedServer() as server, MongoClient(server.uri) as client:
    gate = Gate()
    server.on("ping", Answer(manner=gate))
    caller = gevent.spawn(client.admin.command, "ping")
    while not gate.waiting:
        gevent.sleep(0)
    # The hub stands still in this wait; the server goes on.
    with socket.create_connection(server.address):
        before = len(server.connections)
        server.wait_for(lambda: server.connections[max(server.connections)].number >= before)
        gate.open()
    assert caller.get(timeout=10) == {"ok": 1.0}
print("fine")
"""


@pytest.mark.gevent_patched
def test_it_works_where_gevent_has_patched_everything() -> None:
    result = subprocess.run(
        [sys.executable, "-c", PATCHED],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=15,
        check=False,
    )
    assert (result.stdout, result.stderr) == ("fine\n", "")
