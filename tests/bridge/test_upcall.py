"""What the hub thread has run in the caller's place, with tasks as callers."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import anyio
import gevent
import gevent.event
import pytest

import bridge
from bridge._crossing.dispatcher import HubDispatcher
from greenmongo._hub.background import wait_for_background
from greenmongo._hub.errors import CallAbandoned
from greenmongo._hub.native import get_ident
from greenmongo._hub.upcall import notify_caller, upcall
from greenmongo.lowlevel import HubThread, thread_of
from tests.support.fix_doors import start
from tests.support.fix_loops import ASYNCIO_LOOPS, Client, Connect, eventually

pytestmark = pytest.mark.anyio

PATIENCE = 10.0

who: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")


@pytest.fixture
async def client(connect: Connect) -> Client:
    return connect("mongodb://127.0.0.1:1/", connect=False)


@pytest.fixture
async def dispatcher(client: Client) -> HubDispatcher:
    return client._dispatcher


def place() -> tuple[int, int, str]:
    """Return all by which code can tell in whose place it runs."""
    return get_ident(), anyio.get_current_task().id, who.get()


async def test_an_upcall_runs_in_the_task(dispatcher: HubDispatcher) -> None:
    who.set("task")
    assert await dispatcher.call(upcall, place) == place()


async def test_an_upcall_runs_in_the_task_that_is_in_a_request(
    dispatcher: HubDispatcher, client: Client
) -> None:
    who.set("task")
    async with client.start_request():
        assert await dispatcher.call(upcall, place) == place()
        assert await dispatcher.call(upcall, place) == place()


async def test_each_of_many_tasks_is_called_up_itself(dispatcher: HubDispatcher) -> None:
    async def caller(number: int) -> None:
        who.set(str(number))
        for _ in range(10):
            assert await dispatcher.call(upcall, place) == place()
            ok.append(number)

    ok: list[int] = []
    async with anyio.create_task_group() as group:
        for number in range(200):
            group.start_soon(caller, number)
    assert len(ok) == 2000


async def test_an_upcall_returns_or_raises_what_the_function_does(
    dispatcher: HubDispatcher,
) -> None:
    def on_hub() -> list[object]:
        with pytest.raises(ZeroDivisionError):
            upcall(lambda: 1 // 0)
        return [upcall(lambda: 7), upcall(lambda: None)]

    assert await dispatcher.call(on_hub) == [7, None]


async def test_notices_run_in_order_before_the_call_returns(dispatcher: HubDispatcher) -> None:
    told: list[object] = []

    def on_hub() -> str:
        for number in range(3):
            notify_caller(lambda n=number: told.append((n, place())))  # type: ignore[misc]
            if number == 1:
                gevent.sleep(0.01)
        upcall(lambda: told.append("asked"))
        notify_caller(lambda: told.append("last"))
        return "result"

    told.append(await dispatcher.call(on_hub))
    here = place()
    assert told == [(0, here), (1, here), (2, here), "asked", "last", "result"]


async def test_notices_come_before_an_error_too(dispatcher: HubDispatcher) -> None:
    told: list[str] = []

    def on_hub() -> None:
        notify_caller(lambda: told.append("notice"))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await dispatcher.call(on_hub)
    assert told == ["notice"]


async def test_a_notice_comes_while_the_operation_goes_on(
    dispatcher: HubDispatcher, client: Client
) -> None:
    thread = thread_of(client.sync)
    told = await dispatcher.call(gevent.event.Event)

    def on_hub() -> bool:
        notify_caller(lambda: thread.submit(told.set))
        return bool(told.wait(PATIENCE))

    assert await dispatcher.call(on_hub)


async def test_notices_of_many_calls_stay_in_order(dispatcher: HubDispatcher) -> None:
    async def caller() -> None:
        told: list[int] = []

        def on_hub() -> None:
            for number in range(20):
                notify_caller(lambda n=number: told.append(n))  # type: ignore[misc]
                if number % 5 == 0:
                    gevent.sleep(0)

        await dispatcher.call(on_hub)
        assert told == list(range(20))

    async with anyio.create_task_group() as group:
        for _ in range(150):
            group.start_soon(caller)


async def test_an_upcall_that_blocks_its_loop_keeps_no_other_caller(
    dispatcher: HubDispatcher, client: Client
) -> None:
    thread = thread_of(client.sync)

    def others() -> float:
        began = time.monotonic()
        for _ in range(50):
            thread.call(upcall, get_ident)
        return time.monotonic() - began

    def block() -> float:
        return start(others).result(PATIENCE)

    assert await dispatcher.call(upcall, block) < PATIENCE


async def test_a_task_cancelled_before_its_upcall_ends_the_operation(
    dispatcher: HubDispatcher,
) -> None:
    seen: list[type[BaseException]] = []
    told: list[str] = []
    go_on = await dispatcher.call(gevent.event.Event)

    def on_hub() -> None:
        notify_caller(lambda: told.append("in time"))
        try:
            go_on.wait(PATIENCE)
            upcall(lambda: told.append("never"))
        except BaseException as error:
            seen.append(type(error))
            notify_caller(lambda: told.append("in the background"))
            raise

    async with anyio.create_task_group() as group:
        group.start_soon(dispatcher.call, on_hub)
        await eventually(lambda: told)
        group.cancel_scope.cancel()
    await eventually(lambda: seen == [CallAbandoned])
    await anyio.to_thread.run_sync(wait_for_background, PATIENCE)
    assert told == ["in time", "in the background"]


async def test_what_ends_the_task_in_an_upcall_is_the_tasks_own(dispatcher: HubDispatcher) -> None:
    class Stop(BaseException):
        pass

    seen: list[type[BaseException]] = []

    def stop() -> None:
        raise Stop

    def on_hub() -> None:
        try:
            upcall(stop)
        except BaseException as error:
            seen.append(type(error))
            raise

    with pytest.raises(Stop):
        await dispatcher.call(on_hub)
    await eventually(lambda: seen == [CallAbandoned])


async def test_code_that_the_user_has_put_on_the_hub_stays_there(client: Client) -> None:
    def on_hub() -> list[int]:
        told = [upcall(get_ident)]
        notify_caller(lambda: told.append(get_ident()))
        return told

    ident = thread_of(client.sync).ident
    assert await client.run(on_hub) == [ident] * 2
    assert await bridge.run(on_hub) == [ident] * 2


async def test_what_is_posted_tells_in_the_background(dispatcher: HubDispatcher) -> None:
    told: list[int] = []
    await dispatcher.call(int)
    dispatcher.post(lambda: notify_caller(lambda: told.append(get_ident())))
    await eventually(lambda: told)
    assert told[0] not in {get_ident(), thread_of(dispatcher.client).ident}


# ---- loops that go away -------------------------------------------------------------------------


def leave_a_loop(thread: HubThread, fn: Callable[[], Any], loop: asyncio.AbstractEventLoop) -> None:
    """Start a call on a loop, and close the loop under the task, which stays referred to."""
    client: Client = bridge.AsyncMongoClient("mongodb://127.0.0.1:1/", connect=False)

    async def begin() -> asyncio.Task[Any]:
        task = asyncio.ensure_future(client._dispatcher.call(fn))
        await asyncio.sleep(0.02)
        return task

    kept.append(loop.run_until_complete(begin()))
    loop.close()


kept: list[Any] = []


@pytest.mark.parametrize("anyio_backend", ASYNCIO_LOOPS[:1])
async def test_an_upcall_to_a_closed_loop_ends(
    hub_thread: HubThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("greenmongo._hub.call.POLL_INTERVAL", 0.02)
    seen: list[str] = []
    told: list[str] = []
    closed = hub_thread.call(gevent.event.Event)

    def on_hub() -> None:
        closed.wait(PATIENCE)
        notify_caller(lambda: told.append("notice"))
        try:
            upcall(lambda: told.append("never"))
        except CallAbandoned as error:
            seen.append(str(error))

    start(lambda: leave_a_loop(hub_thread, on_hub, asyncio.new_event_loop())).result(PATIENCE)
    hub_thread.submit(closed.set)
    await eventually(lambda: seen)
    await eventually(lambda: told == ["notice"])
    with suppress(RuntimeError):
        kept.pop().cancel()
