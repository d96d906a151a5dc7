"""A task that reads much lets the other tasks of its loop run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from threading import Event
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from bson.codec_options import CodecOptions, TypeDecoder, TypeRegistry
from bson.int64 import Int64

from greenmongo._core.cursors.undecoded_batch import DECODE_CHUNK
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
async def test_other_tasks_run_meanwhile(client: Client, act: Act) -> None:
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


class Slow(TypeDecoder):
    """Takes its time with the last document, on the hub thread."""

    @property
    def bson_type(self) -> type[Int64]:
        return Int64

    def __init__(self) -> None:
        self.begun, self.go_on = Event(), Event()

    def transform_bson(self, value: Int64) -> int:
        if value == COUNT - 1:
            self.begun.set()
            assert self.go_on.wait(15)
        return value


async def test_documents_that_are_being_decoded_for_a_task_that_left_are_not_missed(
    client: Client, scripted_server: ScriptedServer
) -> None:
    numbered = [{**each, "n": Int64(each["_id"])} for each in DOCUMENTS]
    scripted_server.store.collections["test.n"] = numbered
    slow = Slow()
    options: CodecOptions[Any] = CodecOptions(type_registry=TypeRegistry([slow]))
    cursor = client.test.get_collection("n", codec_options=options).find()
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
    assert seen == numbered


async def cancel_when(scope: anyio.CancelScope, is_time: Event) -> None:
    await eventually(is_time.is_set)
    scope.cancel()
