"""A batch too large to be decoded in one go, from the server to the caller."""

from __future__ import annotations

from typing import Any

import bson
import gevent
import pytest
from bson.codec_options import CodecOptions
from bson.errors import InvalidBSON
from bson.raw_bson import RawBSONDocument
from pymongo.errors import ProtocolError
from pymongo.monitoring import CommandStartedEvent, CommandSucceededEvent

from greenmongo import Connection
from greenmongo._core.cursors.undecoded_batch import DECODE_CHUNK, UndecodedBatch
from greenmongo._net.large_reply import decode_batch
from greenmongo.legacy import SONManipulator
from tests.support.fix_doors import Door, start
from tests.support.fix_hub import Client, Connect
from tests.support.fix_scripted import Answer, ScriptedConnection, ScriptedServer
from tests.support.listeners import Recorder

COUNT = 60
DOCUMENTS: list[dict[str, Any]] = [
    {"_id": n, "filler": "x" * (DECODE_CHUNK // 4)} for n in range(COUNT)
]
"""Fifteen chunks."""


@pytest.fixture
def large(scripted_server: ScriptedServer) -> ScriptedServer:
    scripted_server.store.collections["test.c"] = DOCUMENTS
    return scripted_server


@pytest.fixture
def client(large: ScriptedServer, client_of: Connect) -> Client:
    return client_of(large.uri)


def test_every_document_arrives_in_order(client: Client, large: ScriptedServer, door: Door) -> None:
    assert door.call(lambda: list(client.test.c.find())) == DOCUMENTS
    assert door.call(client.test.c.find().to_list) == DOCUMENTS
    assert door.call(client.test.c.find(batch_size=50).to_list) == DOCUMENTS
    assert door.call(client.test.c.find().to_list, 7) == DOCUMENTS[:7]
    assert door.call(lambda: list(client.test.c.aggregate([]))) == DOCUMENTS
    assert large.count("getMore") == 1


def test_a_cursor_knows_what_has_arrived(client: Client) -> None:
    cursor = client.test.c.find()
    assert next(cursor) == DOCUMENTS[0]
    assert (cursor.retrieved, cursor.cursor_id, cursor.alive) == (COUNT, 0, True)
    assert len(list(cursor)) == COUNT - 1
    assert not cursor.alive


def test_a_limit_counts_what_has_arrived(client: Client, large: ScriptedServer) -> None:
    assert list(client.test.c.find(limit=45, batch_size=40)) == DOCUMENTS[:45]
    assert [each.document["batchSize"] for each in large.commands("getMore")] == [5]


def test_a_cursor_can_be_closed_and_rewound_in_the_middle(client: Client) -> None:
    cursor = client.test.c.find(batch_size=50)
    next(cursor)
    cursor.close()
    # What is here is handed out, as it always was.
    assert len(cursor.to_list()) == 49
    cursor.rewind()
    assert next(cursor) == DOCUMENTS[0]
    cursor.rewind()
    assert list(cursor) == DOCUMENTS


def test_try_next_gets_on_without_a_round_trip(client: Client, large: ScriptedServer) -> None:
    cursor = client.test.c.aggregate([], batchSize=COUNT)
    assert [cursor.try_next() for _ in range(COUNT)] == DOCUMENTS
    assert cursor.try_next() is None
    assert large.count("getMore") == 0


def test_one_large_document_is_just_a_document(client: Client, large: ScriptedServer) -> None:
    document = {"_id": 1, "filler": "x" * 3 * DECODE_CHUNK}
    large.store.collections["test.one"] = [document]
    assert client.test.one.find_one() == document
    assert client.test.one.find().to_list() == [document]


def test_values_are_decoded_at_once(client: Client, large: ScriptedServer) -> None:
    values = ["x" * DECODE_CHUNK, "y" * DECODE_CHUNK]
    large.on("distinct", {"values": values, "ok": 1.0})
    assert client.test.c.distinct("a") == values


def test_documents_are_of_the_users_class(client: Client) -> None:
    options: CodecOptions[Any] = CodecOptions(document_class=RawBSONDocument)
    raw = client.test.get_collection("c", codec_options=options).find().to_list()
    assert [each.raw for each in raw] == [bson.encode(each) for each in DOCUMENTS]


def test_a_raw_batch_is_whole(client: Client) -> None:
    batch = b"".join(bson.encode(each) for each in DOCUMENTS)
    assert list(client.test.c.find_raw_batches()) == [batch]
    assert list(client.test.c.aggregate_raw_batches([])) == [batch]


def test_manipulators_of_old_see_every_document(large: ScriptedServer) -> None:
    class Stamp(SONManipulator):
        def transform_outgoing(self, son: Any, collection: Any) -> Any:
            return {**son, "seen": True}

    connection: Connection[dict[str, Any]] = Connection(*large.address)
    with connection:
        database = connection.test
        database.add_son_manipulator(Stamp())
        found = list(database.c.find())
    assert found == [{**each, "seen": True} for each in DOCUMENTS]


def test_whoever_decodes_on_the_hub_lets_others_have_a_turn(client: Client) -> None:
    def read() -> tuple[int, int]:
        turns = 0

        def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                gevent.sleep(0)

        next(client.test.other.find(), None)  # connected
        cursor = client.test.c.find()
        next(cursor)
        others = gevent.spawn(count)
        seen = len(cursor.to_list())
        others.kill()
        return seen, turns

    seen, turns = start(client._executor.thread.call, read).result(10)
    assert seen == COUNT - 1
    assert turns >= 14


def test_whoever_encodes_on_the_hub_lets_others_have_a_turn(
    client: Client, large: ScriptedServer
) -> None:
    def write() -> tuple[int, int]:
        turns = [0]

        def count() -> None:
            while large.count("insert") == 0:
                turns[0] += 1
                gevent.sleep(0)

        client.test.other.find_one()  # connected
        others = gevent.spawn(count)
        result = client.test.written.insert_many([{**each} for each in DOCUMENTS])
        others.join()
        return len(result.inserted_ids), turns[0]

    inserted, turns = start(client._executor.thread.call, write).result(10)
    assert inserted == COUNT
    assert turns >= 14


def test_listeners_see_all_documents(large: ScriptedServer, client_of: Connect) -> None:
    recorder = Recorder("commands")
    client = client_of(large.uri, event_listeners=recorder.listeners)
    assert client.test.c.find().to_list() == DOCUMENTS
    (found,) = (each for each in recorder.of(CommandSucceededEvent) if each.command_name == "find")
    assert found.reply["cursor"]["firstBatch"] == DOCUMENTS
    client.test.written.insert_many(DOCUMENTS)
    (wrote,) = (each for each in recorder.of(CommandStartedEvent) if each.command_name == "insert")
    assert wrote.command["documents"] == DOCUMENTS


def test_a_reply_without_a_large_batch_is_left_alone() -> None:
    for reply in ({"ok": 1.0}, {"cursor": {"id": 1, "firstBatch": [1]}}, {"cursor": 5}):
        before = bson.encode(reply)
        decode_batch(reply)
        assert bson.encode(reply) == before
    reply = {"cursor": {"firstBatch": UndecodedBatch(CodecOptions()), "id": 0}}
    decode_batch(reply)
    assert reply == {"cursor": {"firstBatch": [], "id": 0}}


def damage(at: bytes, wrong: bytes) -> Any:
    """Return a manner of answering that puts `wrong` where the last `at` of the message is."""

    def damaged(connection: ScriptedConnection, message: bytes) -> None:
        place = message.rindex(at)
        connection.send(message[:place] + wrong + message[place + len(wrong) :])

    return damaged


def reply_with(manner: Any) -> Answer:
    return Answer({"cursor": {"id": 0, "ns": "test.c", "firstBatch": DOCUMENTS}}, manner)


def test_text_that_is_none_is_told_when_it_is_reached(
    client: Client, large: ScriptedServer
) -> None:
    large.script("find", reply_with(damage(b"xxxx", b"\xff")))
    cursor = client.test.c.find()
    assert next(cursor) == DOCUMENTS[0]
    with pytest.raises(InvalidBSON, match="utf-8"):
        list(cursor)
    assert len(client.test.c.find().to_list()) == COUNT


def test_lengths_that_make_no_sense_close_the_connection(
    client: Client, large: ScriptedServer
) -> None:
    client.test.c.find_one({"_id": 1})
    length = len(bson.encode(DOCUMENTS[COUNT - 1])).to_bytes(4, "little")
    large.script("find", reply_with(damage(length, b"\x01")))
    with pytest.raises(ProtocolError, match=f"{large.host}: .*batch"):
        next(client.test.c.find())
    numbers = {each.connection.number for each in large.commands("find")}
    client.test.c.find_one({"_id": 1})
    assert large.commands("find")[-1].connection.number not in numbers
