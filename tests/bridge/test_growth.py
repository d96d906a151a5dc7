"""What many tasks cost, and that they leave nothing behind: counted in objects, not in memory."""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from bridge._crossing.lane import Lane
from greenmongo._hub.workers import IDLE_LIMIT, Worker
from greenmongo.lowlevel import Call, Context, thread_of
from tests.support.fix_loops import Client, Connect, eventually
from tests.support.fix_scripted import ScriptedServer

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

LANES = 2_000
KILOBYTES_PER_LANE = 60
TASKS = {"asyncio": 100_000, "uvloop": 20_000, "eager": 20_000, "trio": 20_000}

STATM = Path("/proc/self/statm")


def resident() -> int:
    """Return the process's memory in bytes, 0 where nobody tells."""
    if not STATM.exists():
        return 0
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def alive(*kinds: type) -> Counter[str]:
    """Count the objects of these types, subclasses included."""
    gc.collect()
    found: Counter[str] = Counter()
    for each in gc.get_objects():
        for kind in kinds:
            if issubclass(type(each), kind):
                found[kind.__name__] += 1
    return found


def rows(client: Client) -> int:
    """Return how many contexts are in a request."""
    return len(client.sync._executor.open().table.holders)


async def in_crowds(count: int, size: int, task: Callable[[int], Any]) -> None:
    """Run `count` tasks, `size` at a time."""
    for first in range(0, count, size):
        async with anyio.create_task_group() as group:
            for n in range(first, first + size):
                group.start_soon(task, n)


@pytest.mark.timeout(120)
async def test_many_lanes_at_once_cost_little_and_end_with_their_tasks(
    connect: Connect, scripted_server: ScriptedServer
) -> None:
    client = connect(scripted_server.uri)
    go_on = anyio.Event()

    async def hold(_: int = 0) -> None:
        async with client.start_request():
            assert await client.run(int) == 0
            await go_on.wait()

    await client.run(int)
    before = alive(Lane, Worker, Context)
    memory = resident()
    async with anyio.create_task_group() as group:
        for _ in range(LANES):
            group.start_soon(hold)
        await eventually(lambda: rows(client) == LANES, 60)
        # Every one of them has its answer.
        await anyio.wait_all_tasks_blocked()
        assert len(client._dispatcher._lanes) == LANES
        assert await client.run(int) == 0
        assert (resident() - memory) / LANES < KILOBYTES_PER_LANE * 1024
        go_on.set()
    await eventually(lambda: not rows(client))
    # Lanes end with their tasks, which the collector may still have to see to.
    gc.collect()
    await eventually(lambda: not thread_of(client.sync).workers.busy)

    def is_gone() -> bool:
        after = alive(Lane, Worker, Context)
        # Not more: tests before this one may have left some to be collected meanwhile.
        return (
            after["Lane"] <= before["Lane"]
            and after["Context"] <= before["Context"]
            and after["Worker"] <= before["Worker"] + IDLE_LIMIT
        )

    # The hub may not have let go of the last one yet.
    await eventually(is_gone)


@pytest.mark.timeout(240)
async def test_short_tasks_leave_nothing(
    connect: Connect, scripted_server: ScriptedServer, request: pytest.FixtureRequest
) -> None:
    """One in ten starts a request and leaks it, one in twenty is cancelled."""
    client = connect(scripted_server.uri)
    count = TASKS[request.node.callspec.id]

    async def short(n: int) -> None:
        if n % 10 == 0:
            await client.start_request()
        if n % 20 == 1:
            with anyio.CancelScope() as scope:
                scope.cancel()
                await client.run(int)
        assert await client.run(int) == 0

    def objects() -> int:
        gc.collect()
        return len(gc.get_objects())

    await in_crowds(2_000, 200, short)
    await eventually(lambda: not rows(client))
    before, kinds = objects(), alive(Lane, Worker, Context, Call)
    await in_crowds(count, 200, short)
    gc.collect()
    await eventually(lambda: not rows(client))
    await client.run(int)
    await eventually(lambda: objects() - before < 500)

    def is_gone() -> bool:
        after = alive(Lane, Worker, Context, Call)
        return (
            after["Lane"] <= kinds["Lane"]
            and after["Context"] <= kinds["Context"] + 1
            and after["Call"] <= kinds["Call"] + 1
            # Workers are made for the largest crowd so far, and kept.
            and after["Worker"] <= max(kinds["Worker"], 250)
        )

    # The hub may not have let go of the last one yet.
    await eventually(is_gone)
    assert len(client._dispatcher._lanes) == 0
