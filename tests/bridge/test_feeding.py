"""Bulk writes of tasks: the task iterates, with `for` or `async for`, and the hub thread sends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from contextvars import ContextVar
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from bson.codec_options import CodecOptions, TypeEncoder, TypeRegistry
from pymongo import InsertOne

from greenmongo._api.bulk.load import WINDOW_COUNT
from greenmongo.errors import BulkWriteError, written_before
from greenmongo.lowlevel import thread_of
from tests.support.fix_leaks import wait_until
from tests.support.fix_loops import ASYNCIO_LOOPS, Client, Connect, eventually
from tests.support.fix_scripted import Answer, Gate, Received, ScriptedServer

pytestmark = pytest.mark.anyio

MANY = 2 * WINDOW_COUNT + 5


def inserted(received: Received) -> dict[str, Any]:
    return {"n": len(received.document["documents"])}


@pytest.fixture
def server(scripted_server: ScriptedServer) -> ScriptedServer:
    scripted_server.on("insert", inserted)
    return scripted_server


@pytest.fixture
def client(connect: Connect, server: ScriptedServer) -> Client:
    return connect(server.uri)


def windows(server: ScriptedServer) -> list[int]:
    """Return how many documents each insert had."""
    return [len(each.document["documents"]) for each in server.commands("insert")]


def numbered(count: int = MANY) -> Iterator[dict[str, Any]]:
    for n in range(count):
        yield {"_id": n}


class Source:
    """An async generator that knows what became of it."""

    def __init__(self, count: int = MANY) -> None:
        self.count = count
        self.taken = 0
        self.is_over = False

    async def documents(self) -> AsyncGenerator[dict[str, Any], None]:
        try:
            for n in range(self.count):
                if n % 1_000 == 0:
                    await anyio.lowlevel.checkpoint()
                self.taken += 1
                yield {"_id": n}
        finally:
            self.is_over = True

    async def operations(self) -> AsyncIterator[Any]:
        async for document in self.documents():
            yield InsertOne(document)


async def test_documents_may_come_in_time(client: Client, server: ScriptedServer) -> None:
    source = Source()
    result = await client.db.things.insert_many(source.documents())
    assert result.inserted_ids == list(range(MANY))
    assert windows(server) == [WINDOW_COUNT, WINDOW_COUNT, 5]
    assert source.is_over


async def test_so_may_operations(client: Client, server: ScriptedServer) -> None:
    result = await client.db.things.bulk_write(Source().operations())
    assert result.inserted_count == MANY
    assert windows(server) == [WINDOW_COUNT, WINDOW_COUNT, 5]


async def test_they_are_taken_a_window_at_a_time(client: Client, server: ScriptedServer) -> None:
    source, seen = Source(), []

    def answer(received: Received) -> dict[str, Any]:
        seen.append(source.taken)
        return inserted(received)

    server.on("insert", answer)
    await client.db.things.insert_many(source.documents(), return_ids=False)
    assert seen == [WINDOW_COUNT, 2 * WINDOW_COUNT, MANY]


async def test_an_error_ends_what_is_in_order(client: Client, server: ScriptedServer) -> None:
    error = {"index": 2, "code": 11000, "errmsg": "duplicate"}
    server.script("insert", {"n": 2, "writeErrors": [error]})
    source = Source()
    async with aclosing(source.documents()) as documents:
        with pytest.raises(BulkWriteError) as caught:
            await client.db.things.insert_many(documents)
        # Left, as by a `break`, and not closed: whoever has it may go on.
        assert (await documents.__anext__())["_id"] == WINDOW_COUNT
    assert caught.value.details["nInserted"] == 2
    assert source.taken == WINDOW_COUNT + 1


# ---- where the user's code runs ------------------------------------------------------------------

place: ContextVar[str] = ContextVar("place", default="elsewhere")


class Note:
    """Where something has run: the thread, the task, and a context variable there."""

    def __init__(self) -> None:
        self.places: set[Any] = set()

    def here(self, *_: object) -> None:
        task = anyio.get_current_task().id
        self.places.add((threading.get_ident(), task, place.get()))


@pytest.mark.parametrize("kind", ["for", "async for"])
async def test_what_is_iterated_over_runs_in_the_task(client: Client, kind: str) -> None:
    note = Note()
    place.set("here")

    def documents() -> Iterator[dict[str, Any]]:
        for document in numbered():
            note.here()
            yield document
        place.set("left behind")

    async def in_time() -> AsyncIterator[dict[str, Any]]:
        for document in documents():
            yield document

    source = documents() if kind == "for" else in_time()
    await client.db.things.insert_many(source, on_progress=note.here)
    assert {each for each in note.places if each[2] != "left behind"} == {
        (threading.get_ident(), anyio.get_current_task().id, "here")
    }
    # As of a loop of the task's own.
    assert place.get() == "left behind"


async def test_the_progress_of_a_list_is_told_in_the_task(client: Client) -> None:
    note = Note()
    place.set("here")
    await client.db.things.insert_many([{}, {}], on_progress=note.here)
    assert note.places == {(threading.get_ident(), anyio.get_current_task().id, "here")}


async def test_codecs_run_in_the_task(client: Client) -> None:
    threads = set()

    class Encoder(TypeEncoder):
        @property
        def python_type(self) -> Any:
            return frozenset

        def transform_python(self, value: Any) -> Any:
            threads.add(threading.get_ident())
            return sorted(value)

    options: Any = CodecOptions(type_registry=TypeRegistry([Encoder()]))
    things = client.db.get_collection("things", options)
    values = [frozenset([1]), frozenset([2])]
    await things.insert_many({"x": value} for value in values)
    await things.bulk_write([InsertOne({"x": value}) for value in values])
    await things.bulk_write(InsertOne({"x": value}) for value in values)
    assert threads == {threading.get_ident()}


async def test_a_source_may_use_the_client(client: Client) -> None:
    async def documents() -> AsyncIterator[dict[str, Any]]:
        for n in range(3):
            await client.admin.command("ping")
            yield {"_id": n}

    result = await client.db.things.insert_many(documents())
    assert result.inserted_ids == [0, 1, 2]


async def test_others_of_the_loop_have_their_turn(client: Client) -> None:
    turns = before = between = after = 0

    async def other() -> None:
        nonlocal turns
        while True:
            await anyio.lowlevel.checkpoint()
            turns += 1

    async def never_waits() -> AsyncIterator[dict[str, Any]]:
        for document in numbered(WINDOW_COUNT - 1):
            yield {**document, "text": "x" * 1_000}

    async with anyio.create_task_group() as group:
        group.start_soon(other)
        before = turns
        documents = ({**each, "text": "x" * 1_000} for each in numbered(WINDOW_COUNT - 1))
        await client.db.things.insert_many(documents, return_ids=False)
        between = turns
        await client.db.things.insert_many(never_waits(), return_ids=False)
        after = turns
        group.cancel_scope.cancel()
    assert between > before + 2
    assert after > between + 2


async def test_all_of_it_runs_in_the_tasks_request(client: Client, server: ScriptedServer) -> None:
    async with client.start_request():
        await client.admin.command("ping")
        await client.db.things.insert_many(Source().documents())
    numbers = {each.connection.number for each in server.commands("insert")}
    assert numbers == {each.connection.number for each in server.commands("ping")}


# ---- leaving -------------------------------------------------------------------------------------


def count_before(error: BaseException) -> int:
    """Return how many documents had been inserted before an error."""
    written = written_before(error)
    assert written is not None
    count: int = written["nInserted"]
    return count


@pytest.mark.parametrize("kind", ["for", "async for"])
async def test_cancelled_while_it_sends_it_leaves_nothing_running(
    client: Client, server: ScriptedServer, kind: str
) -> None:
    gate = Gate()
    server.script("insert", inserted, Answer({"n": WINDOW_COUNT}, gate))
    ended, source = [], Source()

    def documents() -> Iterator[dict[str, Any]]:
        try:
            yield from numbered()
        finally:
            ended.append(True)
            threads.add(threading.get_ident())

    counts: list[int] = []
    threads: set[int] = set()

    async def load() -> None:
        try:
            if kind == "for":
                await client.db.things.insert_many(documents())
            else:
                # As for any `async for` that is left: trio wants it closed.
                async with aclosing(source.documents()) as given:
                    await client.db.things.insert_many(given)
        except anyio.get_cancelled_exc_class() as error:
            counts.append(count_before(error))
            raise

    async with anyio.create_task_group() as group:
        group.start_soon(load)
        await eventually(lambda: gate.waiting)
        group.cancel_scope.cancel()
    assert counts == [WINDOW_COUNT]
    assert ended == [True] or source.is_over
    assert threads <= {threading.get_ident()}
    gate.open()
    thread = thread_of(client.sync)
    await eventually(lambda: not thread.workers.busy)
    assert await client.admin.command("ping")
    assert server.count("insert") == 2


async def test_cancelled_while_the_source_waits_it_leaves_nothing_running(
    client: Client, server: ScriptedServer
) -> None:
    waiting, source = anyio.Event(), Source(WINDOW_COUNT + 1)
    counts = []

    async def documents() -> AsyncIterator[dict[str, Any]]:
        async for document in source.documents():
            yield document
        waiting.set()
        await anyio.sleep_forever()

    async def load() -> None:
        try:
            await client.db.things.insert_many(documents())
        except anyio.get_cancelled_exc_class() as error:
            counts.append(count_before(error))
            raise

    async with anyio.create_task_group() as group:
        group.start_soon(load)
        await waiting.wait()
        group.cancel_scope.cancel()
    assert counts == [WINDOW_COUNT]
    assert windows(server) == [WINDOW_COUNT]


async def test_a_list_that_is_left_tells_how_many_were_inserted(
    client: Client, server: ScriptedServer
) -> None:
    server.hello["maxWriteBatchSize"] = 100
    await client.admin.command("ping")
    gate = Gate()
    server.script("insert", inserted, inserted, Answer({"n": 100}, gate))
    counts = []

    async def load() -> None:
        try:
            await client.db.things.insert_many([{} for _ in range(1_000)])
        except anyio.get_cancelled_exc_class() as error:
            counts.append(count_before(error))
            raise

    async with anyio.create_task_group() as group:
        group.start_soon(load)
        await eventually(lambda: gate.waiting)
        group.cancel_scope.cancel()
    assert counts == [200]
    gate.open()
    assert await client.admin.command("ping")
    assert server.count("insert") == 3


async def test_what_the_source_raises_ends_it(client: Client, server: ScriptedServer) -> None:
    async def documents() -> AsyncIterator[dict[str, Any]]:
        async for document in Source(WINDOW_COUNT + 1).documents():
            yield document
        raise LookupError("no more")

    with pytest.raises(LookupError) as caught:
        await client.db.things.insert_many(documents())
    assert count_before(caught.value) == WINDOW_COUNT
    assert windows(server) == [WINDOW_COUNT]


@pytest.mark.parametrize("anyio_backend", ASYNCIO_LOOPS)
@pytest.mark.usefixtures("no_leaks")
async def test_a_hundred_loads_that_are_cancelled_leave_nothing(
    connect: Connect, server: ScriptedServer
) -> None:
    gate = Gate()
    server.on("insert", Answer({"n": 1}, gate))
    client = connect(server.uri)
    loads = [
        asyncio.ensure_future(client.db.things.insert_many(Source(20).documents()))
        for _ in range(100)
    ]
    await eventually(lambda: gate.waiting >= 10)
    for load in loads:
        load.cancel()
    outcomes = await asyncio.gather(*loads, return_exceptions=True)
    assert all(isinstance(each, asyncio.CancelledError) for each in outcomes)
    gate.open()
    thread = thread_of(client.sync)
    wait_until(lambda: not thread.workers.busy)
    await client.close()
