"""Leaving an `async with`: closed once, in whatever way it is left."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from greenmongo.lowlevel import is_open
from tests.support.fix_loops import Connect, eventually
from tests.support.fix_scripted import ScriptedServer

pytestmark = pytest.mark.anyio

OPEN = {"cursor": {"id": 7, "ns": "db.c", "firstBatch": [{"_id": 1}]}}


async def test_a_cancelled_block_closes_the_client(
    connect: Connect, scripted_server: ScriptedServer
) -> None:
    client = connect(scripted_server.uri)
    with anyio.CancelScope() as scope:
        async with client:
            await client.admin.command("ping")
            scope.cancel()
            await anyio.lowlevel.checkpoint()
    await eventually(lambda: not is_open(client.sync))


async def test_a_block_that_is_thrown_away_closes_the_client(
    connect: Connect, scripted_server: ScriptedServer
) -> None:
    client = connect(scripted_server.uri)
    await client.admin.command("ping")

    async def body() -> None:
        async with client:
            await anyio.sleep_forever()

    coroutine = body()
    # By hand as far as its first wait, and no further.
    coroutine.send(None)
    coroutine.close()
    await eventually(lambda: not is_open(client.sync))


async def test_a_cancelled_block_closes_the_cursor_on_the_server(
    connect: Connect, scripted_server: ScriptedServer
) -> None:
    client = connect(scripted_server.uri)
    scripted_server.on("find", OPEN)
    with anyio.CancelScope() as scope:
        async with client.db.c.find() as cursor:
            assert await cursor.next() == {"_id": 1}
            scope.cancel()
            await anyio.lowlevel.checkpoint()
    # A second time if the first was interrupted, for it may not have been sent.
    await eventually(lambda: scripted_server.count("killCursors") >= 1)


async def test_a_cursor_thrown_away_in_its_block_is_closed_on_the_server(
    connect: Connect, scripted_server: ScriptedServer
) -> None:
    client = connect(scripted_server.uri)
    scripted_server.on("find", OPEN)
    cursor = client.db.c.find()
    assert await cursor.next() == {"_id": 1}

    async def body() -> None:
        async with cursor:
            await anyio.sleep_forever()

    coroutine = body()
    coroutine.send(None)
    coroutine.close()
    await eventually(lambda: scripted_server.count("killCursors") == 1)
