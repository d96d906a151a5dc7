"""How much memory a load of very many documents takes, and how long.

    python -m benchmarks.bulk_load [--count 5000000] [--size 100] [--uri URI]

Each way of loading runs in a process of its own, whose peak is told.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from time import perf_counter
from typing import Any

from bridge import AsyncMongoClient
from greenmongo import MongoClient
from greenmongo.embedded import MongoServer
from greenmongo.operations import InsertOne

DATABASE = "bulk_load"


def documents(count: int, size: int) -> Iterator[dict[str, Any]]:
    """Make documents of about `size` bytes."""
    text = "x" * (size - 45)
    for number in range(count):
        yield {"n": number, "text": text}


async def documents_in_time(count: int, size: int) -> AsyncIterator[dict[str, Any]]:
    """Make them one after another, as if they came from somewhere."""
    for document in documents(count, size):
        yield document


def blocking_insert_many(uri: str, count: int, size: int) -> None:
    """`insert_many` of a thread."""
    with MongoClient(uri) as client:
        client[DATABASE].things.insert_many(documents(count, size), return_ids=False)


def blocking_bulk_write(uri: str, count: int, size: int) -> None:
    """`bulk_write` of a thread."""
    with MongoClient(uri) as client:
        client[DATABASE].things.bulk_write(map(InsertOne, documents(count, size)))


async def async_insert_many(uri: str, count: int, size: int) -> None:
    """`insert_many` of a task, of an async generator."""
    async with AsyncMongoClient(uri) as client:
        await client[DATABASE].things.insert_many(documents_in_time(count, size), return_ids=False)


async def async_insert_many_of_generator(uri: str, count: int, size: int) -> None:
    """`insert_many` of a task, of an ordinary generator."""
    async with AsyncMongoClient(uri) as client:
        await client[DATABASE].things.insert_many(documents(count, size), return_ids=False)


WAYS = {
    "insert_many": blocking_insert_many,
    "bulk_write": blocking_bulk_write,
    "await insert_many, async generator": async_insert_many,
    "await insert_many, generator": async_insert_many_of_generator,
}


def run(way: str, uri: str, count: int, size: int) -> None:
    """Load in one way, and tell what it took."""
    with MongoClient(uri) as client:
        client.drop_database(DATABASE)
    started = perf_counter()
    outcome: Any = WAYS[way](uri, count, size)
    if asyncio.iscoroutine(outcome):
        asyncio.run(outcome)
    seconds = perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with MongoClient(uri) as client:
        loaded = client[DATABASE].things.estimated_document_count()
        client.drop_database(DATABASE)
    print(f"{way}: {loaded:,} documents, {seconds:.0f} s, peak {peak:.0f} MB", flush=True)


def main() -> None:
    """Load in each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5_000_000)
    parser.add_argument("--size", type=int, default=100)
    parser.add_argument("--uri")
    parser.add_argument("--way", choices=WAYS)
    arguments = parser.parse_args()
    with ExitStack() as stack:
        uri = arguments.uri or stack.enter_context(MongoServer()).uri
        if arguments.way:
            run(arguments.way, uri, arguments.count, arguments.size)
            return
        for way in WAYS:
            options = ["--count", str(arguments.count), "--size", str(arguments.size)]
            command = [sys.executable, "-m", "benchmarks.bulk_load", "--uri", uri, "--way", way]
            subprocess.run([*command, *options], check=True)


if __name__ == "__main__":
    main()
