"""PyMongo awaits what Motor does not; here both may be written, and mean the same."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Callable
from typing import Any

import anyio
import bson
import pytest

from bridge import AsyncCommandCursor
from greenmongo.errors import InvalidOperation, MisuseError, OperationFailure
from tests.support.fix_loops import ASYNCIO_LOOPS, Client, Connect, Run, eventually
from tests.support.fix_scripted import ScriptedServer

pytestmark = pytest.mark.anyio

BATCH = [{"_id": n, "name": f"number {n}"} for n in range(3)]
CURSOR = {"cursor": {"id": 0, "ns": "db.c", "firstBatch": BATCH}}
COMMANDS = {
    "aggregate": lambda client: client.db.c.aggregate([]),
    "aggregate of a database": lambda client: client.db.aggregate([]),
    "cursor_command": lambda client: client.db.cursor_command("find"),
    "list_collections": lambda client: client.db.list_collections(),
    "list_databases": lambda client: client.list_databases(),
    "list_indexes": lambda client: client.db.c.list_indexes(),
}
Command = Callable[[Client], AsyncCommandCursor[Any]]


@pytest.fixture
def client(connect: Connect, scripted_server: ScriptedServer) -> Client:
    for name in ("aggregate", "find", "listCollections", "listIndexes"):
        scripted_server.on(name, CURSOR)
    scripted_server.on("listDatabases", {"databases": BATCH})
    return connect(scripted_server.uri)


commands = pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)


@commands
async def test_a_command_cursor_may_be_awaited(client: Client, command: Command) -> None:
    cursor = await command(client)
    assert not cursor.cursor_id
    assert [document async for document in cursor] == BATCH


@commands
async def test_a_command_cursor_may_be_read_without(client: Client, command: Command) -> None:
    assert [document async for document in command(client)] == BATCH
    assert await command(client).to_list() == BATCH
    assert await command(client).next() == BATCH[0]
    assert await command(client).try_next() == BATCH[0]
    async with command(client) as cursor:
        assert await cursor.to_list(2) == BATCH[:2]


async def test_batches_of_bytes_may_be_read_either_way(client: Client) -> None:
    whole = b"".join(map(bson.encode, BATCH))
    assert await client.db.c.aggregate_raw_batches([]).to_list() == [whole]
    assert [batch async for batch in await client.db.c.aggregate_raw_batches([])] == [whole]
    assert await client.db.c.find_raw_batches().clone().to_list() == [whole]


async def test_batches_of_bytes_have_no_place(client: Client) -> None:
    with pytest.raises(InvalidOperation, match="__getitem__ on AsyncRawBatchCursor"):
        client.db.c.find_raw_batches()[0]
    with pytest.raises(InvalidOperation, match="__getitem__ on AsyncRawBatchCommandCursor"):
        (await client.db.c.aggregate_raw_batches([]))[0]


async def test_the_command_is_sent_by_the_await(
    client: Client, scripted_server: ScriptedServer
) -> None:
    cursor = client.db.c.aggregate([])
    await client.admin.command("ping")
    assert (scripted_server.count("aggregate"), cursor.alive, cursor.cursor_id) == (0, True, None)
    assert await cursor is cursor
    assert await cursor is cursor
    assert (scripted_server.count("aggregate"), cursor.cursor_id) == (1, 0)


async def test_a_command_that_fails_says_so_at_the_await(
    client: Client, scripted_server: ScriptedServer
) -> None:
    scripted_server.on("aggregate", {"ok": 0, "code": 2, "errmsg": "bad stage"})
    with pytest.raises(OperationFailure, match="bad stage"):
        await client.db.c.aggregate([])
    cursor = client.db.c.aggregate([])
    with pytest.raises(OperationFailure, match="bad stage"):
        await cursor.to_list()
    with pytest.raises(MisuseError, match="its command failed"):
        await cursor.to_list()


async def test_a_command_is_not_sent_twice_by_two_tasks(
    client: Client, scripted_server: ScriptedServer
) -> None:
    cursor = client.db.c.aggregate([])
    refused: list[BaseException] = []

    async def read() -> None:
        try:
            await cursor
        except MisuseError as error:
            refused.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(read)
        group.start_soon(read)
    assert (scripted_server.count("aggregate"), len(refused)) == (1, 1)


async def test_a_cursor_that_nobody_reads_warns(
    client: Client, scripted_server: ScriptedServer
) -> None:
    cursor = client.db.c.aggregate([])
    with pytest.warns(RuntimeWarning, match="neither awaited nor read"):
        del cursor
    assert scripted_server.count("aggregate") == 0


async def test_a_cursor_closed_before_its_command_sends_nothing(
    client: Client, scripted_server: ScriptedServer
) -> None:
    cursor = client.db.c.aggregate([])
    await cursor.close()
    assert not cursor.alive
    assert await cursor.to_list() == []
    assert await cursor.try_next() is None
    assert [document async for document in cursor] == []
    assert scripted_server.count("aggregate") == 0


async def test_a_batch_size_set_before_the_command_counts_after_it(
    client: Client, scripted_server: ScriptedServer
) -> None:
    answer = {"cursor": {"id": 7, "ns": "db.c", "firstBatch": BATCH}}
    scripted_server.script("aggregate", answer)
    scripted_server.script("getMore", {"cursor": {"id": 0, "ns": "db.c", "nextBatch": []}})
    assert await client.db.c.aggregate([]).batch_size(5).to_list() == BATCH
    assert scripted_server.commands("getMore")[0].document["batchSize"] == 5


@pytest.mark.parametrize("anyio_backend", ASYNCIO_LOOPS)
async def test_asyncio_takes_what_may_be_awaited_for_a_coroutine(client: Client) -> None:
    aggregate: Any = client.db.c.aggregate
    task: asyncio.Task[AsyncCommandCursor[Any]] = asyncio.create_task(aggregate([]))
    assert await (await task).to_list() == BATCH
    cursors = await asyncio.gather(client.db.c.list_indexes(), client.list_databases())
    assert [await cursor.to_list() for cursor in cursors] == [BATCH, BATCH]
    cursor = await asyncio.wait_for(client.db.c.aggregate([]), 5)
    assert await cursor.to_list() == BATCH


async def test_a_task_group_takes_what_may_be_awaited_for_a_coroutine(
    client: Client, scripted_server: ScriptedServer
) -> None:
    aggregate: Any = client.db.c.aggregate
    async with anyio.create_task_group() as group:
        group.start_soon(aggregate, [])
    assert scripted_server.count("aggregate") == 1
    async with anyio.create_task_group() as group:
        group.start_soon(client.close)
    with pytest.raises(InvalidOperation, match="after close"):
        await client.db.c.find_one()


async def test_a_cursor_may_be_rewound_either_way(client: Client) -> None:
    cursor = client.db.c.find()
    assert await cursor.next() == BATCH[0]
    assert await cursor.rewind() is cursor
    assert await cursor.next() == BATCH[0]
    assert await cursor.rewind().to_list() == BATCH


async def test_a_query_flag_may_be_added_either_way(
    client: Client, scripted_server: ScriptedServer
) -> None:
    await (await client.db.c.find().add_option(16)).to_list()
    await client.db.c.find().add_option(16).to_list()
    assert [each.document["noCursorTimeout"] for each in scripted_server.commands("find")] == [
        True,
        True,
    ]


async def test_a_client_closed_without_an_await_is_closed_soon(
    client: Client, scripted_server: ScriptedServer
) -> None:
    await client.db.c.find_one()
    client.close()
    await eventually(lambda: not scripted_server.open_connections)
    with pytest.raises(InvalidOperation, match="after close"):
        await client.db.c.find_one()


def test_a_client_may_be_closed_where_no_loop_runs(
    run_on_loop: Run[Any], scripted_server: ScriptedServer
) -> None:
    from bridge import AsyncMongoClient

    client: Client = AsyncMongoClient(scripted_server.uri)
    run_on_loop(lambda: client.admin.command("ping"))
    assert scripted_server.open_connections
    client.close()
    scripted_server.wait_for(lambda: not scripted_server.open_connections)
    unused: Client = AsyncMongoClient(scripted_server.uri, connect=False)
    unused.close()
    with pytest.raises(InvalidOperation, match="after close"):
        run_on_loop(lambda: unused.admin.command("ping"))


async def test_a_closed_client_is_no_reason_to_warn(client: Client) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        client.close()
        await client.close()
        gc.collect()
