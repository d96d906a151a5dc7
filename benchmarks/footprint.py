"""`python -m benchmarks.footprint`: what requests and tasks cost in memory.

Ten thousand tasks are in a request at once, each with a connection of its own; what one of them
takes is compared with what a bare task takes. Then a million short tasks, some of which start a
request and some of which are cancelled, come and go: the memory must not grow. PyMongo's async
client, which has no requests, does the second as the control.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pymongo

from benchmarks.measure import COLLECTION, DATABASE, FILTER
from benchmarks.server import FixedServer
from bridge import AsyncMongoClient

KILOBYTES_PER_REQUEST = 60
MEGABYTES_FOR_ALL_TASKS = 5.0
CROWD = 500

Doc = dict[str, Any]
_STATM = Path("/proc/self/statm")


def resident() -> int:
    """Return the process's memory in bytes, with the garbage gone."""
    gc.collect()
    return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def say(text: str) -> None:
    """Print at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


async def held_at_once(count: int, hold: Callable[[Callable[[], Awaitable[None]]], Any]) -> float:
    """Return the kilobytes per task when `count` of them hold what `hold` takes."""
    before, go_on, arrived = resident(), asyncio.Event(), 0

    async def wait() -> None:
        nonlocal arrived
        arrived += 1
        await go_on.wait()

    tasks = [asyncio.create_task(hold(wait)) for _ in range(count)]
    while arrived < count:
        await asyncio.sleep(0.01)
        for task in tasks:
            if task.done():
                await task
    held = resident() - before
    go_on.set()
    await asyncio.gather(*tasks)
    return held / count / 1024


async def measure_requests(uri: str, count: int) -> bool:
    """Hold many requests at once; tell whether they are cheap enough."""
    async with AsyncMongoClient[Doc](uri, maxPoolSize=0, maxConnecting=20) as client:
        things = client[DATABASE][COLLECTION]
        await things.find_one(FILTER)

        async def bare(wait: Callable[[], Awaitable[None]]) -> None:
            await wait()

        async def in_a_request(wait: Callable[[], Awaitable[None]]) -> None:
            async with client.start_request():
                await things.find_one(FILTER)
                await wait()

        task = await held_at_once(count, bare)
        request = await held_at_once(count, in_a_request)
    say(
        f"{count:,} requests at once: {request:.1f} KB each, the connection's buffer of 16 KB and "
        f"the task itself ({task:.1f} KB) included; at most {KILOBYTES_PER_REQUEST} KB"
    )
    return request <= KILOBYTES_PER_REQUEST


async def short_tasks(find_one: Any, start_request: Any, count: int) -> float:
    """Run many tasks, a crowd at a time; return by how many megabytes the memory has grown."""

    async def short(n: int) -> None:
        if n % 10 == 0 and start_request is not None:
            await start_request()
        await find_one(FILTER)

    async def crowd(first: int) -> None:
        tasks = [asyncio.create_task(short(n)) for n in range(first, first + CROWD)]
        await asyncio.sleep(0)
        for task in tasks[1::20]:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task

    for first in range(0, min(count, 50_000), CROWD):
        await crowd(first)
    before = resident()
    for first in range(0, count, CROWD):
        await crowd(first)
    return (resident() - before) / 1024 / 1024


async def measure_tasks(uri: str, ours: int, theirs: int) -> bool:
    """Run many short tasks with either driver; tell whether ours leave nothing behind."""
    async with AsyncMongoClient[Doc](uri) as client:
        began = time.monotonic()
        grown = await short_tasks(client[DATABASE][COLLECTION].find_one, client.start_request, ours)
        seconds = time.monotonic() - began
    say(f"bridge: {ours:,} short tasks: {grown:+.2f} MB, {seconds:.0f} s")
    if theirs:
        async with pymongo.AsyncMongoClient[Doc](uri) as control:
            began = time.monotonic()
            also = await short_tasks(control[DATABASE][COLLECTION].find_one, None, theirs)
            seconds = time.monotonic() - began
        say(f"PyMongo async: {theirs:,} short tasks: {also:+.2f} MB, {seconds:.0f} s")
    return abs(grown) <= MEGABYTES_FOR_ALL_TASKS


def allow_files(count: int) -> int:
    """Have so many files open at once, or as many as the system lets us; return how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return count
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def main() -> int:
    """Measure and print; 1 if it is more than it may be."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.footprint")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--tasks", type=int, default=1_000_000)
    parser.add_argument("--control", type=int, default=200_000, help="tasks of PyMongo's; 0: none")
    options = parser.parse_args()
    spare = 200
    files = allow_files(options.requests + spare)
    if files < options.requests + spare:
        parser.error(f"only {files} files may be open at once; choose fewer --requests")
    is_good = True
    with FixedServer() as server:
        if options.requests:
            is_good &= asyncio.run(measure_requests(server.uri, options.requests))
        if options.tasks:
            is_good &= asyncio.run(measure_tasks(server.uri, options.tasks, options.control))
    say("within the limits" if is_good else "MORE THAN ALLOWED")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
