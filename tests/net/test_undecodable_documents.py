"""Documents that cannot be decoded: an error for their reader, and nobody else is concerned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bson
import pytest
from bson.codec_options import CodecOptions, DatetimeConversion, TypeDecoder, TypeRegistry
from bson.datetime_ms import DatetimeMS
from bson.errors import InvalidBSON
from bson.raw_bson import RawBSONDocument
from pymongo.monitoring import CommandSucceededEvent

from greenmongo import Connection
from greenmongo.legacy import SONManipulator
from tests.support.fix_doors import Door
from tests.support.fix_hub import Client, Connect
from tests.support.fix_scripted import Answer, ScriptedConnection, ScriptedServer
from tests.support.listeners import Recorder

FAR = DatetimeMS(2**60)
"""A date long after the year 9999."""

AS_MILLISECONDS: CodecOptions[dict[str, Any]] = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_MS
)

SIZES = [
    pytest.param(7, 0, id="a small batch"),
    pytest.param(2_000, 200, id="a large batch"),
    pytest.param(2_000, 1, id="many small documents"),
    pytest.param(20, 50_000, id="large documents"),
]


def documents(count: int, size: int) -> list[dict[str, Any]]:
    """Return documents, the middle one of which cannot be decoded."""
    found: list[dict[str, Any]] = [{"_id": n, "filler": "x" * size} for n in range(count)]
    found[count // 2]["when"] = FAR
    return found


def ids_until_the_error(cursor: Any, error: type[Exception] = InvalidBSON) -> list[int]:
    """Return what a cursor gives before it raises."""
    seen: list[int] = []
    with pytest.raises(error):
        seen.extend(each["_id"] for each in cursor)
    return seen


def none_was_closed(server: ScriptedServer) -> bool:
    """Tell whether all connections that were made are still open."""
    return all(each.is_open for each in server.connections.values())


@pytest.fixture
def client(scripted_server: ScriptedServer, connect_through: Connect) -> Client:
    return connect_through(scripted_server.uri)


@pytest.mark.parametrize(("count", "size"), SIZES)
@pytest.mark.parametrize("batch_size", [0, 5, 100_000])
def test_all_before_an_undecodable_document_arrive_then_the_error_then_the_end(
    client: Client,
    scripted_server: ScriptedServer,
    every_door: Door,
    count: int,
    size: int,
    batch_size: int,
) -> None:
    """F02: whatever the size of the batch and of the documents."""
    scripted_server.store.collections["db.c"] = documents(count, size)

    options: dict[str, Any] = {"batchSize": batch_size} if batch_size else {}

    def read() -> None:
        for cursor in (
            client.db.c.find(batch_size=batch_size),
            client.db.c.aggregate([], **options),
        ):
            assert ids_until_the_error(cursor) == list(range(count // 2))
            assert not cursor.alive
            with pytest.raises(StopIteration):
                next(cursor)
            assert cursor.to_list() == []

    every_door.call(read)
    scripted_server.wait_for(lambda: not scripted_server.store.open_cursors)
    assert none_was_closed(scripted_server)


@pytest.mark.parametrize(("count", "size"), SIZES)
def test_a_list_with_an_undecodable_document_is_an_error_and_the_cursor_is_over(
    client: Client, scripted_server: ScriptedServer, every_door: Door, count: int, size: int
) -> None:
    """F02: a list that lacks documents would not tell of them."""
    scripted_server.store.collections["db.c"] = documents(count, size)

    def read() -> None:
        cursor = client.db.c.find()
        with pytest.raises(InvalidBSON):
            cursor.to_list()
        assert cursor.to_list() == []
        cursor.rewind()
        assert next(cursor)["_id"] == 0

    every_door.call(read)


@pytest.mark.parametrize(("count", "size"), SIZES)
def test_listeners_do_not_change_where_the_error_comes(
    scripted_server: ScriptedServer, client_of: Connect, count: int, size: int
) -> None:
    """F02: they see the bytes of what cannot be decoded."""
    scripted_server.store.collections["db.c"] = documents(count, size)
    recorder = Recorder("commands")
    client = client_of(scripted_server.uri, event_listeners=recorder.listeners)
    cursor = client.db.c.find(batch_size=count)
    assert ids_until_the_error(cursor) == list(range(count // 2))
    (event,) = (e for e in recorder.of(CommandSucceededEvent) if e.command_name == "find")
    shown = event.reply["cursor"]["firstBatch"]
    assert [each["_id"] for each in shown] == list(range(count))
    assert shown[count // 2]["when"] == FAR


class Strict(TypeDecoder):
    """Refuses one string."""

    @property
    def bson_type(self) -> type[str]:
        return str

    def transform_bson(self, value: str) -> str:
        if value == "refused":
            raise LookupError(value)
        return value


class StrictDict(dict[str, Any]):
    """Refuses one key."""

    def __setitem__(self, key: str, value: Any) -> None:
        if value == "refused":
            raise LookupError(value)
        super().__setitem__(key, value)


@pytest.mark.parametrize(
    "options",
    [
        CodecOptions(type_registry=TypeRegistry([Strict()])),
        CodecOptions(document_class=StrictDict),
    ],
    ids=["decoder", "document class"],
)
@pytest.mark.parametrize("count", [7, 3_000])
def test_the_error_of_a_decoder_of_ones_own_comes_as_it_is(
    client: Client,
    scripted_server: ScriptedServer,
    every_door: Door,
    options: CodecOptions[Any],
    count: int,
) -> None:
    """F06: and the connection is kept, as for any document that cannot be decoded."""
    found: list[dict[str, Any]] = [{"_id": n, "text": "fine"} for n in range(count)]
    found[3]["text"] = "refused"
    scripted_server.store.collections["db.c"] = found
    collection = client.db.get_collection("c", codec_options=options)

    def read() -> None:
        assert ids_until_the_error(collection.find(), LookupError) == [0, 1, 2]
        with pytest.raises(LookupError):
            collection.find_one({"_id": 3})
        scripted_server.script("findAndModify", {"value": found[3]})
        # As bson decodes them, the errors of code for what lies deeper are InvalidBSON.
        with pytest.raises((LookupError, InvalidBSON)):
            collection.find_one_and_delete({"_id": 3})
        scripted_server.script("distinct", {"values": ["fine", {"text": "refused"}]})
        with pytest.raises((LookupError, InvalidBSON)):
            collection.distinct("text")
        first = collection.find_one({"_id": 0})
        assert first is not None
        assert first["text"] == "fine"

    every_door.call(read)
    assert none_was_closed(scripted_server)


def no_utf8(connection: ScriptedConnection, message: bytes) -> None:
    """Send a reply whose text is no UTF-8."""
    connection.send(message.replace(b"marker", b"\xffarker"))


DAMAGES: dict[str, tuple[Any, Callable[[ScriptedConnection, bytes], None]]] = {
    "a year beyond 9999": (FAR, lambda connection, message: connection.send(message)),
    "bad UTF-8": ("marker", no_utf8),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_undecodable_values_raise_invalid_bson_and_keep_the_connection(
    client: Client, scripted_server: ScriptedServer, every_door: Door, damage: str
) -> None:
    """F06: in a request it is still the same connection."""
    value, manner = DAMAGES[damage]
    batch = {"cursor": {"id": 0, "ns": "db.c", "firstBatch": [{"_id": 1, "a": value}]}}

    def read() -> None:
        with client.start_request():
            (number,) = {client.admin.command("whoami")["connectionId"]}
            calls: list[tuple[str, dict[str, Any], Callable[[], Any]]] = [
                ("find", batch, client.db.c.find_one),
                ("find", batch, lambda: client.db.c.find_one({}, sort=[("a", 1)])),
                ("find", batch, lambda: client.db.c.find().to_list()),
                ("find", batch, lambda: client.db.command("find", "c")),
                ("aggregate", batch, lambda: client.db.c.aggregate([]).to_list()),
                ("listIndexes", batch, lambda: client.db.c.list_indexes().to_list()),
                ("distinct", {"values": [1, value]}, lambda: client.db.c.distinct("a")),
                (
                    "findAndModify",
                    {"value": {"a": value}},
                    lambda: client.db.c.find_one_and_delete({}),
                ),
                ("explain", {"a": value}, lambda: client.db.c.find().explain()),
            ]
            for name, reply, call in calls:
                scripted_server.script(name, Answer(reply, manner))
                with pytest.raises(InvalidBSON):
                    call()
                assert client.admin.command("whoami")["connectionId"] == number

    every_door.call(read)


def test_whoever_asks_for_milliseconds_gets_any_date(
    client: Client, scripted_server: ScriptedServer, every_door: Door
) -> None:
    """F06: also of commands, whose whole reply is the caller's."""
    reply = {"when": FAR, "cursor": {"id": 0, "ns": "db.c", "firstBatch": [{"when": FAR}]}}
    scripted_server.on("find", reply)
    scripted_server.on("explain", reply)
    collection = client.db.get_collection("c", codec_options=AS_MILLISECONDS)

    def read() -> None:
        assert client.db.command("find", "c", codec_options=AS_MILLISECONDS)["when"] == FAR
        assert collection.find().explain()["when"] == FAR
        assert collection.find().to_list() == [{"when": FAR}]

    every_door.call(read)


def test_what_the_server_says_of_an_error_need_not_be_decodable(
    client: Client, scripted_server: ScriptedServer, every_door: Door
) -> None:
    """F06: servers cut messages in the middle of a character, and quote the user's values."""
    failure = {"code": 11000, "errmsg": "dup key: marker", "keyValue": {"when": FAR}, "index": 0}
    scripted_server.on("insert", Answer({"n": 0, "writeErrors": [failure]}, no_utf8))
    scripted_server.on("find", Answer({"ok": 0.0, **failure}, no_utf8))

    def call() -> None:
        for action in (lambda: client.db.c.insert_one({}), client.db.c.find_one):
            with pytest.raises(Exception, match="dup key: \ufffdarker") as caught:
                action()
            assert getattr(caught.value, "code", 0) == 11000

    every_door.call(call)
    assert none_was_closed(scripted_server)


def test_an_undecodable_hello_and_login_are_read_as_far_as_they_matter(
    scripted_server: ScriptedServer, connect_through: Connect, every_door: Door
) -> None:
    """F06: the driver's own commands are no different."""

    def hello(received: Any) -> Answer:
        reply = scripted_server.hello_reply(received)
        return Answer({**reply, "localTime": FAR, "note": "marker"}, no_utf8)

    scripted_server.on("hello", hello)
    client = connect_through(scripted_server.uri)
    assert every_door.call(lambda: client.admin.command("ping"))["ok"] == 1.0


def test_an_open_cursor_with_an_undecodable_first_document_is_closed_on_the_server(
    client: Client, scripted_server: ScriptedServer, every_door: Door
) -> None:
    """F02, F06: nobody could ask for the rest."""
    scripted_server.store.collections["db.c"] = [{"_id": 0, "when": FAR}, {"_id": 1}]

    def read() -> None:
        for cursor in (client.db.c.find(batch_size=1), client.db.c.aggregate([], batchSize=1)):
            with pytest.raises(InvalidBSON):
                next(cursor)
            with pytest.raises(StopIteration):
                next(cursor)

    every_door.call(read)
    scripted_server.wait_for(lambda: not scripted_server.store.open_cursors)


def test_an_undecodable_document_is_no_matter_for_who_does_not_decode(
    client: Client, scripted_server: ScriptedServer, every_door: Door
) -> None:
    scripted_server.store.collections["db.c"] = found = documents(30, 10)
    raw: CodecOptions[Any] = CodecOptions(document_class=RawBSONDocument)

    def read() -> None:
        (batch,) = client.db.c.find_raw_batches()
        assert batch == b"".join(map(bson.encode, found))
        assert len(client.db.get_collection("c", codec_options=raw).find().to_list()) == 30

    every_door.call(read)


def test_a_manipulator_that_fails_ends_the_cursor(scripted_server: ScriptedServer) -> None:
    """F02: what it has not seen is not skipped without a word."""

    class Picky(SONManipulator):
        def transform_outgoing(self, son: Any, collection: Any) -> Any:
            if son["_id"] == 1:
                raise LookupError("no")
            return son

    scripted_server.store.collections["db.c"] = [{"_id": n} for n in range(5_000)]
    connection: Connection[dict[str, Any]] = Connection(*scripted_server.address)
    with connection:
        database = connection.db
        database.add_son_manipulator(Picky())
        cursor = database.c.find()
        with pytest.raises(LookupError):
            next(cursor)
        assert list(cursor) == []


def test_an_interrupt_while_documents_are_decoded_loses_none(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    """F02: Ctrl-C comes between any two documents."""
    interrupts = [KeyboardInterrupt]

    class Interrupted(TypeDecoder):
        @property
        def bson_type(self) -> type[str]:
            return str

        def transform_bson(self, value: str) -> str:
            if value == "700" and interrupts:
                raise interrupts.pop()
            return value

    found = [{"_id": str(n), "filler": bytes(300)} for n in range(2_000)]
    scripted_server.store.collections["db.c"] = found
    options: CodecOptions[Any] = CodecOptions(type_registry=TypeRegistry([Interrupted()]))
    client = client_of(scripted_server.uri)
    cursor = client.db.get_collection("c", codec_options=options).find(batch_size=2_000)
    seen: list[str] = []
    while len(seen) < len(found):
        try:
            seen.append(next(cursor)["_id"])
        except KeyboardInterrupt:
            continue
    assert seen == [each["_id"] for each in found]
