"""`python -m benchmarks.leaving`: how soon callers who leave are gone, and what they leave behind.

Beside PyMongo's async client, in one run: how late a caller hears of its timeout, for every way
to set one; how many connections are opened when a hundred operations of 60 ms are cancelled with
a pool of five; and how many of thirty reads of 3 s still run on the server a second after they
were cancelled.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import anyio
import pymongo
from pymongo.errors import PyMongoError

from benchmarks import report
from benchmarks.measure import percentile
from bridge import AsyncMongoClient
from greenmongo.embedded import MongoServer

DATABASE = "leaving"
TIMEOUT = 0.02
LATE = 0.005
"""Seconds by which a caller may hear too late of its timeout, in 99 of 100 cases."""

Doc = dict[str, Any]
Things = Any
Wait = Callable[[Things], Awaitable[None]]

DRIVERS: dict[str, Callable[..., Any]] = {
    "bridge": AsyncMongoClient[Doc],
    "PyMongo async": pymongo.AsyncMongoClient[Doc],
}


def slow(milliseconds: int) -> Doc:
    """Return a filter that takes the server so long."""
    return {"$where": f"sleep({milliseconds}) || true"}


# ---- how late ------------------------------------------------------------------------------------


async def asyncio_timeout(things: Things) -> None:
    """Wait as of Python 3.11."""
    async with asyncio.timeout(TIMEOUT):
        await things.find_one(slow(500))


async def asyncio_wait_for(things: Things) -> None:
    """Wait as one always could."""
    await asyncio.wait_for(things.find_one(slow(500)), TIMEOUT)


async def anyio_fail_after(things: Things) -> None:
    """Wait in a scope, of asyncio's or of trio's."""
    with anyio.fail_after(TIMEOUT):
        await things.find_one(slow(500))


async def only_find(things: Things) -> None:
    """Leave it to the client's timeoutMS."""
    await things.find_one(slow(500))


WAITS: dict[str, Wait] = {
    "asyncio.timeout": asyncio_timeout,
    "asyncio.wait_for": asyncio_wait_for,
    "anyio.fail_after": anyio_fail_after,
    "timeoutMS": only_find,
    "trio, fail_after": anyio_fail_after,
}


async def delays(make: Callable[..., Any], uri: str, name: str, count: int) -> list[float]:
    """Return by how much a caller heard too late of its timeout, each time."""
    options = {"timeoutMS": int(1e3 * TIMEOUT)} if name == "timeoutMS" else {}
    found = []
    async with make(uri, maxPoolSize=20, **options) as client:
        things = client[DATABASE].things
        await warm_up(things)
        for _ in range(count):
            began = time.perf_counter()
            with suppress(TimeoutError, PyMongoError):
                await WAITS[name](things)
            found.append(time.perf_counter() - began - TIMEOUT)
            # What was left is over before the next one, so that the pool is not what counts.
            await anyio.sleep(0.02)
    return found


async def warm_up(things: Things) -> None:
    """Open some connections, so that none has to be waited for."""

    async def call() -> None:
        # A timeout that is meant for what comes after may be too short for this.
        with suppress(PyMongoError):
            await things.find_one()

    for _ in range(3):
        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(call)


def how_late(uri: str, count: int) -> bool:
    """Print how late callers hear of their timeouts; tell whether ours hear soon enough."""
    rows: list[Sequence[str]] = [("late by, ms", "", "p50", "p99", "worst")]
    is_good = True
    for name in WAITS:
        for driver, make in DRIVERS.items():
            backend = "trio" if name.startswith("trio") else "asyncio"
            if backend == "trio" and driver != "bridge":
                continue
            if name == "asyncio.timeout" and sys.version_info < (3, 11):
                continue
            late = anyio.run(delays, make, uri, name, count, backend=backend)
            figures = (percentile(late, 0.5), percentile(late, 0.99), max(late))
            rows.append((name, driver, *(f"{1e3 * seconds:.2f}" for seconds in figures)))
            is_good &= driver != "bridge" or figures[1] <= LATE
    say(report.lay_out(rows))
    return is_good


# ---- what is left behind ---------------------------------------------------------------------


async def cancelled_after(seconds: float, call: Any) -> None:
    """Await a call for a while, then cancel it."""
    task = asyncio.ensure_future(call)
    await asyncio.wait([task], timeout=seconds)
    task.cancel()
    await asyncio.wait([task])


async def short_ones(make: Callable[..., Any], uri: str, opened: Callable[[], int]) -> int:
    """Cancel a hundred short operations, five at a time; return the connections opened for it."""
    options = {"maxPoolSize": 5, "heartbeatFrequencyMS": 60_000}
    async with make(uri, **options) as client:
        things = client[DATABASE].things
        await asyncio.gather(*(things.find_one(slow(60)) for _ in range(5)))
        before = opened()
        for _ in range(20):
            calls = [things.find_one(slow(60)) for _ in range(5)]
            await asyncio.gather(*(cancelled_after(0.02, call) for call in calls))
        await things.find_one()
        return opened() - before


async def long_ones(make: Callable[..., Any], uri: str, running: Callable[[], int]) -> int:
    """Cancel thirty long reads; return how many of them the server is busy with a second later."""
    async with make(uri) as client:
        things = client[DATABASE].things
        calls = [things.find_one(slow(3_000), comment="leaving") for _ in range(30)]
        await asyncio.gather(*(cancelled_after(0.3, call) for call in calls))
        await asyncio.sleep(1.0)
        left = running()
    # The next one to be measured starts from nothing.
    while running():  # noqa: ASYNC110  # the server announces nothing
        await asyncio.sleep(0.1)
    return left


def what_is_left(uri: str, aside: pymongo.MongoClient[Doc]) -> bool:
    """Print what cancelled callers leave behind; tell whether ours leave little enough."""

    def opened() -> int:
        return int(aside.admin.command("serverStatus")["connections"]["totalCreated"])

    def running() -> int:
        pipeline: list[Doc] = [{"$currentOp": {}}, {"$match": {"command.comment": "leaving"}}]
        return len(list(aside.admin.aggregate(pipeline)))

    rows: list[Sequence[str]] = [("", "connections opened", "left on the server")]
    is_good = True
    for driver, make in DRIVERS.items():
        connections = asyncio.run(short_ones(make, uri, opened))
        left = asyncio.run(long_ones(make, uri, running))
        rows.append((driver, str(connections), str(left)))
        is_good &= driver != "bridge" or (connections <= 5 and left == 0)
    say(report.lay_out(rows))
    return is_good


def say(text: str) -> None:
    """Print at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def run(uri: str, count: int) -> int:
    """Measure on a server; 1 if ours leave too late or too much."""
    with pymongo.MongoClient[Doc](uri) as aside:
        aside[DATABASE].things.insert_one({"_id": 1})
        try:
            is_good = how_late(uri, count)
            is_good &= what_is_left(uri, aside)
        finally:
            aside.drop_database(DATABASE)
    say("within the limits" if is_good else "MORE THAN ALLOWED (an idle machine is assumed)")
    return 0 if is_good else 1


def main() -> int:
    """Run it on a server of its own, or on another."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.leaving")
    parser.add_argument("--count", type=int, default=200, help="timeouts of each kind")
    parser.add_argument("--mongo-uri", help="a server to use instead of one of its own")
    options = parser.parse_args()
    if options.mongo_uri:
        return run(options.mongo_uri, options.count)
    with MongoServer() as server:
        return run(server.uri, options.count)


if __name__ == "__main__":
    sys.exit(main())
