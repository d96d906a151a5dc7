"""Event loops as callers: several at once, and loops that close with calls under way.

The cases are listed in tests/README.md.
"""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import anyio.lowlevel
import gevent
import pytest
import trio
from gevent.event import Event

from bridge import AsyncMongoClient
from greenmongo.lowlevel import HubClosed, HubThread, thread_of
from tests.support.fix_doors import in_hub, start
from tests.support.fix_leaks import wait_until
from tests.support.fix_loops import ASYNCIO_LOOPS, LOOPS, Client, Connect, Run, eventually
from tests.support.fix_scripted import Answer, Gate, ScriptedServer

PATIENCE = 15.0
FOUND = {"cursor": {"id": 0, "ns": "db.c", "firstBatch": [{"_id": "found"}]}}

on_asyncio = pytest.mark.parametrize("anyio_backend", ASYNCIO_LOOPS)


@pytest.fixture
def shared(scripted_server: ScriptedServer) -> Iterator[Client]:
    """A client that is used from several loops, and closed from none."""
    client: Client = AsyncMongoClient(scripted_server.uri, retryReads=False)
    yield client
    client.sync.close()


@pytest.fixture
def new_loop(
    anyio_backend: tuple[str, dict[str, Any]],
) -> Callable[[], asyncio.AbstractEventLoop]:
    """Provide a function that makes a loop of asyncio's, of whatever kind."""
    _, options = anyio_backend
    if options.get("use_uvloop"):
        import uvloop

        return uvloop.new_event_loop
    made: Callable[[], asyncio.AbstractEventLoop] = options.get(
        "loop_factory", asyncio.new_event_loop
    )
    return made


async def use(client: Client, rounds: int = 10) -> int:
    """Do a little of everything; return the number of the thread this ran in."""
    here = threading.get_ident()

    async def ask(n: int) -> None:
        thing = (here, n)
        assert await client.run(tuple, thing) == thing
        assert threading.get_ident() == here
        async with client.start_request():
            first = await client.admin.command("whoami")
            await anyio.lowlevel.checkpoint()
            assert (await client.admin.command("whoami"))["connectionId"] == first["connectionId"]
        await client.db.c.insert_one({"_id": f"{here} {n}"})
        assert await client.db.c.find_one({"_id": f"{here} {n}"}) == {"_id": f"{here} {n}"}
        await client.db.c.delete_one({"_id": f"{here} {n}"})

    for _ in range(rounds):
        async with anyio.create_task_group() as group:
            for n in range(10):
                group.start_soon(ask, n)
    return here


# ---- loops that come and go ---------------------------------------------------------------------


def test_a_hundred_loops_one_after_another(run_on_loop: Run[Any], shared: Client) -> None:
    async def main() -> Any:
        async with anyio.create_task_group() as group:
            group.start_soon(shared.run, int)
        return await shared.db.c.find_one() or await shared.run(str, "x")

    thread = thread_of(shared.sync)
    assert [run_on_loop(main) for _ in range(100)] == ["x"] * 100
    assert thread_of(shared.sync) is thread


def test_a_loop_that_has_ended_is_let_go(run_on_loop: Run[Any], shared: Client) -> None:
    async def main() -> None:
        await shared.run(int)

    def ports() -> int:
        gc.collect()
        return sum(type(each).__name__ in PORTS for each in gc.get_objects())

    PORTS = ("_AsyncioPort", "_TrioPort")
    run_on_loop(main)
    before = ports()
    for _ in range(5):
        run_on_loop(main)
        start(run_on_loop, main).result(PATIENCE)
    # A thread may have told its result and not be gone yet.
    wait_until(lambda: ports() <= before + 1)


@on_asyncio
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_A10_loop_closed(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
    shared: Client,
    scripted_server: ScriptedServer,
) -> None:
    gate = Gate()
    scripted_server.script("find", *[Answer(FOUND, manner=gate)] * 6)
    scripted_server.on("find", FOUND)

    async def in_request() -> None:
        async with shared.start_request():
            await shared.db.c.find_one()

    def abandon_a_loop() -> None:
        loop = new_loop()
        tasks = [loop.create_task(shared.db.c.find_one()) for _ in range(3)]
        tasks += [loop.create_task(in_request()) for _ in range(3)]
        loop.run_until_complete(eventually_on_asyncio(lambda: gate.waiting == 6))
        loop.close()
        for task in tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # it is what we want

    async def undisturbed() -> Any:
        return await shared.db.c.find_one()

    thread = thread_of(shared.sync)
    start(abandon_a_loop).result(PATIENCE)
    gate.open()
    assert asyncio.run(undisturbed()) == {"_id": "found"}
    gc.collect()
    assert asyncio.run(undisturbed()) == {"_id": "found"}
    assert thread_of(shared.sync) is thread
    # A task can be collected once the hub has the reply to its operation.
    wait_until(lambda: gc.collect() >= 0 and not shared.sync._executor.open().table.holders)


async def eventually_on_asyncio(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110  # what nobody announces has to be looked for
        await asyncio.sleep(0.001)


@on_asyncio
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_result_for_a_loop_that_is_closed_disturbs_nobody(
    new_loop: Callable[[], asyncio.AbstractEventLoop], shared: Client
) -> None:
    """Both results are flushed together, and one of the loops is no more."""
    thread = thread_of(shared.sync)
    go_on, running = thread.call(Event), thread.call(Event)

    def wait() -> str:
        running.set()
        go_on.wait()
        return "kept"

    def abandon_a_loop() -> object:
        loop = new_loop()
        task = loop.create_task(shared.run(wait))
        loop.run_until_complete(eventually_on_asyncio(running.is_set))
        loop.close()
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # it is what we want
        return task

    left = start(abandon_a_loop).result(PATIENCE)

    async def main() -> str:
        call = asyncio.ensure_future(shared.run(wait))
        await eventually_on_asyncio(lambda: len(thread.workers.busy) == 2)
        await shared.run(go_on.set)
        return await call

    assert asyncio.run(main()) == "kept"
    assert left is not None


# ---- many at once -------------------------------------------------------------------------------


@pytest.mark.slow
def test_eight_loops_at_once(run_on_loop: Run[Any], shared: Client) -> None:
    async def main() -> int:
        return await use(shared, rounds=3)

    # Of threads that are not there at once, one may have the number of another.
    everybody_here = threading.Barrier(8, timeout=PATIENCE)

    def run() -> int:
        everybody_here.wait()
        return int(run_on_loop(main))

    loops = [start(run) for _ in range(8)]
    assert len({loop.result(PATIENCE) for loop in loops}) == 8


@pytest.mark.slow
def test_every_kind_of_loop_on_one_client_at_once(shared: Client) -> None:
    async def main() -> int:
        return await use(shared, rounds=5)

    kinds: list[Any] = [kind.values[0] for kind in LOOPS]
    everybody_here = threading.Barrier(len(kinds), timeout=PATIENCE)

    def run(backend: str, options: dict[str, Any]) -> int:
        everybody_here.wait()
        return anyio.run(main, backend=backend, backend_options=options)

    loops = [start(run, *kind) for kind in kinds]
    assert len({loop.result(PATIENCE) for loop in loops}) == len(kinds)


@pytest.mark.slow
def test_a_loop_inside_another_of_a_different_kind(shared: Client) -> None:
    """trio's guest mode: one thread, two kinds of tasks."""

    async def of_trio() -> str:
        async with shared.start_request():
            return str(await shared.run(str, "trio"))

    async def of_asyncio() -> tuple[str, str]:
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        outcomes: list[Any] = []

        def note(outcome: Any) -> None:
            outcomes.append(outcome)
            done.set()

        trio.lowlevel.start_guest_run(
            of_trio, run_sync_soon_threadsafe=loop.call_soon_threadsafe, done_callback=note
        )
        while not done.is_set():
            assert await shared.run(str, "asyncio") == "asyncio"
        return "asyncio", outcomes[0].unwrap()

    assert asyncio.run(of_asyncio()) == ("asyncio", "trio")


@pytest.mark.slow
def test_every_kind_of_caller_at_the_same_moment(shared: Client) -> None:
    """Each holds a connection of its own until all have one, and finds it unchanged then."""
    parties = 5
    sids: set[int] = set()
    everybody = threading.Event()

    def met(number: int) -> None:
        sids.add(number)
        if len(sids) == parties:
            everybody.set()

    def blocking(pause: Callable[[], object]) -> None:
        with shared.sync.start_request():
            number = shared.sync.admin.command("whoami")["connectionId"]
            met(number)
            while not everybody.is_set():
                assert shared.sync.admin.command("whoami")["connectionId"] == number
                pause()
            assert shared.sync.admin.command("whoami")["connectionId"] == number

    async def awaiting() -> None:
        async with shared.start_request():
            number = (await shared.admin.command("whoami"))["connectionId"]
            met(number)
            while not everybody.is_set():
                assert (await shared.admin.command("whoami"))["connectionId"] == number
            assert (await shared.admin.command("whoami"))["connectionId"] == number

    def greenlets() -> None:
        gevent.joinall(
            [gevent.spawn(blocking, lambda: gevent.sleep(0)) for _ in range(2)], raise_error=True
        )

    callers = [
        start(lambda: asyncio.run(awaiting())),
        start(lambda: trio.run(awaiting)),
        start(blocking, lambda: None),
        start(in_hub, greenlets),
    ]
    for caller in callers:
        caller.result(PATIENCE)
    assert len(sids) == parties


# ---- the hub stops under its callers ------------------------------------------------------------


def fail(error: BaseException) -> None:
    raise error


def kill(thread: HubThread) -> None:
    """Have the hub thread die of a bug."""
    thread.submit(lambda: fail(SystemError("injected")))


@pytest.fixture
def noise(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Take the report of an injected error off the screen, where `silent_hub` would find it."""
    yield
    assert "injected" in capfd.readouterr().err


@pytest.mark.anyio
async def test_every_call_is_answered_when_the_hub_dies(
    connect: Connect, scripted_server: ScriptedServer, silent_hub: None, noise: None
) -> None:
    gate = Gate()
    scripted_server.script("find", *[Answer(FOUND, manner=gate)] * 6)
    client = connect(scripted_server.uri)
    errors: list[type[BaseException]] = []

    async def ask(in_request: bool) -> None:
        if in_request:
            await client.start_request()
        try:
            await client.db.c.find_one()
        except HubClosed as error:
            errors.append(type(error))
            assert not client.in_request()
            # The next call starts a new hub, and a request can be started there.
            assert await client.run(str, "next") == "next"
            async with client.start_request():
                assert client.in_request()
                assert await client.run(str, "again") == "again"
            assert not client.in_request()

    thread = thread_of(client.sync)
    async with anyio.create_task_group() as group:
        for n in range(6):
            group.start_soon(ask, n % 2 == 0)
        await eventually(lambda: gate.waiting == 6)
        kill(thread)
    gate.open()
    assert errors == [HubClosed] * 6
    assert thread_of(client.sync) is not thread


@pytest.mark.anyio
async def test_a_lane_is_not_stuck_on_a_hub_that_is_gone(
    connect: Connect, scripted_server: ScriptedServer, silent_hub: None, noise: None
) -> None:
    client = connect(scripted_server.uri)
    async with client.start_request():
        await client.admin.command("ping")
        thread = thread_of(client.sync)
        kill(thread)
        await eventually(lambda: not thread.is_usable)
        with anyio.fail_after(PATIENCE):
            assert await client.run(str, "next") == "next"
        assert not client.in_request()


@pytest.mark.anyio
async def test_closing_a_client_answers_the_calls_that_wait(
    connect: Connect, scripted_server: ScriptedServer
) -> None:
    gate = Gate()
    scripted_server.script("find", *[Answer(FOUND, manner=gate)] * 4)
    client = connect(scripted_server.uri)
    outcomes: list[str] = []

    async def ask() -> None:
        try:
            await client.db.c.find_one()
        except Exception as error:
            outcomes.append(type(error).__name__)

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(ask)
        await eventually(lambda: gate.waiting == 4)
        await client.close()
    gate.open()
    assert len(outcomes) == 4
