"""AsyncRequest: it begins once, ends once, whatever happens to its task."""

from __future__ import annotations

import gc

import anyio
import anyio.lowlevel
import pytest

from greenmongo.lowlevel import thread_of
from tests.support.fix_loops import Client, Connect, eventually, standing_still
from tests.support.fix_scripted import ScriptedServer

pytestmark = pytest.mark.anyio


@pytest.fixture
def client(connect: Connect, scripted_server: ScriptedServer) -> Client:
    return connect(scripted_server.uri)


async def test_an_exception_ends_it_and_passes(client: Client) -> None:
    error = KeyError("mine")

    with pytest.raises(KeyError) as caught:
        async with client.start_request():
            raise error

    assert caught.value is error
    assert not client.in_request()


async def test_cancellation_ends_it(client: Client) -> None:
    with anyio.CancelScope() as scope:
        async with client.start_request():
            assert client.in_request()
            scope.cancel()
            await anyio.lowlevel.checkpoint()

    assert scope.cancelled_caught
    await client.run(int)
    assert not client.in_request()


async def test_a_start_that_is_cancelled_starts_nothing(client: Client) -> None:
    await client.aconnect()

    with standing_still(thread_of(client.sync)), anyio.move_on_after(0.01) as scope:
        await client.start_request()

    assert scope.cancelled_caught
    await client.run(int)
    assert not client.in_request()


async def test_an_end_that_is_cancelled_ends_it(client: Client) -> None:
    request = await client.start_request()

    with standing_still(thread_of(client.sync)), anyio.move_on_after(0.01) as scope:
        await request.end()

    assert scope.cancelled_caught
    await client.run(int)
    assert not client.in_request()


async def test_end_request_that_is_cancelled_ends_one_level_only(client: Client) -> None:
    await client.start_request()
    await client.start_request()

    with standing_still(thread_of(client.sync)), anyio.move_on_after(0.01):
        await client.end_request()

    await client.run(int)
    assert client.in_request()
    await client.end_request()
    assert not client.in_request()


async def test_another_task_cannot_end_it(client: Client) -> None:
    request = await client.start_request()

    async with anyio.create_task_group() as group:
        group.start_soon(request.end)
    assert client.in_request()

    await request.end()
    assert not client.in_request()


async def test_a_task_that_ends_is_in_no_request_any_more(client: Client) -> None:
    async def start() -> None:
        await client.start_request()
        await client.db.c.find_one()

    async with anyio.create_task_group() as group:
        group.start_soon(start)
    del group
    gc.collect()

    table = client.sync._executor.open().table
    await eventually(lambda: not table.holders)


async def test_the_tasks_it_starts_have_no_part_in_it(client: Client) -> None:
    seen: list[bool] = []

    async def look() -> None:
        seen.append(client.in_request())

    async with client.start_request(), anyio.create_task_group() as group:
        group.start_soon(look)

    assert seen == [False]


async def test_ended_inside_its_own_block_it_does_not_end_the_outer_one(client: Client) -> None:
    async with client.start_request():
        async with client.start_request() as inner:
            await inner.end()
            await inner.end()
            assert client.in_request()
        assert client.in_request()

    assert not client.in_request()


async def test_awaited_and_entered_it_is_one_request(client: Client) -> None:
    async with await client.start_request() as request:
        assert await request is request

    assert not client.in_request()


async def test_surplus_ends_are_harmless(client: Client) -> None:
    await client.end_request()
    await client.start_request()
    await client.end_request()
    await client.end_request()
    await client.start_request()

    assert client.in_request()
    await client.end_request()
    assert not client.in_request()


async def test_it_tells_its_connection(client: Client) -> None:
    async with client.start_request() as request:
        assert request.connection_id is None
        hello = await client.admin.command("hello")
        assert request.connection_id == hello["connectionId"]
        assert str(request.connection_id) in repr(request)

    assert request.connection_id is None


async def test_what_run_runs_is_in_the_tasks_request(client: Client) -> None:
    async with client.start_request():
        assert await client.run(client.sync.in_request)

    assert not await client.run(client.sync.in_request)


async def test_one_that_is_forgotten_is_told_of(client: Client) -> None:
    with pytest.warns(RuntimeWarning, match="neither awaited nor entered"):
        client.start_request()

    assert not client.in_request()
