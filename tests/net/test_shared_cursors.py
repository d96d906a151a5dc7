"""Several callers take from one cursor: each document once, or a clear error."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from itertools import chain
from typing import Any

import gevent
import pytest
from bson.codec_options import TypeDecoder, TypeRegistry
from gevent import Greenlet
from pymongo.errors import OperationFailure
from pymongo.monitoring import CommandListener

from greenmongo import Collection, MongoClient
from greenmongo.errors import MisuseError
from tests.support.fix_doors import Door, start
from tests.support.fix_hub import Client, Connect
from tests.support.fix_scripted import Answer, Gate, ScriptedServer

MANY = 300

Take = Callable[[Any], list[Any]]


def one_by_one(cursor: Any) -> list[Any]:
    return [each["_id"] for each in cursor]


def as_a_list(cursor: Any) -> list[Any]:
    return [each["_id"] for each in cursor.to_list()]


def a_few_at_a_time(cursor: Any) -> list[Any]:
    taken: list[Any] = []
    while some := cursor.to_list(3):
        taken += (each["_id"] for each in some)
    return taken


def when_there_are(cursor: Any) -> list[Any]:
    taken: list[Any] = []
    while cursor.alive:
        found = cursor.try_next()
        if found is not None:
            taken.append(found["_id"])
    return taken


WAYS: list[Take] = [one_by_one, as_a_list, a_few_at_a_time]


@pytest.fixture
def client(scripted_server: ScriptedServer, connect_through: Connect) -> Client:
    return connect_through(scripted_server.uri)


@pytest.fixture
def store(scripted_server: ScriptedServer) -> Any:
    scripted_server.store.collections["db.c"] = [{"_id": n} for n in range(MANY)]
    return scripted_server.store


def open_client(server: ScriptedServer, **options: Any) -> Client:
    return MongoClient(server.uri, **options)


def held_back(server: ScriptedServer) -> Gate:
    """Have the next getMore answered only when the gate is opened."""
    gate = Gate()
    batch = {"id": 7, "ns": "db.c", "nextBatch": [{"_id": 1}]}
    last = {"id": 0, "ns": "db.c", "nextBatch": [{"_id": 2}]}
    server.on("find", {"cursor": {"id": 7, "ns": "db.c", "firstBatch": [{"_id": 0}]}})
    server.script("getMore", Answer({"cursor": batch}, manner=gate), Answer({"cursor": last}))
    return gate


@pytest.mark.parametrize("take", WAYS)
@pytest.mark.parametrize("batch_size", [2, 7])
def test_readers_of_one_cursor_get_each_document_once(
    client: Client, every_door: Door, store: Any, take: Take, batch_size: int
) -> None:
    """F12: by next, by to_list, and by both."""

    cursor = client.db.c.find(batch_size=batch_size)
    shares = every_door.gather(*[lambda: take(cursor)] * 4)

    assert sorted(chain(*shares)) == list(range(MANY))
    assert not store.open_cursors


@pytest.mark.parametrize("take", [*WAYS, when_there_are])
def test_readers_of_one_pipeline_get_each_document_once(
    client: Client, every_door: Door, store: Any, take: Take
) -> None:
    """F12: a cursor of a command has try_next, too."""
    cursor = client.db.c.aggregate([], batchSize=3)
    next(cursor)
    shares = every_door.gather(*[lambda: take(cursor)] * 4)

    assert sorted(chain(*shares)) == list(range(1, MANY))


def test_threads_and_greenlets_share_a_cursor(scripted_server: ScriptedServer, store: Any) -> None:
    """F12: the hub of one reader does not stand still while another's thread refills."""
    with open_client(scripted_server) as client:
        cursor = client.db.c.find(batch_size=2)

        def in_greenlets() -> list[int]:
            taken = [gevent.spawn(one_by_one, cursor) for _ in range(3)]
            return list(chain(*(each.get() for each in taken)))

        shares = [start(in_greenlets), start(one_by_one, cursor), start(one_by_one, cursor)]
        assert sorted(chain(*(each.result(18) for each in shares))) == list(range(MANY))


def test_an_error_is_one_readers_and_the_others_see_the_end(
    client: Client, scripted_server: ScriptedServer, every_door: Door
) -> None:
    """F12: the cursor is over for all of them."""
    scripted_server.on("find", {"cursor": {"id": 7, "ns": "db.c", "firstBatch": []}})
    scripted_server.on("getMore", {"ok": 0, "code": 1, "errmsg": "no more"})
    cursor = client.db.c.find()

    def read() -> object:
        try:
            return one_by_one(cursor)
        except OperationFailure as error:
            return str(error.details and error.details["errmsg"])

    outcomes = every_door.gather(*[read] * 3)
    assert sorted(map(str, outcomes)) == ["[]", "[]", "no more"]


def test_a_cursor_that_is_used_by_its_own_listener_says_so(
    scripted_server: ScriptedServer, store: Any, door: Door
) -> None:
    """F12: to wait would be for ever."""
    problems: list[BaseException] = []

    class Reader(CommandListener):
        cursor: Any = None

        def started(self, event: Any) -> None:
            if event.command_name == "getMore" and not problems:
                with pytest.raises(MisuseError, match="under way in the same place") as caught:
                    next(self.cursor)
                problems.append(caught.value)

        def succeeded(self, event: Any) -> None: ...

        def failed(self, event: Any) -> None: ...

    reader = Reader()
    with open_client(scripted_server, event_listeners=[reader]) as client:
        reader.cursor = client.db.c.find(batch_size=2)
        assert len(door.call(list, reader.cursor)) == MANY
    assert problems


def test_a_cursor_that_is_used_by_its_own_codec_says_so(
    scripted_server: ScriptedServer, store: Any, door: Door
) -> None:
    """F12: a sibling, found by looking at what else runs in the caller's place."""

    class Reader(TypeDecoder):
        cursor: Any = None

        @property
        def bson_type(self) -> Any:
            return int

        def transform_bson(self, value: Any) -> Any:
            return next(self.cursor)

    decoder = Reader()
    with open_client(scripted_server) as client:
        options = client.codec_options.with_options(type_registry=TypeRegistry([decoder]))
        collection: Collection[Any] = client.db.get_collection("c", codec_options=options)
        decoder.cursor = collection.find()
        with pytest.raises(MisuseError, match="next batch while this is under way"):
            door.call(next, decoder.cursor)
        # And nobody holds it any more.
        assert door.call(decoder.cursor.to_list) == []


@pytest.mark.parametrize(("change", "rest"), [("close", []), ("rewind", [0, 2])])
def test_a_cursor_may_be_closed_or_rewound_while_it_is_read(
    scripted_server: ScriptedServer, change: str, rest: list[int]
) -> None:
    """F12: a sibling: what arrives for a cursor as it was before is not taken for the new one's."""
    gate = held_back(scripted_server)
    with open_client(scripted_server) as client:
        cursor = client.db.c.find()
        next(cursor)
        reader = start(one_by_one, cursor)
        gate.wait_for_waiting()
        getattr(cursor, change)()
        gate.open()
        assert reader.result(18) == rest


# ---- readers who leave --------------------------------------------------------------------------


def test_a_reader_who_waits_for_another_may_leave(scripted_server: ScriptedServer) -> None:
    """F12: it has asked for nothing, so nothing is lost."""
    gate = held_back(scripted_server)
    with open_client(scripted_server) as client:
        cursor = client.db.c.find()
        next(cursor)

        def read() -> list[int]:
            first: Greenlet[..., Any] = gevent.spawn(one_by_one, cursor)
            gevent.spawn(gate.wait_for_waiting).join()
            second: Greenlet[..., Any] = gevent.spawn(one_by_one, cursor)
            gevent.sleep(0)
            second.kill()
            gate.open()
            return list(first.get())

        assert start(read).result(18) == [1, 2]


def test_documents_that_a_killed_reader_has_asked_for_are_missed(
    scripted_server: ScriptedServer,
) -> None:
    """F12: the next reader, or the same, does not take it for the end."""
    gate = held_back(scripted_server)
    with open_client(scripted_server) as client:
        cursor = client.db.c.find()
        next(cursor)

        def read() -> None:
            first: Greenlet[..., Any] = gevent.spawn(one_by_one, cursor)
            gevent.spawn(gate.wait_for_waiting).join()
            second: Greenlet[..., Any] = gevent.spawn(one_by_one, cursor)
            gevent.sleep(0)
            first.kill()
            with pytest.raises(MisuseError, match="has lost documents"):
                second.get()
            with pytest.raises(MisuseError, match="has lost documents"):
                cursor.to_list()

        start(read).result(18)
        gate.open()
        assert not cursor.alive
        assert [each["_id"] for each in cursor.rewind()] == [0, 2]


def test_a_signal_ends_the_wait_for_another_reader(scripted_server: ScriptedServer) -> None:
    """F12: a thread that waits can be interrupted."""
    gate = held_back(scripted_server)

    class Interrupted(Exception):
        pass

    def interrupt(*_: object) -> None:
        raise Interrupted

    with open_client(scripted_server) as client:
        cursor = client.db.c.find()
        next(cursor)
        other = start(one_by_one, cursor)
        gate.wait_for_waiting()
        usual = signal.signal(signal.SIGUSR1, interrupt)
        try:
            timer = threading.Timer(
                0.05, signal.pthread_kill, (threading.main_thread().ident, signal.SIGUSR1)
            )
            timer.start()
            with pytest.raises(Interrupted):
                next(cursor)
        finally:
            signal.signal(signal.SIGUSR1, usual)
        gate.open()
        assert other.result(18) == [1, 2]
