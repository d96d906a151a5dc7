"""The acceptance cases A01 to A13: a task is a context, and has all that a greenlet has.

What the older designs call "the socket is closed" is, here, "the late reply is for nobody, and the
connection is kept".

The cases are listed in tests/README.md.
"""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from concurrent.futures import Future
from time import perf_counter
from typing import Any

import anyio
import anyio.lowlevel
import gevent
import pytest
from gevent.event import Event
from pymongo.write_concern import WriteConcern

from greenmongo.lowlevel import thread_of
from tests.support.fix_doors import in_hub, start
from tests.support.fix_hub import run_script
from tests.support.fix_loops import (
    ASYNCIO_LOOPS,
    PATIENCE,
    Client,
    Connect,
    Run,
    eventually,
)
from tests.support.fix_scripted import Answer, Gate, Received, ScriptedServer

pytestmark = pytest.mark.anyio

on_asyncio = pytest.mark.parametrize("anyio_backend", ASYNCIO_LOOPS)

SLOW = {"_id": "slow"}


async def sid(client: Client) -> int:
    """Return the server's number of the connection that this task's operation took."""
    reply: dict[str, Any] = await client.admin.command("whoami")
    number: int = reply["connectionId"]
    return number


@pytest.fixture
def client(connect: Connect, scripted_server: ScriptedServer) -> Client:
    return connect(scripted_server.uri)


@pytest.fixture
def narrow(connect: Connect, scripted_server: ScriptedServer) -> Client:
    """A client with a single connection: who does not give it back is noticed at once."""
    return connect(scripted_server.uri, maxPoolSize=1)


@pytest.fixture
def gate(scripted_server: ScriptedServer) -> Gate:
    """Hold the replies to finds of what is slow back."""
    gate = Gate()

    def answer(received: Received) -> Answer:
        query = received.document["filter"]
        document = {"cursor": {"id": 0, "ns": "db.c", "firstBatch": [{"_id": query.get("_id")}]}}
        return Answer(document, manner=gate) if query == SLOW else Answer(document)

    scripted_server.on("find", answer)
    return gate


async def test_A01_task_is_context(client: Client) -> None:
    both_here = Meeting(2)

    async def sids(found: list[int]) -> None:
        async with client.start_request():
            found.append(await sid(client))
            await both_here.wait()
            for _ in range(19):
                found.append(await sid(client))
                await anyio.lowlevel.checkpoint()

    one, other = list[int](), list[int]()
    async with anyio.create_task_group() as group:
        group.start_soon(sids, one)
        group.start_soon(sids, other)
    assert len(one) == len(other) == 20
    assert len(set(one)) == len(set(other)) == 1
    assert one[0] != other[0]


async def test_A02_gather_children(client: Client) -> None:
    seen: list[tuple[bool, int]] = []
    both_here = Meeting(2)

    async def child() -> None:
        seen.append((client.in_request(), await sid(client)))
        await both_here.wait()

    async with client.start_request():
        mine = await sid(client)
        async with anyio.create_task_group() as group:
            group.start_soon(child)
            group.start_soon(child)
        assert await sid(client) == mine
        assert client.in_request()
    assert [in_request for in_request, _ in seen] == [False, False]
    assert mine not in [number for _, number in seen]


@on_asyncio
async def test_A02_gather_children_of_asyncio(client: Client) -> None:
    async def child() -> tuple[bool, int]:
        return client.in_request(), await sid(client)

    async with client.start_request():
        mine = await sid(client)
        seen = await asyncio.gather(child(), asyncio.create_task(child()))
        assert await sid(client) == mine
    assert [in_request for in_request, _ in seen] == [False, False]
    assert mine not in [number for _, number in seen]


class Meeting:
    """Lets nobody pass until so many wait."""

    def __init__(self, parties: int) -> None:
        self._missing = parties
        self._complete = anyio.Event()

    async def wait(self) -> None:
        self._missing -= 1
        if not self._missing:
            self._complete.set()
        await self._complete.wait()


@on_asyncio
@pytest.mark.parametrize("end", ["finishes", "is_cancelled", "raises"])
async def test_A03_task_death(narrow: Client, end: str) -> None:
    async def leak() -> None:
        await narrow.start_request()
        bound.append(await sid(narrow))
        if end == "raises":
            raise ZeroDivisionError
        if end == "is_cancelled":
            await asyncio.Event().wait()

    bound: list[int] = []
    gc.disable()
    try:
        task = asyncio.create_task(leak())
        await eventually(lambda: bound)
        if end == "is_cancelled":
            task.cancel()
        await asyncio.wait([task])
        # The task is still referred to: that it has ended must be enough.
        with anyio.fail_after(PATIENCE):
            assert await sid(narrow) == bound[0]
    finally:
        gc.enable()
    if end == "raises":
        assert isinstance(task.exception(), ZeroDivisionError)


@pytest.mark.parametrize("end", ["finishes", "is_cancelled", "raises"])
async def test_A03_task_death_in_any_library(narrow: Client, end: str) -> None:
    async def leak() -> None:
        await narrow.start_request()
        bound.append(await sid(narrow))
        if end == "raises":
            try:
                raise ZeroDivisionError
            finally:
                finished.set()
        if end == "is_cancelled":
            await anyio.sleep_forever()

    bound: list[int] = []
    finished = anyio.Event()
    gc.disable()
    try:
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(leak)
                await eventually(lambda: bound)
                if end == "is_cancelled":
                    group.cancel_scope.cancel()
        except BaseException:
            assert end == "raises"
        with anyio.fail_after(PATIENCE):
            assert await sid(narrow) == bound[0]
    finally:
        gc.enable()


async def test_A04_task_id_reuse(client: Client, scripted_server: ScriptedServer) -> None:
    seen: list[bool] = []

    async def leak() -> None:
        seen.append(client.in_request())
        await client.start_request()
        await client.admin.command("ping")

    for _ in range(200):
        async with anyio.create_task_group() as group:
            group.start_soon(leak)
    assert seen == [False] * 200
    await eventually(lambda: not client.sync._executor.open().table.holders)


@pytest.mark.parametrize("in_request", [False, True])
async def test_A05_cancel_mid_op(
    narrow: Client, scripted_server: ScriptedServer, gate: Gate, in_request: bool
) -> None:
    async def ask() -> None:
        if in_request:
            await narrow.start_request()
        await narrow.db.c.find_one(SLOW)

    number = await sid(narrow)
    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await eventually(lambda: gate.waiting)
        group.cancel_scope.cancel()
    gate.open()
    assert await narrow.db.c.find_one({"_id": 1}) == {"_id": 1}
    assert await sid(narrow) == number


async def test_A06_wait_for_timeout(client: Client, scripted_server: ScriptedServer) -> None:
    """Behind its own late reply, and therefore on the connection it had."""
    gate = Gate()
    scripted_server.script("find", Answer({"cursor": {"id": 0, "firstBatch": []}}, manner=gate))

    def end(_received: Received) -> dict[str, Any]:
        gate.open()
        return {}

    # It takes so long that the driver has it ended.
    scripted_server.on("aggregate", {"cursor": {"id": 0, "firstBatch": [{"opid": 7}]}})
    scripted_server.on("killOp", end)
    async with client.start_request():
        number = await sid(client)
        with pytest.raises(TimeoutError), anyio.fail_after(0.02):
            await client.db.c.find_one()
        assert client.in_request()
        assert await sid(client) == number


@on_asyncio
async def test_A06_wait_for_of_asyncio(client: Client, gate: Gate) -> None:
    async with client.start_request():
        number = await sid(client)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.db.c.find_one(SLOW), 0.02)
        gate.open()
        assert client.in_request()
        assert await sid(client) == number


@pytest.mark.slow
@pytest.mark.live
@pytest.mark.timeout(120)  # a thousand calls one after another: seconds even on a busy machine
async def test_A07_order(connect: Connect, mongo_uri: str) -> None:
    client = connect(mongo_uri)
    things = client.get_database("test_order").get_collection(
        "things", write_concern=WriteConcern(w=0)
    )
    await things.drop()
    try:
        async with client.start_request():
            for n in range(1_000):
                await things.insert_one({"_id": n})
            assert await things.count_documents({}) == 1_000
    finally:
        await client.drop_database("test_order")


@pytest.mark.slow
async def test_A08_no_loop_blocking(connect: Connect, scripted_server: ScriptedServer) -> None:
    client = connect(scripted_server.uri, maxPoolSize=1)
    late: list[float] = []
    async with anyio.create_task_group() as group, client.start_request():
        await sid(client)
        for _ in range(50):
            group.start_soon(sid, client)
        await eventually(lambda: len(thread_of(client.sync).workers.busy) > 50)
        for _ in range(50):
            due = perf_counter() + 0.002
            await anyio.sleep(0.002)
            late.append(perf_counter() - due)
    # Of a busy machine the worst says nothing; of a loop that is blocked every beat is late.
    assert sorted(late)[10] < 0.05


def test_A09_two_loops(run_on_loop: Run[Any], scripted_server: ScriptedServer) -> None:
    from bridge import AsyncMongoClient

    client: Client = AsyncMongoClient(scripted_server.uri)

    async def main() -> int:
        here = threading.get_ident()

        async def ask(n: int) -> None:
            thing = (here, n)
            assert await client.run(tuple, thing) == thing
            assert threading.get_ident() == here
            async with client.start_request():
                number = await sid(client)
                await anyio.lowlevel.checkpoint()
                assert await sid(client) == number

        for _ in range(10):
            async with anyio.create_task_group() as group:
                for n in range(20):
                    group.start_soon(ask, n)
        return here

    async def close() -> None:
        await client.close()

    # Of threads that are not there at once, one may have the number of another.
    both_here = threading.Barrier(2, timeout=PATIENCE)

    def run() -> int:
        both_here.wait()
        return int(run_on_loop(main))

    loops = [start(run) for _ in range(2)]
    one, other = (loop.result(PATIENCE) for loop in loops)
    assert one != other
    run_on_loop(close)


@pytest.mark.parametrize("how", ["exception", "cancellation"])
async def test_A11_async_with(narrow: Client, how: str) -> None:
    async def hold() -> None:
        async with narrow.start_request():
            bound.append(await sid(narrow))
            if how == "exception":
                raise ZeroDivisionError
            await anyio.sleep_forever()

    bound: list[int] = []
    if how == "exception":
        with pytest.raises(ZeroDivisionError):
            await hold()
    else:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(cancel_when, scope, lambda: bound)
                await hold()
    assert not narrow.in_request() or how == "cancellation"
    # In another task: this one may still have its lane.
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as group:
            group.start_soon(narrow.admin.command, "whoami")
    await eventually(lambda: not narrow.in_request())


async def cancel_when(scope: anyio.CancelScope, condition: Callable[[], object]) -> None:
    await eventually(condition)
    scope.cancel()


SHUTDOWN = """
import asyncio, os, sys, time, warnings
from bridge import AsyncMongoClient

# Since 3.12 Python warns of any fork beside a thread.
warnings.simplefilter("ignore", DeprecationWarning)
client = AsyncMongoClient(sys.argv[1])

def threads():
    return len(os.listdir("/proc/self/task")) if os.path.exists("/proc/self/task") else 1

async def use():
    async with client.start_request():
        return (await client.admin.command("whoami"))["connectionId"]

async def use_and_close():
    number = await use()
    await client.close()
    return number

before = asyncio.run(use())
pid = os.fork()
if not pid:
    assert asyncio.run(use()) != before
    asyncio.run(use_and_close())
    sys.exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
assert asyncio.run(use()) == before
if sys.argv[2] == "close":
    asyncio.run(use_and_close())
    began = time.monotonic()
    while threads() > 1:
        assert time.monotonic() < began + 10, "the hub thread did not end"
print("fine")
"""


@pytest.mark.parametrize("end", ["close", "exit"])
def test_A12_hub_shutdown(scripted_server: ScriptedServer, end: str) -> None:
    result = run_script(SHUTDOWN, scripted_server.uri, end)
    assert (result.stdout, result.stderr, result.returncode) == ("fine\n", "", 0)


async def test_A13_sync_and_async_mix(client: Client) -> None:
    release = threading.Event()

    def blocking() -> tuple[int, int]:
        def ask() -> int:
            with client.sync.start_request():
                number: int = client.sync.admin.command("whoami")["connectionId"]
                asked.release()
                while not release.is_set():
                    gevent.sleep(0.001)
                assert client.sync.admin.command("whoami")["connectionId"] == number
                return number

        one, other = gevent.spawn(ask), gevent.spawn(ask)
        return one.get(), other.get()

    asked = threading.Semaphore(0)
    async with client.start_request():
        mine = await sid(client)
        greenlets: Future[tuple[int, int]] = start(in_hub, blocking)
        await eventually(lambda: asked.acquire(blocking=False))
        await eventually(lambda: asked.acquire(blocking=False))
        assert await sid(client) == mine
        release.set()
        await eventually(greenlets.done)
    assert len({mine, *greenlets.result(PATIENCE)}) == 3


# ---- beyond the list ----------------------------------------------------------------------------


async def test_run_is_part_of_the_tasks_request(client: Client) -> None:
    def blocking_sid() -> int:
        number: int = client.sync.admin.command("whoami")["connectionId"]
        return number

    async with client.start_request():
        assert await client.run(client.sync.in_request)
        assert await client.run(blocking_sid) == await sid(client)


async def test_greenlets_that_run_starts_are_contexts_of_their_own(client: Client) -> None:
    def of_a_greenlet() -> bool:
        return bool(gevent.spawn(client.sync.in_request).get())

    async with client.start_request():
        assert await client.run(of_a_greenlet) is False


async def test_requests_count(client: Client) -> None:
    async with client.start_request():
        async with client.start_request():
            number = await sid(client)
        assert client.in_request()
        assert await sid(client) == number
    assert not client.in_request()


async def test_another_task_cannot_end_a_request(client: Client) -> None:
    async with client.start_request() as request:
        async with anyio.create_task_group() as group:
            group.start_soon(request.end)
        assert client.in_request()
    assert not client.in_request()


async def test_surplus_ends_are_harmless(client: Client) -> None:
    await client.end_request()
    request = await client.start_request()
    await request.end()
    await request.end()
    await client.end_request()
    assert not client.in_request()
    async with client.start_request():
        assert client.in_request()


async def begin(client: Client) -> None:
    await client.start_request()


async def test_starting_a_request_neither_connects_nor_takes_a_place(
    narrow: Client, scripted_server: ScriptedServer
) -> None:
    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(begin, narrow)
    assert not [each for each in scripted_server.connections.values() if "whoami" in each.commands]


async def test_a_task_that_starts_a_request_by_itself_keeps_its_connection(
    connect: Connect, scripted_server: ScriptedServer
) -> None:
    client = connect(scripted_server.uri, auto_start_request=True)
    together = Meeting(3)
    seen: list[set[int]] = []

    async def ask() -> None:
        numbers = {await sid(client)}
        assert client.in_request()
        await together.wait()
        numbers |= {await sid(client) for _ in range(5)}
        seen.append(numbers)

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(ask)
    assert [len(numbers) for numbers in seen] == [1, 1, 1]
    assert len(set[int]().union(*seen)) == 3


async def test_two_clients_in_one_task_have_nothing_in_common(
    connect: Connect, scripted_server: ScriptedServer
) -> None:
    one, other = connect(scripted_server.uri), connect(scripted_server.uri)
    async with one.start_request():
        assert not other.in_request()
        async with other.start_request():
            assert await sid(one) != await sid(other)
        assert one.in_request()
        assert not other.in_request()


async def test_a_call_on_a_lane_holds_up_the_lanes_of_nobody_else(client: Client) -> None:
    go_on = await client.run(Event)

    async def hold() -> None:
        async with client.start_request():
            await client.run(go_on.wait)

    async with anyio.create_task_group() as group:
        group.start_soon(hold)
        async with client.start_request():
            await sid(client)
            await client.run(go_on.set)


def test_a_request_does_not_outlive_the_run_of_a_loop(
    run_on_loop: Run[Any], scripted_server: ScriptedServer
) -> None:
    from bridge import AsyncMongoClient

    client: Client = AsyncMongoClient(scripted_server.uri, maxPoolSize=1)

    async def leak() -> int:
        await client.start_request()
        return await sid(client)

    async def close() -> None:
        await client.close()

    numbers = {run_on_loop(leak) for _ in range(10)}
    run_on_loop(close)
    assert len(numbers) == 1
