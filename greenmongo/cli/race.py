"""The measurement of `bench`: tasks that read one document each, again and again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

from pymongo import AsyncMongoClient as PyMongoClient

from greenmongo import AsyncMongoClient, MongoClient

__all__ = ["DRIVERS", "Measured", "prepare", "race"]

DB = "greenmongo_bench"
SELECTION_TIMEOUT_MS = 5_000
WARM_UP = 0.2
"""The share of the time that is not counted."""

DRIVERS: dict[str, Any] = {"greenmongo": AsyncMongoClient, "PyMongo async": PyMongoClient}


@dataclass(frozen=True)
class Measured:
    """What one driver did."""

    operations: int
    seconds: float
    cpu: float
    """Seconds of this process."""
    latencies: list[float]
    """Seconds, in order of size."""

    def as_row(self) -> tuple[str, str, str, str]:
        """Return operations per second, median and 99 % latency, CPU per operation."""
        if not self.latencies:
            return ("0", "-", "-", "-")
        last = len(self.latencies) - 1
        return (
            f"{self.operations / self.seconds:,.0f}",
            f"{self.latencies[last // 2] * 1000:.2f}",
            f"{self.latencies[int(last * 0.99)] * 1000:.2f}",
            f"{self.cpu / self.operations * 1e6:,.0f}",
        )


@contextmanager
def prepare(uri: str) -> Iterator[str]:
    """Make the collection that is read; yield its name, and drop it in the end."""
    name = f"run_{token_hex(4)}"
    with MongoClient[Any](uri, serverSelectionTimeoutMS=SELECTION_TIMEOUT_MS) as client:
        client[DB][name].insert_one({"_id": 1, "text": "x" * 200})
        try:
            yield name
        finally:
            client[DB].drop_collection(name)


async def race(driver: str, uri: str, name: str, *, tasks: int, seconds: float) -> Measured:
    """Let tasks read for some time and return what came of it."""
    client = DRIVERS[driver](uri, serverSelectionTimeoutMS=SELECTION_TIMEOUT_MS)
    latencies: list[float] = []
    try:
        collection = client[DB][name]
        begins = time.perf_counter() + seconds * WARM_UP
        ends = begins + seconds

        async def read() -> None:
            now = time.perf_counter()
            while now < ends:
                await collection.find_one({"_id": 1})
                before, now = now, time.perf_counter()
                if before >= begins:
                    latencies.append(now - before)

        running = [asyncio.ensure_future(read()) for _ in range(tasks)]
        await asyncio.sleep(begins - time.perf_counter())
        began, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*running)
        taken, used = time.perf_counter() - began, time.process_time() - cpu
    finally:
        await client.close()
    return Measured(len(latencies), taken, used, sorted(latencies))
