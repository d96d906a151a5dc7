"""A task that reads much lets the other tasks of its loop run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from threading import Event, get_ident
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from greenmongo._api.buffered import BufferedCursor
from greenmongo._core.cursors.undecoded_batch import DECODE_CHUNK, UndecodedBatch
from tests.support.fix_loops import Client, Connect, eventually
from tests.support.fix_scripted import ScriptedServer

pytestmark = pytest.mark.anyio

COUNT = 60
DOCUMENTS: list[dict[str, Any]] = [
    {"_id": n, "filler": "x" * (DECODE_CHUNK // 4)} for n in range(COUNT)
]
CHUNKS = 15

Act = Callable[[Client], Awaitable[int]]


@pytest.fixture
def client(connect: Connect, scripted_server: ScriptedServer) -> Client:
    scripted_server.store.collections["test.c"] = DOCUMENTS
    return connect(scripted_server.uri)


async def one_by_one(client: Client) -> int:
    return len([each async for each in client.test.c.find()])


async def the_rest_as_a_list(client: Client) -> int:
    """All of it has arrived, but hardly any is decoded."""
    cursor = client.test.c.find()
    await cursor.next()
    return 1 + len(await cursor.to_list())


async def of_a_command(client: Client) -> int:
    return len([each async for each in await client.test.c.aggregate([])])


@pytest.mark.parametrize("act", [one_by_one, the_rest_as_a_list, of_a_command])
async def test_other_tasks_run_meanwhile(
    client: Client, act: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However fast the machine is.
    monkeypatch.setattr("bridge._cursor.TURN", 0.0)
    turns, is_over = 0, False

    async def other() -> None:
        nonlocal turns
        while not is_over:
            turns += 1
            await anyio.lowlevel.checkpoint()

    await client.test.other.find_one()
    async with anyio.create_task_group() as group:
        group.start_soon(other)
        await anyio.lowlevel.checkpoint()
        assert await act(client) == COUNT
        is_over = True
    assert turns >= CHUNKS


async def test_documents_wait_for_a_task_that_was_cancelled(client: Client) -> None:
    """In the middle of a batch, where only decoding is to be waited for."""
    cursor = client.test.c.find()
    seen = [await cursor.next()]
    while len(seen) < COUNT:
        with anyio.CancelScope() as scope:
            scope.cancel()
            seen.append(await cursor.next())
        if scope.cancelled_caught:
            seen.append(await cursor.next())
    assert seen == DOCUMENTS


async def test_documents_are_decoded_in_the_task(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    places: set[int] = set()
    decode = UndecodedBatch._decode

    def noticed(batch: UndecodedBatch, part: memoryview) -> list[Any]:
        places.add(get_ident())
        return decode(batch, part)

    monkeypatch.setattr(UndecodedBatch, "_decode", noticed)
    assert [each async for each in client.test.c.find()] == DOCUMENTS
    assert await client.test.c.find().to_list() == DOCUMENTS
    assert await client.test.c.find().to_list(COUNT - 1) == DOCUMENTS[:-1]
    assert places == {get_ident()}


async def test_many_tasks_share_what_is_decoded(client: Client) -> None:
    cursor = client.test.c.find()
    seen: list[dict[str, Any]] = []

    async def read() -> None:
        async for document in cursor:
            seen.append(document)
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(read)
    assert sorted(each["_id"] for each in seen) == list(range(COUNT))


class SlowEnd:
    """Has the decoding of the last documents, on the hub thread, take its time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.go_on = Event(), Event()
        self._decode = UndecodedBatch._decode
        monkeypatch.setattr(UndecodedBatch, "_decode", lambda batch, part: self._slow(batch, part))

    def _slow(self, batch: UndecodedBatch, part: memoryview) -> list[Any]:
        documents = self._decode(batch, part)
        if documents[-1]["_id"] == COUNT - 1:
            self.begun.set()
            assert self.go_on.wait(15)
        return documents


async def test_documents_that_are_being_decoded_for_a_task_that_left_are_not_missed(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = SlowEnd(monkeypatch)
    # As for a cursor whose documents are shown to functions that may wait.
    monkeypatch.setattr(BufferedCursor, "_decodes_anywhere", False)
    cursor = client.test.c.find()
    seen = [await cursor.next() for _ in range(COUNT - COUNT // CHUNKS)]

    async def leave() -> None:
        with anyio.CancelScope() as scope:
            group.start_soon(cancel_when, scope, slow.begun)
            await cursor.next()
        assert scope.cancelled_caught

    async def read_on() -> None:
        seen.extend([document async for document in cursor])

    async with anyio.create_task_group() as group:
        await leave()
        group.start_soon(read_on)
        await anyio.lowlevel.checkpoint()
        slow.go_on.set()
    assert seen == DOCUMENTS


async def cancel_when(scope: anyio.CancelScope, is_time: Event) -> None:
    await eventually(is_time.is_set)
    scope.cancel()
