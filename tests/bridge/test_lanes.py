"""Lanes end with their task or with their client, whichever comes first."""

from __future__ import annotations

import gc
from functools import partial
from typing import Any

import pytest

from bridge import AsyncMongoClient
from bridge._crossing.lane import Lane
from greenmongo._hub.context import Context
from greenmongo.lowlevel import Call, HubThread, acquire, thread_of
from tests.support.fix_leaks import wait_until
from tests.support.fix_loops import TRIO, Client, Connect, Run, eventually
from tests.support.fix_scripted import ScriptedServer

pytestmark = pytest.mark.anyio


def alive(kind: type) -> int:
    gc.collect()
    return sum(issubclass(type(each), kind) for each in gc.get_objects())


@pytest.mark.parametrize("how", ["closed", "forgotten"])
async def test_a_task_keeps_nothing_of_the_clients_it_has_done_with(
    scripted_server: ScriptedServer, how: str
) -> None:
    async def use() -> None:
        client: Client = AsyncMongoClient(scripted_server.uri)
        await client.start_request()
        await client.admin.command("ping")
        if how == "closed":
            await client.close()

    lease = acquire()  # or the thread would end with the last client, and all lanes with it
    try:
        await use()
        await eventually(lambda: not lease.workers.busy)
        before = alive(Lane), alive(Context)
        for _ in range(5):
            await use()
        await eventually(lambda: alive(Lane) <= before[0] and alive(Context) <= before[1])
        await eventually(lambda: not lease.workers.busy)
    finally:
        lease.release()


async def test_a_client_may_be_used_after_its_lanes_were_retired(
    connect: Connect, scripted_server: ScriptedServer
) -> None:
    client = connect(scripted_server.uri)
    async with client.start_request():
        client._dispatcher.retire_lanes()
        assert not client.in_request()
    async with client.start_request():
        await client.admin.command("ping")
        assert client.in_request()


async def test_a_call_that_comes_after_the_end_of_its_lane_is_run(
    connect: Connect, scripted_server: ScriptedServer
) -> None:
    client = connect(scripted_server.uri)
    await client.start_request()
    (lane,) = client._dispatcher._lanes.values()
    lane.retire()
    await eventually(lambda: not thread_of(client.sync).workers.busy)
    ran: list[int] = []

    class Late(Call):
        def deliver(self, value: Any, error: BaseException | None) -> None:
            ran.append(value)

    call = Late(lane.thread.workers, int)
    lane.thread.submit(partial(lane.enter, call))
    await eventually(lambda: ran == [0])
    await eventually(lambda: not thread_of(client.sync).workers.busy)


@pytest.mark.parametrize("anyio_backend", [TRIO])
def test_the_end_of_a_run_ends_its_requests_on_every_client(
    run_on_loop: Run[Any], scripted_server: ScriptedServer, hub_thread: HubThread
) -> None:
    clients: list[Client] = [AsyncMongoClient(scripted_server.uri) for _ in range(2)]
    kept = []

    async def leak() -> None:
        import trio

        # The task is still referred to, as those of a traceback are.
        kept.append(trio.lowlevel.current_task())
        for client in clients:
            await client.start_request()
            await client.admin.command("ping")

    run_on_loop(leak)
    try:
        for client in clients:
            table = client.sync._executor.open().table
            wait_until(lambda table=table: not table.holders)  # type: ignore[misc]
    finally:
        for client in clients:
            client.sync.close()
