"""Bulk writes of iterables that are no lists: taken, encoded and sent a window at a time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator
from contextvars import ContextVar
from typing import Any
from weakref import WeakSet

import gevent
import pytest
from bson.errors import InvalidDocument
from gevent.event import Event
from greenlet import GreenletExit
from pymongo import InsertOne, UpdateOne
from pymongo.errors import BulkWriteError, InvalidOperation
from pymongo.write_concern import WriteConcern

from greenmongo._api.bulk.load import WINDOW_COUNT
from greenmongo.errors import written_before
from tests.support.fix_doors import in_hub
from tests.support.fix_hub import Connect
from tests.support.fix_scripted import Answer, Gate, Received, ScriptedServer

MANY = 2 * WINDOW_COUNT + 5
WINDOWS = [WINDOW_COUNT, WINDOW_COUNT, 5]


def inserted(received: Received) -> dict[str, Any]:
    return {"n": len(received.document["documents"])}


@pytest.fixture
def server(scripted_server: ScriptedServer) -> ScriptedServer:
    scripted_server.on("insert", inserted)
    return scripted_server


@pytest.fixture
def things(server: ScriptedServer, connect_through: Connect) -> Any:
    return connect_through(server.uri).db.things


def numbered(count: int = MANY) -> Iterator[dict[str, Any]]:
    for n in range(count):
        yield {"_id": n}


def windows(server: ScriptedServer) -> list[int]:
    """Return how many documents each insert had."""
    return [len(each.document["documents"]) for each in server.commands("insert")]


@pytest.mark.parametrize(
    "documents",
    [
        lambda: numbered(3),
        lambda: deque(numbered(3)),
        lambda: {n: {"_id": n} for n in range(3)}.values(),
        lambda: map(dict, [[("_id", 0)], [("_id", 1)], [("_id", 2)]]),
    ],
    ids=["generator", "deque", "view", "map"],
)
def test_any_iterable_will_do(things: Any, server: ScriptedServer, documents: Any) -> None:
    assert things.insert_many(documents()).inserted_ids == [0, 1, 2]
    assert server.commands("insert")[0].document["documents"] == list(numbered(3))


def test_documents_are_taken_a_window_at_a_time(things: Any, server: ScriptedServer) -> None:
    taken: list[int] = []
    seen: list[int] = []

    def answer(received: Received) -> dict[str, Any]:
        seen.append(len(taken))
        return inserted(received)

    def documents() -> Iterator[dict[str, Any]]:
        for document in numbered():
            taken.append(document["_id"])
            yield document

    server.on("insert", answer)
    assert things.insert_many(documents()).inserted_ids == list(range(MANY))
    assert windows(server) == WINDOWS
    assert seen == [WINDOW_COUNT, 2 * WINDOW_COUNT, MANY]


def test_large_documents_make_small_windows(things: Any, server: ScriptedServer) -> None:
    text = "x" * 1_000_000
    things.insert_many({"_id": n, "text": text} for n in range(20))
    assert windows(server) == [9, 9, 2]


def test_no_more_than_a_window_is_held(things: Any) -> None:
    class Document(dict[str, Any]):
        def __init__(self, n: int) -> None:
            super().__init__(_id=n)
            # What lives as long; the documents themselves have no hash.
            self.life = Life()

    class Life:
        pass

    alive: WeakSet[Life] = WeakSet()
    most = 0

    def documents() -> Iterator[Document]:
        nonlocal most
        for n in range(3 * WINDOW_COUNT):
            document = Document(n)
            alive.add(document.life)
            if n % 1_000 == 0:
                most = max(most, len(alive))
            yield document

    result = things.insert_many(documents(), return_ids=False)
    assert result.inserted_ids == []
    assert most <= WINDOW_COUNT + 1_001


def test_operations_come_in_windows_too(things: Any, server: ScriptedServer) -> None:
    server.on("update", lambda it: {"n": len(it.document["updates"]), "nModified": 1})
    operations: Iterable[Any] = (
        InsertOne({"_id": n}) if n % 2 else UpdateOne({"_id": n}, {"$set": {"x": 1}})
        for n in range(WINDOW_COUNT + 4)
    )
    result = things.bulk_write(operations, ordered=False)
    assert (result.inserted_count, result.matched_count) == (WINDOW_COUNT // 2 + 2,) * 2
    names = [(each.name, len(each.document[field])) for each, field in written(server)]
    half = WINDOW_COUNT // 2
    assert names == [("insert", half), ("update", half), ("insert", 2), ("update", 2)]


def written(server: ScriptedServer) -> Iterator[tuple[Received, str]]:
    fields = {"insert": "documents", "update": "updates"}
    return ((each, fields[each.name]) for each in server.commands() if each.name in fields)


# ---- what is told of it --------------------------------------------------------------------------


def test_progress_is_told_after_each_message(things: Any) -> None:
    told: list[Any] = []
    things.insert_many(numbered(), on_progress=lambda *it: told.append(it))
    assert told == [(WINDOW_COUNT, None), (2 * WINDOW_COUNT, None), (MANY, None)]


def test_of_what_has_a_length_the_whole_is_told(things: Any) -> None:
    told: list[Any] = []
    things.insert_many(list(numbered(5)), on_progress=lambda *it: told.append(it))
    given: dict[int, Any] = {n: {} for n in range(3)}
    things.insert_many(given.values(), on_progress=lambda *it: told.append(it))
    things.bulk_write([InsertOne({})], on_progress=lambda *it: told.append(it))
    assert told == [(5, 5), (3, 3), (1, 1)]


def test_what_progress_raises_ends_it(things: Any, server: ScriptedServer) -> None:
    def on_progress(done: int, total: int | None) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough") as caught:
        things.insert_many(numbered(), on_progress=on_progress)
    assert windows(server) == WINDOWS[:1]
    assert count_before(caught.value) == WINDOW_COUNT


def count_before(error: BaseException) -> int:
    """Return how many documents had been inserted before an error."""
    written = written_before(error)
    assert written is not None
    count: int = written["nInserted"]
    return count


def test_an_error_in_the_middle_is_numbered_over_all(things: Any, server: ScriptedServer) -> None:
    def answer(received: Received) -> dict[str, Any]:
        error = {"index": 3, "code": 11000, "errmsg": "duplicate"}
        return {"n": 3, "writeErrors": [error]}

    taken: list[int] = []

    def documents() -> Iterator[dict[str, Any]]:
        for document in numbered():
            taken.append(document["_id"])
            yield document

    server.script("insert", inserted, answer)
    with pytest.raises(BulkWriteError) as caught:
        things.insert_many(documents())
    (error,) = caught.value.details["writeErrors"]
    at = WINDOW_COUNT + 3
    assert (error["index"], error["op"]) == (at, {"_id": at})
    assert caught.value.details["nInserted"] == at
    # In order: nothing more is taken.
    assert len(taken) == 2 * WINDOW_COUNT
    assert count_before(caught.value) == at


def test_out_of_order_it_goes_on(things: Any, server: ScriptedServer) -> None:
    error = {"index": 3, "code": 11000, "errmsg": "duplicate"}
    server.script("insert", {"n": WINDOW_COUNT - 1, "writeErrors": [error]})
    with pytest.raises(BulkWriteError) as caught:
        things.insert_many(numbered(), ordered=False)
    assert windows(server) == WINDOWS
    assert caught.value.details["nInserted"] == MANY - 1


def test_what_the_iterable_raises_ends_it(things: Any, server: ScriptedServer) -> None:
    def documents() -> Iterator[dict[str, Any]]:
        yield from numbered()
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more") as caught:
        things.insert_many(documents())
    assert windows(server) == WINDOWS[:2]
    assert count_before(caught.value) == 2 * WINDOW_COUNT


def test_so_does_a_document_that_cannot_be_encoded(things: Any, server: ScriptedServer) -> None:
    def documents() -> Iterator[dict[str, Any]]:
        yield from numbered(WINDOW_COUNT + 1)
        yield {"_id": object()}

    with pytest.raises(InvalidDocument) as caught:
        things.insert_many(documents())
    assert count_before(caught.value) == WINDOW_COUNT
    with pytest.raises(InvalidDocument) as caught:
        things.insert_many([*numbered(WINDOW_COUNT + 1), {"_id": object()}])
    assert count_before(caught.value) == 0
    assert windows(server) == WINDOWS[:1]


def test_an_unacknowledged_load_waits_where_order_depends_on_it(
    things: Any, server: ScriptedServer
) -> None:
    unacknowledged = things.with_options(write_concern=WriteConcern(w=0))
    assert not unacknowledged.insert_many(numbered()).acknowledged
    unacknowledged.insert_many(numbered(), ordered=False)
    server.wait_for(lambda: server.count("insert") == 6)
    waits = [each.request.wants_reply for each in server.commands("insert")]
    assert waits == [True, True, False] + [False] * 3


def test_nothing_is_refused(things: Any) -> None:
    for write in (things.insert_many, things.bulk_write):
        with pytest.raises(InvalidOperation, match="No operations to execute"):
            write(iter([]))


def test_blocking_code_cannot_take_what_takes_async_for(
    server: ScriptedServer, client_of: Connect
) -> None:
    class Documents:
        def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
            raise NotImplementedError

    with pytest.raises(TypeError, match="by async code only"):
        client_of(server.uri).db.things.insert_many(Documents())


# ---- where the user's code runs ------------------------------------------------------------------

place: ContextVar[str] = ContextVar("place", default="elsewhere")


def test_the_iterable_and_the_progress_run_in_the_callers_thread(
    server: ScriptedServer, client_of: Connect
) -> None:
    places: set[Any] = set()

    def note() -> None:
        places.add((threading.get_ident(), place.get()))

    def documents() -> Iterator[dict[str, Any]]:
        for document in numbered():
            note()
            yield document

    token = place.set("here")
    try:
        client_of(server.uri).db.things.insert_many(documents(), on_progress=lambda *_: note())
    finally:
        place.reset(token)
    assert places == {(threading.get_ident(), "here")}


def test_a_generator_may_use_the_client(server: ScriptedServer, client_of: Connect) -> None:
    client = client_of(server.uri)

    def documents() -> Iterator[dict[str, Any]]:
        for document in numbered(3):
            client.admin.command("ping")
            yield document

    assert client.db.things.insert_many(documents()).inserted_ids == [0, 1, 2]


def test_other_greenlets_have_their_turn(server: ScriptedServer, client_of: Connect) -> None:
    client = client_of(server.uri)
    turns = 0

    def others() -> None:
        nonlocal turns
        while True:
            gevent.sleep(0)
            turns += 1

    def load() -> int:
        other = gevent.spawn(others)
        client.db.things.insert_many(numbered(WINDOW_COUNT - 1))
        other.kill()
        return turns

    assert in_hub(load) >= 5


def test_a_greenlet_that_is_killed_knows_how_many_were_inserted(
    server: ScriptedServer, client_of: Connect
) -> None:
    client, gate = client_of(server.uri), Gate()
    server.script("insert", inserted, Answer({"n": WINDOW_COUNT}, gate))
    closed = Event()

    def documents() -> Iterator[dict[str, Any]]:
        try:
            yield from numbered()
        finally:
            closed.set()

    def load() -> int:
        try:
            client.db.things.insert_many(documents())
        except GreenletExit as error:
            return count_before(error)
        return -1

    def act() -> tuple[int | None, bool]:
        loader = gevent.spawn(load)
        while not gate.waiting:
            gevent.sleep(0.001)
        loader.kill()
        return loader.value, closed.is_set()

    assert in_hub(act) == (WINDOW_COUNT, True)
    gate.open()
    assert client.admin.command("ping")["ok"]
    assert server.count("insert") == 2


# ---- timeoutMS -----------------------------------------------------------------------------------


def test_the_time_of_a_list_is_for_all_its_messages(
    server: ScriptedServer, connect_through: Connect
) -> None:
    def slowly(received: Received) -> dict[str, Any]:
        received.connection.wait(0.05)
        return inserted(received)

    server.hello["maxWriteBatchSize"] = 2
    server.on("insert", slowly)
    client = connect_through(server.uri, timeoutMS=60_000)
    client.admin.command("ping")
    client.db.things.insert_many([{"_id": n} for n in range(6)])
    first, _, last = (each.document["maxTimeMS"] for each in server.commands("insert"))
    assert first - last >= 90
