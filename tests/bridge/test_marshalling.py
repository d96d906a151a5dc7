from __future__ import annotations

import contextvars
import gc
import threading
import traceback
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
import gevent
import pytest
from gevent.event import Event

from greenmongo.errors import MisuseError
from greenmongo.lowlevel import Call, thread_of
from tests.support.fix_loops import ASYNCIO_LOOPS, Client, Connect, Run, eventually
from tests.support.fix_scripted import ScriptedServer

pytestmark = pytest.mark.anyio


class Token:
    """Something one can keep a weak reference to."""


class Refusal(Exception):
    """Unlike the built-in exceptions it can be referred to weakly."""


class Disaster(BaseException):
    """What no `except Exception` catches."""


def echo(value: Any) -> Any:
    return value


def fail(error: BaseException) -> None:
    raise error


@pytest.fixture
def client(connect: Connect, scripted_server: ScriptedServer) -> Client:
    return connect(scripted_server.uri)


async def test_a_call_runs_on_the_hub_thread(client: Client) -> None:
    assert await client.run(threading.get_ident) == thread_of(client.sync).ident
    assert threading.get_ident() != thread_of(client.sync).ident


async def test_arguments_and_result_are_the_very_objects(client: Client) -> None:
    def returned(*args: Any, **kwargs: Any) -> Any:
        return args, kwargs

    token = Token()
    args, kwargs = await client.run(returned, token, name=token)
    assert args[0] is token
    assert kwargs["name"] is token


async def test_an_exception_is_the_very_object(client: Client) -> None:
    error = Refusal("no")
    with pytest.raises(Refusal) as caught:
        await client.run(fail, error)
    assert caught.value is error


async def test_the_traceback_leads_from_the_caller_to_the_culprit(client: Client) -> None:
    with pytest.raises(Refusal) as caught:
        await client.run(fail, Refusal("no"))
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert names[0] == "test_the_traceback_leads_from_the_caller_to_the_culprit"
    assert names[-1] == "fail"


async def test_stop_iteration_becomes_an_error_that_names_it(client: Client) -> None:
    with pytest.raises(RuntimeError, match="StopIteration") as caught:
        await client.run(next, iter(()))
    assert isinstance(caught.value.__cause__, StopIteration)
    assert await client.run(echo, "next") == "next"


@pytest.mark.parametrize(
    "error",
    [Disaster("!"), KeyboardInterrupt(), SystemExit(3), gevent.GreenletExit()],
    ids=lambda error: type(error).__name__,
)
async def test_the_gravest_exceptions_reach_the_caller_and_spare_the_hub(
    client: Client, error: BaseException
) -> None:
    thread = thread_of(client.sync)
    caught: BaseException | None = None
    try:
        await client.run(fail, error)
    except BaseException as raised:
        caught = raised
    assert caught is error
    assert await client.run(echo, "next") == "next"
    assert thread_of(client.sync) is thread


async def test_an_error_of_the_driver_is_the_same_as_without_a_bridge(
    client: Client, scripted_server: ScriptedServer
) -> None:
    scripted_server.on("find", {"ok": 0, "code": 2, "errmsg": "bad value"})
    with pytest.raises(Exception, match="bad value") as awaited:
        await client.db.c.find_one()
    with pytest.raises(Exception, match="bad value") as blocking:
        await client.run(client.sync.db.c.find_one)
    assert type(awaited.value) is type(blocking.value)


async def test_nothing_keeps_a_result_alive(client: Client) -> None:
    gone = weakref.ref(await client.run(Token))
    await eventually(lambda: gone() is None)


async def test_nothing_keeps_arguments_alive(client: Client) -> None:
    token = Token()
    gone = weakref.ref(token)
    await client.run(id, token)
    del token
    await eventually(lambda: gone() is None)


def refuse() -> None:
    raise Refusal("no")


async def raised_by(client: Client) -> weakref.ref[Refusal]:
    try:
        await client.run(refuse)
    except Refusal as error:
        return weakref.ref(error)
    raise AssertionError("nothing was raised")


async def test_nothing_keeps_an_exception_alive(client: Client) -> None:
    gc.disable()
    try:
        gone = await raised_by(client)
        await eventually(lambda: gone() is None)
    finally:
        gc.enable()


async def test_calls_leave_nothing_behind(client: Client) -> None:
    def calls() -> int:
        return sum(issubclass(type(each), Call) for each in gc.get_objects())

    await client.run(int)
    gc.collect()
    before = calls()
    async with anyio.create_task_group() as group:
        for _ in range(200):
            group.start_soon(client.run, int)
    await eventually(lambda: not thread_of(client.sync).workers.busy)
    await client.run(int)
    # The hub may not have let go of the last one yet.
    await eventually(lambda: gc.collect() >= 0 and calls() <= before)


async def test_a_task_sees_its_calls_done_in_order(client: Client) -> None:
    seen: list[int] = []
    async with client.start_request():
        for n in range(100):
            await client.run(seen.append, n)
    assert seen == list(range(100))


@pytest.mark.parametrize("anyio_backend", ASYNCIO_LOOPS)
async def test_calls_on_one_lane_run_in_the_order_they_were_made(client: Client) -> None:
    """A task that steps its coroutines by hand has many calls under way at once."""
    seen: list[int] = []

    def note(n: int) -> None:
        # Were they on greenlets of their own, those that wait less would overtake.
        gevent.sleep(0.001 if n % 3 else 0)
        seen.append(n)

    async with client.start_request():
        calls = [client.run(note, n) for n in range(30)]
        futures = [call.send(None) for call in calls]
        await eventually(lambda: all(future.done() for future in futures))
        for call in calls:
            with pytest.raises(StopIteration):
                call.send(None)
    assert seen == list(range(30))


async def test_a_task_in_a_request_has_one_greenlet(client: Client) -> None:
    async def greenlets_of_a_task(found: list[Any]) -> None:
        async with client.start_request():
            found += [await client.run(gevent.getcurrent) for _ in range(10)]

    one: list[Any] = []
    other: list[Any] = []
    async with anyio.create_task_group() as group:
        group.start_soon(greenlets_of_a_task, one)
        group.start_soon(greenlets_of_a_task, other)
    assert len(set(one)) == len(set(other)) == 1
    assert one[0] is not other[0]


async def test_a_slow_call_holds_up_no_other_task(client: Client) -> None:
    go_on = await client.run(Event)
    order: list[str] = []

    async def slow(in_request: bool) -> None:
        if in_request:
            await client.start_request()
        await client.run(go_on.wait)
        order.append("slow")

    async with anyio.create_task_group() as group:
        group.start_soon(slow, False)
        group.start_soon(slow, True)
        await eventually(lambda: len(thread_of(client.sync).workers.busy) >= 2)
        await client.run(order.append, "quick")
        await client.run(go_on.set)
    assert order == ["quick", "slow", "slow"]


# ---- client.run and client.sync -----------------------------------------------------------------


variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


async def test_run_sees_the_callers_context_variables_and_changes_none(client: Client) -> None:
    variable.set("the caller's")
    assert await client.run(variable.get) == "the caller's"
    await client.run(variable.set, "the function's")
    assert variable.get() == "the caller's"


async def test_context_variables_do_not_leak_across_calls(client: Client) -> None:
    seen: dict[str, str] = {}

    def look(name: str) -> None:
        gevent.sleep(0)
        seen[name] = variable.get()

    async def call(name: str) -> None:
        variable.set(name)
        await client.run(look, name)

    names = [str(n) for n in range(50)]
    async with anyio.create_task_group() as group:
        for name in names:
            group.start_soon(call, name)
    assert seen == dict(zip(names, names, strict=True))


async def test_run_inside_run_is_a_plain_call(client: Client) -> None:
    def inner() -> object:
        return gevent.getcurrent()

    def outer() -> bool:
        return bool(gevent.getcurrent() is thread_of(client.sync).call(inner))

    assert await client.run(outer)


async def test_run_may_use_the_blocking_client_and_greenlets_of_its_own(client: Client) -> None:
    def count_all() -> int:
        things = client.sync.db.things
        greenlets = [gevent.spawn(things.insert_one, {"_id": n}) for n in range(20)]
        gevent.joinall(greenlets, raise_error=True)
        return things.count_documents({})

    assert await client.run(count_all) == 20


async def test_many_runs_at_once_need_no_threads(client: Client) -> None:
    go_on = await client.run(Event)
    threads = threading.active_count()

    async with anyio.create_task_group() as group:
        for _ in range(1_000):
            group.start_soon(client.run, go_on.wait)
        await eventually(lambda: len(thread_of(client.sync).workers.busy) == 1_000)
        # PyMongo's, of other tests, come and go.
        assert threading.active_count() < threads + 10
        await client.run(go_on.set)


async def test_sync_is_the_same_client(client: Client) -> None:
    await client.db.c.insert_one({"_id": 1})
    assert await anyio.to_thread.run_sync(client.sync.db.c.find_one) == {"_id": 1}
    assert client.sync is client.sync


async def test_a_blocking_client_gets_an_async_face(client: Client) -> None:
    other = type(client).from_client(client.sync)
    assert other == client
    assert await other.run(echo, 1) == 1


async def test_a_blocking_client_can_be_given_to_the_constructor(client: Client) -> None:
    other = type(client)(client.sync)
    assert other.sync is client.sync
    assert await other.run(echo, 1) == 1
    with pytest.raises(TypeError, match="options of its own"):
        type(client)(client.sync, maxPoolSize=3)


async def test_closing_one_face_closes_both(
    connect: Connect, scripted_server: ScriptedServer
) -> None:
    async with connect(scripted_server.uri) as client:
        await client.db.c.find_one()
    with pytest.raises(Exception, match="after close"):
        await client.db.c.find_one()
    with pytest.raises(Exception, match="after close"):
        client.sync.db.c.find_one()
    assert not client.in_request()
    await client.end_request()
    await client.close()


async def test_a_request_is_over_when_the_client_is_closed(client: Client) -> None:
    async with client.start_request() as request:
        await client.db.c.find_one()
        await client.close()
        assert not client.in_request()
        await client.end_request()
        await request.end()


# ---- where there is no loop ---------------------------------------------------------------------


def awaited_by_nobody(client: Client) -> None:
    coroutine = client.db.c.find_one()
    with pytest.raises(MisuseError, match="no running event loop"):
        coroutine.send(None)


async def test_a_thread_without_a_loop_is_told_so(client: Client) -> None:
    await anyio.to_thread.run_sync(awaited_by_nobody, client)


async def test_a_greenlet_without_a_loop_is_told_so(client: Client) -> None:
    await client.run(awaited_by_nobody, client)


async def test_a_request_in_a_thread_without_a_loop_is_told_so(client: Client) -> None:
    def start() -> None:
        coroutine = client.start_request().__await__()
        with pytest.raises(MisuseError, match="no running event loop"):
            next(coroutine)

    await anyio.to_thread.run_sync(start)


# ---- both ways to write it ----------------------------------------------------------------------


async def written_with(client: Client, results: list[bool]) -> None:
    async with client.start_request() as request:
        results += [request.connection is client, client.in_request()]
    results.append(client.in_request())


async def written_with_end(client: Client, results: list[bool]) -> None:
    request = await client.start_request()
    results += [request.connection is client, client.in_request()]
    await request.end()
    results.append(client.in_request())


async def written_bare(client: Client, results: list[bool]) -> None:
    request = await client.start_request()
    results += [request.connection is client, client.in_request()]
    await client.end_request()
    results.append(client.in_request())


@pytest.mark.parametrize("write", [written_with, written_with_end, written_bare])
async def test_every_way_to_write_a_request_means_the_same(
    client: Client, write: Callable[[Client, list[bool]], Any]
) -> None:
    results: list[bool] = []
    await write(client, results)
    assert results == [True, True, False]


def test_every_way_to_open_a_client_means_the_same(
    run_on_loop: Run[Any], scripted_server: ScriptedServer
) -> None:
    from bridge import AsyncMongoClient

    async def with_statement() -> Any:
        async with AsyncMongoClient[dict[str, Any]](scripted_server.uri) as client:
            return await client.db.c.insert_one({"_id": 1})

    async def in_words() -> Any:
        client: Client = AsyncMongoClient(scripted_server.uri)
        await client.aconnect()
        try:
            return await client.db.c.find_one({"_id": 1})
        finally:
            await client.aclose()

    assert run_on_loop(with_statement).inserted_id == 1
    assert run_on_loop(in_words) == {"_id": 1}


async def test_a_method_can_be_passed_around_unbound(client: Client) -> None:
    await partial(client.db.c.insert_one, {"_id": 7})()
    assert await client.db.c.count_documents({}) == 1
