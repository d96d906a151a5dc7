from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest
import trio
import trio.testing
from gevent.event import Event

from greenmongo.errors import MisuseError
from greenmongo.lowlevel import CallAbandoned, thread_of
from tests.support.fix_loops import (
    ASYNCIO_LOOPS,
    TRIO,
    Client,
    Connect,
    eventually,
    let_results_arrive,
    standing_still,
)
from tests.support.fix_scripted import Answer, Gate, Received, ScriptedServer

pytestmark = [pytest.mark.anyio]

on_asyncio = pytest.mark.parametrize("anyio_backend", ASYNCIO_LOOPS)
on_trio = pytest.mark.parametrize("anyio_backend", [TRIO])

Waiting = Callable[[], Awaitable[object]]

SLOW = {"_id": "slow"}


def late(gate: Gate, name: str) -> Answer:
    return Answer(found({"_id": name}), manner=gate)


def found(document: dict[str, Any]) -> dict[str, Any]:
    return {"cursor": {"id": 0, "ns": "db.c", "firstBatch": [document]}}


def used(server: ScriptedServer, command: str = "find") -> set[int]:
    """Return the numbers of the connections that carried a command."""
    return {each.connection.number for each in server.commands(command)}


@pytest.fixture
def client(connect: Connect, scripted_server: ScriptedServer) -> Client:
    return connect(scripted_server.uri)


async def begun(scope: anyio.CancelScope, fn: Waiting, outcomes: list[object]) -> None:
    """Await `fn()` within a scope and note what came of it."""
    with scope:
        try:
            outcomes.append(await fn())
        except BaseException as error:
            outcomes.append(type(error))
            raise


# ---- one call -----------------------------------------------------------------------------------


async def test_a_call_left_before_its_start_never_runs(client: Client) -> None:
    ran: list[int] = []
    scope, outcomes = anyio.CancelScope(), list[object]()
    await client.run(int)
    async with anyio.create_task_group() as group:
        with standing_still(thread_of(client.sync)):
            group.start_soon(begun, scope, lambda: client.run(ran.append, 1), outcomes)
            await anyio.wait_all_tasks_blocked()
            scope.cancel()
            await eventually(lambda: outcomes)
    await client.run(int)
    assert outcomes == [anyio.get_cancelled_exc_class()]
    assert ran == []


async def test_a_call_that_is_never_awaited_never_runs(client: Client) -> None:
    ran: list[int] = []
    coroutine = client.run(ran.append, 1)
    coroutine.close()
    await client.run(int)
    assert ran == []


async def test_a_function_left_while_it_runs_is_thrown_out_of_its_wait(client: Client) -> None:
    running, seen = await client.run(Event), list[type[BaseException]]()

    def wait_for_ever() -> None:
        running.set()
        try:
            Event().wait()
        except BaseException as error:
            seen.append(type(error))
            raise

    async with anyio.create_task_group() as group:
        group.start_soon(client.run, wait_for_ever)
        assert await client.run(running.wait, 15.0)
        group.cancel_scope.cancel()
    await client.run(int)
    assert seen == [CallAbandoned]


async def test_a_lane_goes_on_after_a_call_that_was_left(client: Client) -> None:
    running = await client.run(Event)

    def wait_for_ever() -> None:
        running.set()
        Event().wait()

    async with client.start_request():
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(cancel_when, scope, lambda: running.is_set())
                await client.run(wait_for_ever)
        assert scope.cancelled_caught
        assert await client.run(str, "next") == "next"
        assert client.in_request()


async def cancel_when(scope: anyio.CancelScope, condition: Callable[[], object]) -> None:
    await eventually(condition)
    scope.cancel()


async def test_a_late_reply_is_for_nobody_and_its_connection_is_kept(
    client: Client, scripted_server: ScriptedServer
) -> None:
    gate = Gate()
    scripted_server.on("find", found({"_id": "mine"}))
    await client.db.c.find_one()
    scripted_server.script("find", late(gate, "stale"))
    async with anyio.create_task_group() as group:
        group.start_soon(client.db.c.find_one)
        await eventually(lambda: gate.waiting)
        group.cancel_scope.cancel()
    gate.open()
    for _ in range(5):
        assert await client.db.c.find_one() == {"_id": "mine"}
    await eventually(lambda: not gate.waiting)
    assert len(used(scripted_server)) <= 2
    assert all(scripted_server.connections[number].is_open for number in used(scripted_server))


@pytest.mark.parametrize("in_request", [False, True])
async def test_no_reply_is_ever_mixed_up_with_another(
    client: Client, scripted_server: ScriptedServer, in_request: bool
) -> None:
    """Everybody is cancelled once in the middle of an operation and then asks again."""
    gates = [Gate() for _ in range(10)]
    answered: dict[int, Any] = {}

    def answer(received: Received) -> Answer:
        n = received.document["filter"]["_id"]
        return late(gates[-n], "stale") if n < 0 else Answer(found({"_id": n}))

    scripted_server.on("find", answer)

    async def ask(n: int) -> None:
        if in_request:
            await client.start_request()
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(cancel_when, scope, lambda: gates[n].waiting)
                await client.db.c.find_one({"_id": -n})
        gates[n].open()
        answered[n] = await client.db.c.find_one({"_id": n})

    async with anyio.create_task_group() as group:
        for n in range(1, 10):
            group.start_soon(ask, n)
    assert answered == {n: {"_id": n} for n in range(1, 10)}


async def test_leaving_the_line_for_a_connection_costs_nobody_a_place(
    connect: Connect, scripted_server: ScriptedServer
) -> None:
    client = connect(scripted_server.uri, maxPoolSize=1)
    gate = Gate()
    scripted_server.script("find", late(gate, "first"))
    async with anyio.create_task_group() as group:
        group.start_soon(client.db.c.find_one)
        await eventually(lambda: gate.waiting)
        async with anyio.create_task_group() as crowd:
            for _ in range(20):
                crowd.start_soon(client.db.c.find_one)
            await eventually(lambda: len(thread_of(client.sync).workers.busy) == 21)
            crowd.cancel_scope.cancel()
        # The hub has heard that they left before a connection comes free for them.
        await client.run(int)
        gate.open()
    await client.db.c.insert_one({"_id": 1})
    assert await client.db.c.find_one() == {"_id": 1}
    assert scripted_server.count("find") == 2
    assert len(used(scripted_server)) == 1


# ---- result and cancel at the same moment -------------------------------------------------------


@on_asyncio
async def test_on_asyncio_a_cancel_before_the_result_wins(client: Client) -> None:
    await client.run(int)
    with standing_still(thread_of(client.sync)):
        task = asyncio.create_task(client.run(str, "lost"))
        await asyncio.sleep(0)
    let_results_arrive(client)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await client.run(str, "next") == "next"


@on_asyncio
async def test_on_asyncio_a_cancel_after_the_result_wins_while_the_task_has_not_run(
    client: Client,
) -> None:
    await client.run(int)

    async def cancel_the_other() -> None:
        await client.run(int)
        other.cancel()

    with standing_still(thread_of(client.sync)):
        first = asyncio.create_task(cancel_the_other())
        other = asyncio.create_task(client.run(str, "lost"))
        await asyncio.sleep(0)
    # Both outcomes arrive, and the first task goes on before the other.
    let_results_arrive(client)
    with pytest.raises(asyncio.CancelledError):
        await other
    await first
    assert await client.run(str, "next") == "next"


@on_asyncio
async def test_on_asyncio_a_cancel_after_the_task_saw_the_result_is_too_late(
    client: Client,
) -> None:
    task = asyncio.create_task(client.run(str, "kept"))
    assert await asyncio.shield(task) == "kept"
    assert not task.cancel()


@on_trio
@pytest.mark.parametrize("result_first", [False, True])
async def test_on_trio_whoever_comes_first_wins(client: Client, result_first: bool) -> None:
    outcomes: list[object] = []
    await client.run(int)
    scope = trio.CancelScope()

    async def call() -> None:
        with scope:
            outcomes.append(await client.run(str, "kept"))

    async with trio.open_nursery() as nursery:
        with standing_still(thread_of(client.sync)):
            nursery.start_soon(call)
            await trio.testing.wait_all_tasks_blocked()
        let_results_arrive(client)
        if result_first:
            trio.lowlevel.current_trio_token().run_sync_soon(scope.cancel)
        else:
            scope.cancel()
    assert outcomes == (["kept"] if result_first else [])
    assert await client.run(str, "next") == "next"


async def test_cancels_at_any_moment_of_an_operation_do_no_harm(
    client: Client, scripted_server: ScriptedServer
) -> None:
    """After one step of the loop, after two, after three, and so on."""
    scripted_server.on("find", lambda received: found({"_id": received.document["filter"]["_id"]}))
    await client.db.c.find_one({"_id": 0})
    for steps in range(60):
        async with anyio.create_task_group() as group:
            group.start_soon(client.db.c.find_one, {"_id": "stale"})
            for _ in range(steps):
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
        assert await client.db.c.find_one({"_id": steps}) == {"_id": steps}
    await eventually(lambda: not thread_of(client.sync).workers.busy)


# ---- storms -------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_a_storm_of_cancels_opens_no_connection(
    connect: Connect, scripted_server: ScriptedServer
) -> None:
    client = connect(scripted_server.uri, maxPoolSize=20)
    gate, before = Gate(), set[int]()
    scripted_server.on("find", late(gate, "stale"))
    async with anyio.create_task_group() as group:
        for _ in range(1_000):
            group.start_soon(client.db.c.find_one)
        await eventually(lambda: gate.waiting == 20, 15)
        before |= used(scripted_server)
        group.cancel_scope.cancel()
    # The hub has heard that they left before a connection comes free for them.
    await client.run(int)
    gate.open()
    scripted_server.on("find", lambda received: found({"_id": received.document["filter"]["_id"]}))
    answers: list[Any] = []

    async def ask(n: int) -> None:
        answers.append((await client.db.c.find_one({"_id": n}) or {})["_id"])

    async with anyio.create_task_group() as group:
        for n in range(100):
            group.start_soon(ask, n)
    assert sorted(answers) == list(range(100))
    assert used(scripted_server) == before
    assert len(before) == 20
    # Those in line never got to the server.
    assert scripted_server.count("find") == 120


# ---- every way to set a limit -------------------------------------------------------------------


@pytest.fixture
def never(scripted_server: ScriptedServer) -> Gate:
    """Hold the replies to finds of what is slow back."""
    gate = Gate()

    def answer(received: Received) -> Answer:
        is_slow = received.document["filter"] == SLOW
        return late(gate, "stale") if is_slow else Answer(found({"_id": "mine"}))

    scripted_server.on("find", answer)
    return gate


async def goes_on(client: Client, gate: Gate) -> None:
    """See that this task, whose call was cut short, and its request, are as good as before."""
    gate.open()
    assert client.in_request()
    assert await client.db.c.find_one() == {"_id": "mine"}


async def test_a_task_goes_on_after_move_on_after(client: Client, never: Gate) -> None:
    async with client.start_request():
        with anyio.move_on_after(0.02) as scope:
            await client.db.c.find_one(SLOW)
        assert scope.cancelled_caught
        await goes_on(client, never)


async def test_a_task_goes_on_after_fail_after(client: Client, never: Gate) -> None:
    async with client.start_request():
        with pytest.raises(TimeoutError), anyio.fail_after(0.02):
            await client.db.c.find_one(SLOW)
        await goes_on(client, never)


async def test_a_shielded_scope_lets_the_operation_end(client: Client, never: Gate) -> None:
    answers: list[Any] = []

    async def ask() -> None:
        with anyio.CancelScope(shield=True):
            answers.append(await client.db.c.find_one(SLOW))

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await eventually(lambda: never.waiting)
        group.cancel_scope.cancel()
        never.open()
    assert answers == [{"_id": "stale"}]


@on_trio
async def test_a_task_goes_on_after_a_scope_of_trio(client: Client, never: Gate) -> None:
    async with client.start_request():
        with trio.move_on_after(0.02) as scope:
            await client.db.c.find_one(SLOW)
        assert scope.cancelled_caught
        await goes_on(client, never)


@on_trio
async def test_a_task_goes_on_after_a_deadline_of_trio(client: Client, never: Gate) -> None:
    async with client.start_request():
        with pytest.raises(trio.TooSlowError), trio.fail_after(0.02):
            await client.db.c.find_one(SLOW)
        await goes_on(client, never)


@on_asyncio
@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.timeout came with 3.11")
async def test_a_task_goes_on_after_asyncio_timeout(client: Client, never: Gate) -> None:
    if sys.version_info >= (3, 11):
        async with client.start_request():
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await client.db.c.find_one(SLOW)
            await goes_on(client, never)


@on_asyncio
async def test_a_task_goes_on_after_wait_for(client: Client, never: Gate) -> None:
    async with client.start_request():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.db.c.find_one(SLOW), 0.02)
        await goes_on(client, never)


@on_asyncio
async def test_a_task_goes_on_after_catching_its_own_cancel(client: Client, never: Gate) -> None:
    async def stubborn() -> None:
        async with client.start_request():
            with pytest.raises(asyncio.CancelledError):
                await client.db.c.find_one(SLOW)
            if sys.version_info >= (3, 11):
                task = asyncio.current_task()
                assert task is not None
                task.uncancel()
            await goes_on(client, never)

    task = asyncio.create_task(stubborn())
    await eventually(lambda: never.waiting)
    task.cancel()
    await task


@on_asyncio
async def test_a_shielded_call_outlives_its_caller(client: Client, never: Gate) -> None:
    call = asyncio.ensure_future(client.db.c.find_one(SLOW))

    async def wait() -> object:
        return await asyncio.shield(call)

    waiter = asyncio.create_task(wait())
    await eventually(lambda: never.waiting)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    never.open()
    assert await call == {"_id": "stale"}


@on_asyncio
async def test_a_task_cancelled_before_its_first_step_asks_nothing(
    client: Client, scripted_server: ScriptedServer
) -> None:
    loop = asyncio.get_running_loop()
    task = asyncio.Task(client.db.c.find_one(SLOW), loop=loop)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await client.run(int)
    assert scripted_server.count("find") == 0


async def test_a_timeout_that_has_passed_already_ends_the_call_at_once(client: Client) -> None:
    await client.run(int)
    with anyio.move_on_after(0) as scope:
        await client.run(Event().wait)
    assert scope.cancelled_caught
    await eventually(lambda: not thread_of(client.sync).workers.busy)


# ---- requests that begin and end while their task is being cancelled ----------------------------


async def test_a_request_ends_although_its_task_is_cancelled_inside(client: Client) -> None:
    entered, state = anyio.Event(), dict[str, bool]()

    async def hold() -> None:
        try:
            async with client.start_request():
                entered.set()
                await client.run(Event().wait)
        finally:
            state["in_request"] = client.in_request()

    async with anyio.create_task_group() as group:
        group.start_soon(hold)
        await entered.wait()
        group.cancel_scope.cancel()
    # Whoever is being cancelled cannot wait for the end, which is on its way nevertheless.
    assert "in_request" in state
    await eventually(lambda: not client.sync._executor.open().table.holders)


async def test_a_request_whose_start_was_cancelled_is_not_left_open(client: Client) -> None:
    await client.run(int)
    for steps in range(20):
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(steps_then_cancel, scope, steps)
                await client.start_request()
        await client.end_request()
        assert not client.in_request()
    assert not client.sync._executor.open().table.holders


async def steps_then_cancel(scope: anyio.CancelScope, steps: int) -> None:
    for _ in range(steps):
        await anyio.lowlevel.checkpoint()
    scope.cancel()


# ---- one cursor, several tasks ------------------------------------------------------------------


async def test_tasks_of_one_loop_share_a_cursor(
    client: Client, scripted_server: ScriptedServer
) -> None:
    """F12: each document goes to one of them."""
    scripted_server.store.collections["db.c"] = [{"_id": n} for n in range(100)]
    cursor = client.db.c.find(batch_size=3)
    taken: list[int] = []

    async def read() -> None:
        taken.extend([each["_id"] async for each in cursor])

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(read)

    assert sorted(taken) == list(range(100))


async def test_a_task_that_was_cancelled_does_not_take_it_for_the_end(
    client: Client, scripted_server: ScriptedServer
) -> None:
    """F12: nor does it wait for its own abandoned call."""
    gate = Gate()
    scripted_server.on("find", {"cursor": {"id": 7, "ns": "db.c", "firstBatch": [{"_id": 0}]}})
    batch = {"cursor": {"id": 0, "ns": "db.c", "nextBatch": [{"_id": 1}]}}
    scripted_server.on("getMore", Answer(batch, manner=gate))
    cursor = client.db.c.find()
    await cursor.next()
    scope = anyio.CancelScope()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(begun, scope, cursor.next, [])
        await anyio.to_thread.run_sync(gate.wait_for_waiting)
        scope.cancel()

    reads: list[Waiting] = [cursor.next, cursor.to_list]
    for read in reads:
        with pytest.raises(MisuseError, match="has lost documents"):
            await read()
    assert not cursor.alive
    gate.open()
