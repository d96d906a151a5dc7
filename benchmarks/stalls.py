"""`python -m benchmarks.stalls`: what one large read or write does to everybody else.

60,000 documents of 25 MB are read and written while a timer of the same loop measures the longest
time that the loop stands still, and a thread calls `find_one` on the same client (for PyMongo's
async client, which belongs to its loop, a task does). Medians of alternating rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence, Sized
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pymongo

from benchmarks import report
from benchmarks.measure import percentile
from bridge import AsyncMongoClient
from greenmongo.embedded import MongoServer

DATABASE = "stalls"
COUNT = 60_000
FILLER = "x" * 380
TICK = 0.001

Doc = dict[str, Any]
Act = Callable[[Any, list[Doc]], Awaitable[Sized]]


async def nothing(db: Any, documents: list[Doc]) -> Sized:
    """Take a while: what the machine itself does to a loop."""
    await asyncio.sleep(0.2)
    return documents


async def iterate(db: Any, documents: list[Doc]) -> Sized:
    """Read everything, document by document."""
    seen = 0
    async for _ in db.large.find():
        seen += 1
    return range(seen)


async def to_list(db: Any, documents: list[Doc]) -> Sized:
    """Read everything into one list."""
    result: list[Doc] = await db.large.find().to_list()
    return result


async def insert_many(db: Any, documents: list[Doc]) -> Sized:
    """Write everything in one call."""
    result: list[Any] = (await db.written.insert_many(documents)).inserted_ids
    return result


ACTS: dict[str, Act] = {
    "nothing": nothing,
    "async for": iterate,
    "to_list": to_list,
    "insert_many": insert_many,
}


def make_documents() -> list[Doc]:
    """Return what is read and written."""
    return [{"_id": n, "n": n, "filler": FILLER} for n in range(COUNT)]


@dataclass(slots=True)
class Sample:
    """What one act took, and what it did to the others; seconds."""

    wall: float = 0.0
    cpu: float = 0.0
    worst_stall: float = 0.0
    waits: list[float] = field(default_factory=list)


async def watch_loop(sample: Sample) -> None:
    """Note by how much the loop is late at most."""
    while True:
        before = time.perf_counter()
        await asyncio.sleep(TICK)
        sample.worst_stall = max(sample.worst_stall, time.perf_counter() - before - TICK)


@asynccontextmanager
async def others_in_a_thread(db: Any, sample: Sample) -> AsyncIterator[None]:
    """Have a thread call the same client, over and over."""
    is_over = threading.Event()
    blocking = db.client.sync[DATABASE].small

    def call() -> None:
        while not is_over.is_set():
            before = time.perf_counter()
            blocking.find_one({"_id": 1})
            sample.waits.append(time.perf_counter() - before)
            time.sleep(TICK)

    thread = threading.Thread(target=call)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        # It may need the loop's turn for the interpreter, but nothing of the loop.
        await asyncio.sleep(0)
        thread.join()


@asynccontextmanager
async def others_in_a_task(db: Any, sample: Sample) -> AsyncIterator[None]:
    """Have a task call the same client, over and over."""

    async def call() -> None:
        while True:
            before = time.perf_counter()
            await db.small.find_one({"_id": 1})
            sample.waits.append(time.perf_counter() - before)
            await asyncio.sleep(TICK)

    task = asyncio.create_task(call())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def measure(db: Any, act: Act, others: Callable[..., Any]) -> Sample:
    """Do it once, with others around."""
    await db.small.find_one({"_id": 1})
    await db.written.drop()
    documents = make_documents()
    gc.collect()
    sample = Sample()
    watcher = asyncio.create_task(watch_loop(sample))
    try:
        async with others(db, sample):
            await asyncio.sleep(0.05)
            sample.worst_stall = 0.0
            sample.waits.clear()
            wall, cpu = time.perf_counter(), time.process_time()
            # Kept, since freeing so much is not the driver's doing.
            result = await act(db, documents)
            # The loop may have stood still to the very end: let the timer notice.
            await asyncio.sleep(2 * TICK)
            sample.wall, sample.cpu = time.perf_counter() - wall, time.process_time() - cpu
    finally:
        watcher.cancel()
    if len(result) != COUNT:
        raise RuntimeError(f"{len(result)} documents instead of {COUNT}")
    return sample


async def contend(uri: str, rounds: int) -> dict[tuple[str, str], list[Sample]]:
    """Measure all acts of both drivers, in turns."""
    found: dict[tuple[str, str], list[Sample]] = {}
    async with AsyncMongoClient[Doc](uri) as ours, pymongo.AsyncMongoClient[Doc](uri) as theirs:
        for _ in range(rounds):
            for name, act in ACTS.items():
                for label, client, others in (
                    ("bridge, asyncio", ours, others_in_a_thread),
                    ("bridge, asyncio, others are tasks", ours, others_in_a_task),
                    ("PyMongo async", theirs, others_in_a_task),
                ):
                    sample = await measure(client[DATABASE], act, others)
                    found.setdefault((name, label), []).append(sample)
    return found


def table(found: dict[tuple[str, str], list[Sample]]) -> str:
    """Return one line per act and driver; times in milliseconds."""
    rows: list[Sequence[str]] = [
        ("", "", "wall", "CPU", "worst stall", "others p50", "others p99", "others worst")
    ]
    for (name, label), samples in found.items():
        waits = [wait for sample in samples for wait in sample.waits]
        times = (
            statistics.median(sample.wall for sample in samples),
            statistics.median(sample.cpu for sample in samples),
            statistics.median(sample.worst_stall for sample in samples),
            percentile(waits, 0.5),
            percentile(waits, 0.99),
            max(waits, default=0.0),
        )
        rows.append((name, label, *(f"{1e3 * seconds:,.1f}" for seconds in times)))
    return report.lay_out(rows)


def main() -> int:
    """Measure and print; 1 if reading stalls the loop more than a fifth of what PyMongo does."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stalls")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mongo-uri", help="a server to use instead of one of its own")
    options = parser.parse_args()
    if options.mongo_uri:
        return run(options.mongo_uri, options.rounds)
    with MongoServer() as server:
        return run(server.uri, options.rounds)


def run(uri: str, rounds: int) -> int:
    """Fill the database, measure, clean up."""
    with pymongo.MongoClient[Doc](uri) as client:
        client.drop_database(DATABASE)
        client[DATABASE].small.insert_one({"_id": 1})
        client[DATABASE].large.insert_many(make_documents())
        try:
            found = asyncio.run(contend(uri, rounds))
        finally:
            client.drop_database(DATABASE)
    sys.stdout.write(table(found) + "\n")
    return verdict(found)


def verdict(found: dict[tuple[str, str], list[Sample]]) -> int:
    """Say by how much the loop stands still less than with PyMongo."""

    def stall(name: str, label: str) -> float:
        return statistics.median(sample.worst_stall for sample in found[name, label])

    failed = 0
    for name in ("async for", "to_list", "insert_many"):
        share = stall(name, "bridge, asyncio") / stall(name, "PyMongo async")
        sys.stdout.write(f"{name}: worst stall {share:.3f} of PyMongo's\n")
        failed |= name != "insert_many" and share > 0.2
    return failed


if __name__ == "__main__":
    sys.exit(main())
