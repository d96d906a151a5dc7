"""From a greenlet or a thread a coroutine of some loop is awaited, and nobody else waits for it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import gc
import logging
import threading
import traceback
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel
import gevent
import pytest
from gevent.event import AsyncResult

import bridge
from bridge import block_on
from bridge._crossing.ports import running_loop
from bridge.errors import LoopClosed, MisuseError
from tests.support.fix_doors import in_hub, start
from tests.support.fix_loops import ASYNCIO_LOOPS, TRIO, Client, Connect, Run, eventually
from tests.support.fix_scripted import ScriptedServer

pytestmark = pytest.mark.anyio

PATIENCE = 15.0

who: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")


class Refusal(Exception):
    """Unlike the built-in exceptions it can be referred to weakly."""


class Token:
    """Something one can keep a weak reference to."""


@pytest.fixture
def client(connect: Connect, scripted_server: ScriptedServer) -> Client:
    return connect(scripted_server.uri)


Blocking = Callable[[], Any]
Caller = Callable[[Client, Blocking], Awaitable[Any]]


async def result_of(future: concurrent.futures.Future[Any]) -> Any:
    await eventually(future.done, PATIENCE)
    return future.result()


async def from_a_thread(_client: Client, fn: Blocking) -> Any:
    return await result_of(start(fn))


async def from_a_greenlet(_client: Client, fn: Blocking) -> Any:
    return await result_of(start(in_hub, fn))


async def from_run(client: Client, fn: Blocking) -> Any:
    return await client.run(fn)


callers = pytest.mark.parametrize("caller", [from_a_thread, from_a_greenlet, from_run])


@callers
async def test_the_result_comes_back_from_the_loop(client: Client, caller: Caller) -> None:
    loop, here, token = running_loop(), threading.get_ident(), Token()

    async def look() -> tuple[int, Token]:
        await anyio.lowlevel.checkpoint()
        return threading.get_ident(), token

    thread, result = await caller(client, lambda: block_on(look(), loop))
    assert thread == here
    assert result is token


@callers
async def test_the_error_comes_back_from_the_loop(client: Client, caller: Caller) -> None:
    loop, error = running_loop(), Refusal("no")

    async def refuse() -> None:
        await anyio.lowlevel.checkpoint()
        raise error

    with pytest.raises(Refusal) as caught:
        await caller(client, lambda: block_on(refuse(), loop))
    assert caught.value is error
    assert traceback.extract_tb(error.__traceback__)[-1].name == "refuse"


@callers
async def test_the_coroutine_sees_the_callers_context_and_changes_none(
    client: Client, caller: Caller
) -> None:
    loop = running_loop()

    async def look() -> str:
        seen = who.get()
        who.set("the coroutine")
        return seen

    def call() -> tuple[str, str]:
        who.set("the caller")
        return block_on(look(), loop), who.get()

    who.set("the task")
    assert await caller(client, call) == ("the caller", "the caller")
    assert who.get() == "the task"


@callers
async def test_the_coroutine_may_use_the_client(client: Client, caller: Caller) -> None:
    loop = running_loop()
    await caller(client, lambda: block_on(client.db.c.insert_one({"_id": 1}), loop))
    assert await client.db.c.find_one() == {"_id": 1}


@callers
async def test_the_coroutine_is_a_task_of_its_own(client: Client, caller: Caller) -> None:
    loop = running_loop()

    async def look() -> bool:
        return client.in_request()

    async with client.start_request():
        assert not await caller(client, lambda: block_on(look(), loop))
        assert client.in_request()


async def test_within_run_the_loop_need_not_be_named(client: Client) -> None:
    async def look() -> str:
        return who.get()

    who.set("the task")
    assert await client.run(lambda: block_on(look())) == "the task"
    assert await bridge.run(lambda: block_on(look())) == "the task"


@pytest.mark.parametrize("caller", [from_a_greenlet, from_run])
async def test_only_the_calling_greenlet_waits(client: Client, caller: Caller) -> None:
    loop, go_on = running_loop(), anyio.Event()

    def both() -> list[str]:
        order: list[str] = []
        waiting = gevent.spawn(lambda: order.append(block_on(wait(), loop)))
        gevent.sleep(0)
        order.append("the other greenlet")
        block_on(let_go(), loop)
        waiting.get()
        return order

    async def wait() -> str:
        await go_on.wait()
        return "the coroutine"

    async def let_go() -> None:
        go_on.set()

    assert await caller(client, both) == ["the other greenlet", "the coroutine"]


async def test_a_thousand_wait_at_once_without_a_thread(client: Client) -> None:
    await client.run(int)
    threads, waiting, go_on = threading.active_count(), [0], anyio.Event()

    async def wait() -> int:
        waiting[0] += 1
        await go_on.wait()
        return 1

    async with anyio.create_task_group() as group:
        for _ in range(1_000):
            group.start_soon(client.run, lambda: block_on(wait()))
        await eventually(lambda: waiting[0] == 1_000, PATIENCE)
        # PyMongo's, of other tests, come and go.
        assert threading.active_count() < threads + 10
        go_on.set()


async def test_nothing_keeps_the_result_or_the_error_alive(client: Client) -> None:
    loop = running_loop()
    references: list[weakref.ref[Any]] = []

    async def give() -> Token:
        return Token()

    async def refuse() -> None:
        raise Refusal("no")

    def call() -> None:
        references.append(weakref.ref(block_on(give(), loop)))
        try:
            block_on(refuse(), loop)
        except Refusal as error:
            references.append(weakref.ref(error))

    gc.disable()
    try:
        await from_a_thread(client, call)
        await eventually(lambda: [reference() for reference in references] == [None, None])
    finally:
        gc.enable()


# ---- leaving early ------------------------------------------------------------------------------


class Endless:
    """A coroutine that only ends when it is cancelled."""

    def __init__(self) -> None:
        self.is_begun = False
        self.end: BaseException | None = None

    async def run(self) -> None:
        self.is_begun = True
        try:
            await anyio.sleep_forever()
        except BaseException as error:
            self.end = error
            raise

    async def see_it_cancelled(self) -> None:
        await eventually(lambda: self.end is not None)
        assert isinstance(self.end, anyio.get_cancelled_exc_class())


async def test_a_greenlet_that_is_killed_cancels_the_coroutine(client: Client) -> None:
    loop, endless = running_loop(), Endless()

    def kill() -> bool:
        waiting = gevent.spawn(lambda: block_on(endless.run(), loop))
        while not endless.is_begun:
            gevent.sleep(0.001)
        waiting.kill()
        return waiting.dead

    assert await from_a_greenlet(client, kill)
    await endless.see_it_cancelled()


async def test_a_greenlets_timeout_cancels_the_coroutine(client: Client) -> None:
    loop, endless = running_loop(), Endless()

    def time_out() -> bool:
        try:
            with gevent.Timeout(0.05):
                block_on(endless.run(), loop)
        except gevent.Timeout:
            return True
        return False

    assert await from_a_greenlet(client, time_out)
    if endless.is_begun:
        await endless.see_it_cancelled()


async def test_a_task_cancelled_in_run_cancels_the_coroutine(client: Client) -> None:
    endless = Endless()
    async with anyio.create_task_group() as group:
        group.start_soon(client.run, lambda: block_on(endless.run()))
        await eventually(lambda: endless.is_begun)
        group.cancel_scope.cancel()
    await endless.see_it_cancelled()
    assert await client.run(lambda: block_on(client.admin.command("ping")))


async def test_a_coroutine_whose_caller_left_before_its_start_never_runs(client: Client) -> None:
    loop, endless = running_loop(), Endless()

    def leave() -> bool:
        waiting = gevent.spawn(lambda: block_on(endless.run(), loop))
        gevent.sleep(0)
        waiting.kill()
        return True

    # The loop stands still until the caller has gone.
    assert start(in_hub, leave).result(PATIENCE)
    await anyio.sleep(0.01)
    assert not endless.is_begun


@pytest.mark.parametrize("anyio_backend", ASYNCIO_LOOPS)
@callers
async def test_a_coroutine_that_is_cancelled_tells_the_caller(
    client: Client, caller: Caller
) -> None:
    loop = running_loop()

    async def give_up() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    with pytest.raises(concurrent.futures.CancelledError):
        await caller(client, lambda: block_on(give_up(), loop))


@pytest.mark.parametrize("anyio_backend", ASYNCIO_LOOPS[:2])
@callers
async def test_a_coroutine_cancelled_before_its_first_step_tells_the_caller(
    client: Client, caller: Caller
) -> None:
    """The loop lives on, so that nothing else would end the wait."""
    loop, endless, cancelled = asyncio.get_running_loop(), Endless(), list[object]()
    others = asyncio.all_tasks()

    def sweep() -> None:
        # Behind the callback that makes the task, and before the task's own.
        new = [task for task in asyncio.all_tasks() if "LoopCall.run" in repr(task)]
        cancelled.extend(task for task in new if task not in others and task.cancel())
        if not cancelled:
            loop.call_soon(sweep)

    sweep()
    with pytest.raises(concurrent.futures.CancelledError):
        await caller(client, lambda: block_on(endless.run(), loop))
    assert not endless.is_begun


async def test_an_error_that_nobody_hears_is_logged(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    loop, is_begun = running_loop(), anyio.Event()

    async def refuse_to_end() -> None:
        is_begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            raise Refusal("not like this")

    def kill() -> None:
        waiting = gevent.spawn(lambda: block_on(refuse_to_end(), loop))
        while not is_begun.is_set():
            gevent.sleep(0.001)
        waiting.kill()

    with caplog.at_level(logging.ERROR):
        await from_a_greenlet(client, kill)
        await eventually(lambda: gc.collect() >= 0 and "not like this" in caplog.text)


# ---- a loop that ends meanwhile -----------------------------------------------------------------


def ends(fn: Run[Any], call: Callable[[Any], Any]) -> BaseException | None:
    """Run a loop that has `call` wait in a thread, and ends; return what `call` raised."""
    futures: list[concurrent.futures.Future[Any]] = []
    endless = Endless()

    async def main() -> None:
        loop = running_loop()
        futures.append(start(call, lambda: block_on(endless.run(), loop)))
        await eventually(lambda: endless.is_begun)

    fn(main)
    return futures[0].exception(PATIENCE)


@pytest.mark.parametrize("call", [lambda fn: fn(), in_hub], ids=["thread", "greenlet"])
def test_a_loop_that_ends_cancels_the_coroutine(
    run_on_loop: Run[Any], call: Callable[[Any], Any]
) -> None:
    assert isinstance(ends(run_on_loop, call), concurrent.futures.CancelledError)


@pytest.mark.parametrize("anyio_backend", ASYNCIO_LOOPS)
@pytest.mark.parametrize("call", [lambda fn: fn(), in_hub], ids=["thread", "greenlet"])
def test_a_loop_closed_under_the_coroutine_hangs_nobody(
    anyio_backend: Any, call: Callable[[Any], Any]
) -> None:
    loop, endless = asyncio.new_event_loop(), Endless()
    future = start(call, lambda: block_on(endless.run(), loop))

    async def begin() -> None:
        await eventually(lambda: endless.is_begun)

    loop.run_until_complete(begin())
    for task in asyncio.all_tasks(loop):
        # Whoever collects it would say that it is pending, which is what we want.
        task._log_destroy_pending = False  # type: ignore[attr-defined]
    loop.close()
    assert isinstance(future.exception(PATIENCE), LoopClosed)


@pytest.mark.parametrize("anyio_backend", ASYNCIO_LOOPS)
def test_a_loop_closed_before_the_coroutine_began_hangs_nobody(anyio_backend: Any) -> None:
    loop, endless = asyncio.new_event_loop(), Endless()
    waiting = threading.Event()

    def call() -> None:
        coroutine = endless.run()
        waiting.set()
        block_on(coroutine, loop)

    future = start(call)
    assert waiting.wait(PATIENCE)
    loop.close()
    assert isinstance(future.exception(PATIENCE), LoopClosed)
    assert not endless.is_begun


def test_a_loop_that_is_over_is_refused(run_on_loop: Run[Any]) -> None:
    loops: list[Any] = []

    async def main() -> None:
        loops.append(running_loop())

    run_on_loop(main)
    endless = Endless()
    with pytest.raises(LoopClosed):
        block_on(endless.run(), loops[0])


# ---- misuse -------------------------------------------------------------------------------------


async def test_a_loop_does_not_wait_for_itself(client: Client) -> None:
    endless = Endless()
    with pytest.raises(MisuseError, match="await the coroutine") as caught:
        block_on(endless.run(), running_loop())
    assert __file__ in str(caught.value.call_site)


def test_what_is_no_coroutine_is_named() -> None:
    with pytest.raises(TypeError, match="not 7"):
        block_on(7)  # type: ignore[arg-type]  # the point


def test_what_is_no_loop_is_named() -> None:
    with pytest.raises(TypeError, match="not 'loop'"):
        block_on(Endless().run(), "loop")  # type: ignore[arg-type]  # the point


async def test_a_callback_of_a_hub_cannot_wait(client: Client) -> None:
    loop = running_loop()

    def call() -> BaseException | None:
        result: AsyncResult[BaseException | None] = AsyncResult()

        def callback() -> None:
            try:
                block_on(Endless().run(), loop)
            except MisuseError as error:
                result.set(error)

        gevent.get_hub().loop.run_callback(callback)
        return result.get(timeout=PATIENCE)

    assert "callback of a gevent hub" in str(await from_a_greenlet(client, call))


@pytest.mark.parametrize("anyio_backend", [TRIO])
async def test_a_coroutine_that_fails_late_spares_trios_run(client: Client) -> None:
    async def refuse() -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        await client.run(lambda: block_on(refuse()))
    assert await client.admin.command("ping")
