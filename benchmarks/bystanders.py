"""`python -m benchmarks.bystanders`: what one caller's own code does to everybody else.

One caller has a listener, a log handler, a type codec or a document class that sleeps for 100 ms
at each call, or inserts 28 MB with compression. Meanwhile 50 tasks of one event loop call
`find_one` on the same client. The caller is a thread; with PyMongo's async client, which belongs
to its loop, it is one more task of that loop.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import statistics
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pymongo
from bson.codec_options import CodecOptions, TypeCodec, TypeRegistry
from bson.decimal128 import Decimal128
from pymongo.monitoring import CommandListener

from benchmarks import report
from benchmarks.measure import percentile
from bridge import AsyncMongoClient
from greenmongo.embedded import MongoServer

DATABASE = "bystanders"
TASKS = 50
PAUSE = 0.1
LIMIT = 0.02
LARGE = [{"_id": n, "text": "".join(chr(97 + n * k % 26) for k in range(400))} for n in range(1000)]

Act = Callable[[Any], Any]


class SlowListener(CommandListener):
    """Sleeps at each event of a command on the offender's collection."""

    def started(self, event: Any) -> None:
        """Sleep."""
        if event.command.get("find") == "slow":
            time.sleep(PAUSE)

    def succeeded(self, event: Any) -> None:
        """Do nothing."""

    failed = succeeded


class SlowHandler(logging.Handler):
    """Sleeps at each record of a command on the offender's collection."""

    def emit(self, record: logging.LogRecord) -> None:
        """Sleep."""
        if '"find": "slow"' in record.getMessage():
            time.sleep(PAUSE)


class SlowCodec(TypeCodec):
    """Sleeps for each decimal."""

    python_type = Decimal
    bson_type = Decimal128

    def transform_python(self, value: Any) -> Any:
        """Return BSON's decimal."""
        return Decimal128(value)

    def transform_bson(self, value: Any) -> Any:
        """Sleep, and return Python's decimal."""
        time.sleep(PAUSE)
        return value.to_decimal()


class SlowDocument(dict[str, Any]):
    """Sleeps when a document gets its id."""

    def __setitem__(self, key: str, value: Any) -> None:
        if key == "_id":
            time.sleep(PAUSE)
        super().__setitem__(key, value)


def find_plain(db: Any) -> Any:
    """Find what a listener or a handler waits for."""
    return db.slow.find_one({"_id": 1})


def find_with(options: CodecOptions[Any]) -> Act:
    """Return what finds a document with options of its own."""
    return lambda db: db.get_collection("slow", codec_options=options).find_one({"_id": 1})


def insert_much(db: Any) -> Any:
    """Insert 28 MB."""
    return db.written.insert_many(
        [{"n": n, "part": LARGE[n % 50 : n % 50 + 140]} for n in range(450)]
    )


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to be slow, and the client's options for it."""

    act: Act
    options: dict[str, Any]
    logs: bool = False


KINDS = {
    "nothing": Kind(find_plain, {}),
    "listener": Kind(find_plain, {"event_listeners": [SlowListener()]}),
    "log handler": Kind(find_plain, {}, logs=True),
    "codec": Kind(find_with(CodecOptions(type_registry=TypeRegistry([SlowCodec()]))), {}),
    "document class": Kind(find_with(CodecOptions(document_class=SlowDocument)), {}),
    "28 MB, zlib": Kind(insert_much, {"compressors": "zlib"}),
    "28 MB, zstd": Kind(insert_much, {"compressors": "zstd"}),
}


async def bystanders(db: Any, is_over: Callable[[], bool]) -> list[float]:
    """Call `find_one` with many tasks until it is over; return the seconds of each call."""
    waits: list[float] = []

    async def call() -> None:
        while not is_over():
            before = time.perf_counter()
            await db.quick.find_one({"_id": 1})
            waits.append(time.perf_counter() - before)
            await asyncio.sleep(0.02)

    await asyncio.gather(*(call() for _ in range(TASKS)))
    return waits


async def beside_a_thread(db: Any, act: Act, seconds: float) -> list[float]:
    """Measure beside a thread of the same client."""
    blocking, end = db.client.sync[DATABASE], time.monotonic() + seconds

    def offend() -> None:
        while time.monotonic() < end:
            act(blocking)

    thread = threading.Thread(target=offend)
    thread.start()
    try:
        return await bystanders(db, lambda: not thread.is_alive())
    finally:
        thread.join()


async def beside_a_task(db: Any, act: Act, seconds: float) -> list[float]:
    """Measure beside a task of the same loop."""
    end = time.monotonic() + seconds

    async def offend() -> None:
        while time.monotonic() < end:
            await act(db)

    task = asyncio.ensure_future(offend())
    waits = await bystanders(db, task.done)
    await task
    return waits


CONTENDERS: dict[str, tuple[Any, Callable[[Any, Act, float], Awaitable[list[float]]]]] = {
    "bridge": (AsyncMongoClient, beside_a_thread),
    "PyMongo async": (pymongo.AsyncMongoClient, beside_a_task),
}


async def measure(uri: str, label: str, kind: Kind, seconds: float) -> list[float]:
    """Return what the bystanders waited, once the client has its connections."""
    make, beside = CONTENDERS[label]
    loggers = [logging.getLogger(f"{name}.command") for name in ("greenmongo", "pymongo")]
    handler = SlowHandler()
    async with make(uri, maxPoolSize=20, **kind.options) as client:
        db = client[DATABASE]
        await bystanders(db, _once())
        for logger in loggers if kind.logs else ():
            logger.addHandler(handler)
            logger.setLevel(logging.DEBUG)
            logger.propagate = False
        try:
            return await beside(db, kind.act, seconds)
        finally:
            for logger in loggers:
                logger.removeHandler(handler)
                logger.setLevel(logging.NOTSET)


def _once() -> Callable[[], bool]:
    begun = time.monotonic()
    return lambda: time.monotonic() > begun + 0.3


def main() -> int:
    """Measure and print; 1 if the p99 of bystanders is above 20 ms anywhere."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bystanders")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    found: dict[tuple[str, str], list[list[float]]] = {}
    with MongoServer() as server, pymongo.MongoClient[Any](server.uri) as client:
        document = {"_id": 1, "amount": Decimal128("1.5")}
        client[DATABASE].slow.insert_one(document)
        client[DATABASE].quick.insert_one(document)
        for _ in range(options.rounds):
            for name, kind in KINDS.items():
                for label in CONTENDERS:
                    waits = asyncio.run(measure(server.uri, label, kind, options.seconds))
                    found.setdefault((name, label), []).append(waits)
                    client[DATABASE].written.drop()
    rows: list[Sequence[str]] = [("", "", "calls", "p50", "p99", "worst")]
    worst = 0.0
    for (name, label), rounds in found.items():
        shares = [statistics.median(percentile(each, p) for each in rounds) for p in (0.5, 0.99)]
        shares.append(statistics.median(max(each) for each in rounds))
        calls = statistics.median(len(each) for each in rounds)
        rows.append((name, label, f"{calls:,.0f}", *(f"{1e3 * each:,.1f}" for each in shares)))
        if label == "bridge":
            worst = max(worst, shares[1])
    sys.stdout.write(report.lay_out(rows) + "\n")
    sys.stdout.write(f"bridge, highest p99: {1e3 * worst:.1f} ms\n")
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
