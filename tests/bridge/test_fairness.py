"""A task that reads much lets the other tasks of its loop run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from greenmongo._core.batch import PORTION
from tests.support.fix_loops import Client, Connect
from tests.support.fix_scripted import ScriptedServer

pytestmark = pytest.mark.anyio

COUNT = 60
DOCUMENTS: list[dict[str, Any]] = [{"_id": n, "filler": "x" * (PORTION // 4)} for n in range(COUNT)]
PORTIONS = 15

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
    assert turns >= PORTIONS


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
