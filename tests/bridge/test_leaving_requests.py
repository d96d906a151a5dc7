"""Cases R22 to R24 for tasks: what leaves an operation half-way leaves the request intact.

The cases are listed in tests/README.md.
"""

from __future__ import annotations

from collections.abc import Callable

import anyio
import pytest

from tests.support.fix_hub import run_script
from tests.support.fix_loops import Client, Connect, eventually
from tests.support.fix_scripted import Answer, Gate, ScriptedServer

pytestmark = pytest.mark.anyio

STALE = {"cursor": {"id": 0, "firstBatch": [{"stale": 1}]}}

INTERRUPT = """
import asyncio, os, signal, sys, threading
import trio
from bridge import AsyncMongoClient
from tests.support.fix_scripted import Answer, Gate, ScriptedServer

STALE = {"cursor": {"id": 0, "firstBatch": [{"stale": 1}]}}
LEAVING = {"asyncio": asyncio.CancelledError, "trio": KeyboardInterrupt}[sys.argv[1]]

def interrupt(gate):
    gate.wait_for_waiting()
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

async def main():
    gate = Gate()
    with ScriptedServer() as server:
        client = AsyncMongoClient(server.uri)
        server.script("find", Answer(STALE, gate))
        interrupter = threading.Thread(target=interrupt, args=(gate,))
        async with client.start_request() as request:
            before = (await client.admin.command("whoami"))["connectionId"]
            interrupter.start()
            try:
                await client.test.c.find_one()
            except LEAVING:
                print("interrupted")
            assert client.in_request()
            interrupter.join()
            gate.open()
            assert await client.test.c.find_one() is None
            assert (await client.admin.command("whoami"))["connectionId"] == before
        await client.close()

if sys.argv[1] == "trio":
    trio.run(main)
else:
    # As asyncio.run does since Python 3.11, but without its KeyboardInterrupt at the end.
    loop = asyncio.new_event_loop()
    task = loop.create_task(main())
    loop.add_signal_handler(signal.SIGINT, task.cancel)
    loop.run_until_complete(task)
    loop.close()
"""


@pytest.mark.parametrize("library", ["asyncio", "trio"])
def test_R22_an_interrupt_neither_costs_the_connection_nor_mixes_up_replies(library: str) -> None:
    result = run_script(INTERRUPT, library)
    assert (result.stdout, result.stderr, result.returncode) == ("interrupted\n", "", 0)


@pytest.fixture
def narrow(connect: Connect, scripted_server: ScriptedServer) -> Client:
    """A client with a single connection: who does not give it back is noticed at once."""
    return connect(scripted_server.uri, maxPoolSize=1)


async def sid(client: Client) -> int:
    """Return the server's number of the connection that this task's operation took."""
    number: int = (await client.admin.command("whoami"))["connectionId"]
    return number


async def test_R23_a_timeout_leaves_the_request_intact(
    narrow: Client, scripted_server: ScriptedServer
) -> None:
    gate = Gate()
    scripted_server.script("find", Answer(STALE, gate))
    async with narrow.start_request():
        before = await sid(narrow)
        scope = anyio.move_on_after(60)
        async with anyio.create_task_group() as group:
            with scope:
                group.start_soon(expire_when, scope, lambda: gate.waiting)
                await narrow.test.c.find_one()
        assert scope.cancelled_caught
        gate.open()
        assert narrow.in_request()
        assert await narrow.test.c.find_one() is None
        assert await sid(narrow) == before
    # The only place in the pool is free again.
    async with anyio.create_task_group() as group:
        group.start_soon(sid, narrow)


async def expire_when(scope: anyio.CancelScope, condition: Callable[[], object]) -> None:
    await eventually(condition)
    scope.deadline = anyio.current_time()


async def test_R24_a_task_cancelled_during_an_operation_leaves_nothing(
    narrow: Client, scripted_server: ScriptedServer
) -> None:
    gate = Gate()
    scripted_server.script("find", Answer(STALE, gate))
    before = await sid(narrow)

    async def victim() -> None:
        await narrow.start_request()
        await narrow.test.c.find_one()

    async with anyio.create_task_group() as group:
        group.start_soon(victim)
        await eventually(lambda: gate.waiting)
        group.cancel_scope.cancel()
    gate.open()
    assert await narrow.test.c.find_one() is None
    assert await sid(narrow) == before
    holders = narrow.sync._executor.open().table.holders
    await eventually(lambda: not holders)
