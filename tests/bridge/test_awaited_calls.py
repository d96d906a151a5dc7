"""On asyncio a call is what its task awaits: the task goes on where outcomes are handed out."""

from __future__ import annotations

import asyncio
import logging
import sys
import traceback
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest
from gevent.event import Event

import bridge
from bridge._crossing.async_call import MAX_PER_CALLBACK
from greenmongo.lowlevel import thread_of
from tests.support.fix_loops import (
    ASYNCIO_LOOPS,
    Client,
    Connect,
    let_results_arrive,
    standing_still,
)
from tests.support.fix_scripted import ScriptedServer

on_asyncio = pytest.mark.parametrize("anyio_backend", ASYNCIO_LOOPS)
pytestmark = pytest.mark.anyio

MOST_CALLS = 16
"""Python functions that the loop's thread may enter for one awaited call."""

number: ContextVar[int] = ContextVar("number", default=0)


@pytest.fixture
def client(connect: Connect, scripted_server: ScriptedServer) -> Client:
    return connect(scripted_server.uri)


async def arrived_together(client: Client, *makers: Callable[[], Any]) -> list[asyncio.Task[Any]]:
    """Return tasks that have made their call, and whose outcomes arrive in one batch."""
    await client.run(int)
    with standing_still(thread_of(client.sync)):
        tasks = [asyncio.create_task(make()) for make in makers]
        await asyncio.sleep(0)
    let_results_arrive(client)
    return tasks


@on_asyncio
async def test_tasks_go_on_in_the_order_of_their_outcomes(client: Client) -> None:
    order: list[int] = []

    def maker(n: int) -> Callable[[], Any]:
        async def call() -> None:
            order.append(await client.run(abs, n))

        return call

    await asyncio.gather(*await arrived_together(client, *[maker(n) for n in range(10)]))
    assert order == list(range(10))


@on_asyncio
async def test_others_have_their_turn_between_many_outcomes(client: Client) -> None:
    seen: list[str] = []

    async def call() -> None:
        await client.run(int)
        seen.append("call")

    count = 3 * MAX_PER_CALLBACK
    tasks = await arrived_together(client, *[call] * count)

    def other() -> None:
        seen.append("other")
        if len(seen) < count:
            asyncio.get_running_loop().call_soon(other)

    other()
    await asyncio.gather(*tasks)
    longest = max(len(stretch) for stretch in "".join(each[0] for each in seen).split("o"))
    assert 1 < longest <= MAX_PER_CALLBACK


@on_asyncio
async def test_a_step_goes_on_with_its_tasks_variables(client: Client) -> None:
    seen: list[int] = []

    def maker(n: int) -> Callable[[], Any]:
        async def call() -> None:
            number.set(n)
            await client.run(int)
            seen.append(number.get())
            number.set(-n)
            await client.run(int)
            seen.append(number.get())

        return call

    await asyncio.gather(*await arrived_together(client, *[maker(n) for n in (1, 2, 3)]))
    assert sorted(seen) == [-3, -2, -1, 1, 2, 3]
    assert number.get() == 0


@on_asyncio
async def test_a_task_that_is_told_to_stop_waiting_can_go_on(client: Client) -> None:
    gate = await client.run(Event)
    told: list[object] = []

    async def patient() -> str:
        for _ in range(3):
            try:
                await client.run(gate.wait)
            except asyncio.CancelledError as error:
                if sys.version_info >= (3, 11):
                    task = asyncio.current_task()
                    assert task is not None
                    task.uncancel()
                told.append(error.args[0])
        return await client.run(str, "went on")

    task = asyncio.create_task(patient())
    for _ in range(3):
        await client.run(int)
        task.cancel("again")
        await asyncio.sleep(0)
    assert await task == "went on"
    assert told == ["again"] * 3


@on_asyncio
async def test_a_call_passes_for_the_future_that_its_task_waits_for(client: Client) -> None:
    gate = await client.run(Event)
    coroutine = client.run(gate.wait)
    call: Any = coroutine.send(None)
    assert asyncio.isfuture(call)
    assert call._loop is asyncio.get_running_loop()
    assert not call.done()
    woken = asyncio.Event()
    call.add_done_callback(lambda _: woken.set())
    with pytest.raises(asyncio.InvalidStateError):
        call.add_done_callback(print)
    assert call.cancel("enough")
    assert not call.cancel(), "it is on its way already"
    assert not woken.is_set(), "whoever cancels goes on first"
    await woken.wait()
    assert call.done()
    assert call.cancelled()
    with pytest.raises(asyncio.CancelledError, match="enough"):
        call.result()
    coroutine.close()


@on_asyncio
async def test_the_users_line_is_in_sight_of_an_error(client: Client) -> None:
    find_one: Any = client.db.c.find_one
    with pytest.raises(TypeError) as raised:
        await find_one({}, no_such_option=True)
    frames = traceback.extract_tb(raised.tb)
    assert frames[0].filename == __file__
    on_the_loop = [frame for frame in frames[1:] if "/bridge/" in frame.filename]
    assert len(on_the_loop) == 2, on_the_loop


@on_asyncio
async def test_a_call_costs_the_loop_few_function_calls(client: Client) -> None:
    things = client.db.c
    await things.find_one()
    entered = 0

    def count(_frame: object, event: str, _arg: object) -> None:
        nonlocal entered
        entered += event == "call"

    async def reader() -> None:
        for _ in range(10):
            await things.find_one()

    readers = [reader() for _ in range(10)]
    sys.setprofile(count)
    try:
        await asyncio.gather(*readers)
    finally:
        sys.setprofile(None)
    # asyncio's own, and one wake-up for a batch of any size, which may be one call.
    assert entered / 100 < 2 * MOST_CALLS


# ---- what ends the loop, and a loop that is watched ---------------------------------------------


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_loop_in_a_step_loses_nothing(
    scripted_server: ScriptedServer, kind: type[BaseException]
) -> None:
    loop = asyncio.new_event_loop()
    client: Client = bridge.AsyncMongoClient(scripted_server.uri)
    seen: list[int] = []

    def maker(n: int) -> Callable[[], Any]:
        async def call() -> None:
            seen.append(await client.run(abs, n))
            if n == 1:
                raise kind

        return call

    async def rest() -> None:
        for task in tasks:
            if task is not tasks[1]:
                await task
        await client.close()

    async def begin() -> None:
        tasks.extend(await arrived_together(client, *[maker(n) for n in range(4)]))
        await asyncio.wait(tasks)

    tasks: list[asyncio.Task[Any]] = []
    try:
        with pytest.raises(kind):
            loop.run_until_complete(begin())
        assert isinstance(tasks[1].exception(), kind)
        loop.run_until_complete(rest())
        assert sorted(seen) == [0, 1, 2, 3]
    finally:
        loop.close()


@pytest.mark.parametrize("anyio_backend", [("asyncio", {})])
async def test_a_loop_in_debug_mode_names_the_task_of_a_slow_step(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    loop.slow_callback_duration = 0.0

    async def step_slowly() -> None:
        await client.run(int)

    caplog.set_level(logging.WARNING, "asyncio")
    try:
        await asyncio.create_task(step_slowly())
    finally:
        loop.set_debug(False)
    assert any("step_slowly" in record.getMessage() for record in caplog.records)
