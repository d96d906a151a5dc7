"""How fast a large file goes to GridFS and comes back, and how much memory that takes.

    python -m benchmarks.gridfs [--megabytes 1024] [--uri URI]

Each way runs in a process of its own. The memory is what it takes at its peak above what it has
when it is connected. The file is made as it is read, and only its checksum is kept.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter
from typing import Any

import gridfs
import pymongo

from bridge import AsyncGridFSBucket, AsyncMongoClient
from greenmongo import GridFSBucket, MongoClient
from greenmongo.embedded import MongoServer

DATABASE = "gridfs_benchmark"
MEGABYTE = 1024 * 1024
_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


class Source:
    """A file object that gives bytes which no compression makes small, and sums them up."""

    def __init__(self, size: int) -> None:
        self._left = size
        self._block = hashlib.shake_128(b"block").digest(MEGABYTE)
        self.md5 = hashlib.md5(usedforsecurity=False)

    def read(self, size: int) -> bytes:
        """Return the next bytes."""
        data = self._block[: min(size, self._left)]
        self._left -= len(data)
        self.md5.update(data)
        return data


class Sink:
    """A file object that keeps nothing but the checksum."""

    def __init__(self) -> None:
        self.md5 = hashlib.md5(usedforsecurity=False)

    def write(self, data: bytes) -> int:
        """Take bytes."""
        self.md5.update(data)
        return len(data)


def resident(field: str) -> float:
    """Return the process's memory in MB: VmRSS is that of now, VmHWM its peak."""
    for line in _STATUS.read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise ValueError(field)


def forget_peak() -> float:
    """Let the peak be what there is now, and return that."""
    _CLEAR.write_text("5")
    return resident("VmRSS")


class Report:
    """Prints what each half took."""

    def __init__(self, way: str, size: int) -> None:
        self._way, self._size = way, size
        self._start, self._before = perf_counter(), forget_peak()

    def tell(self, half: str) -> None:
        """Tell what it took since the last time."""
        seconds, above = perf_counter() - self._start, resident("VmHWM") - self._before
        rate = self._size / MEGABYTE / seconds
        print(f"{self._way}: {half} {rate:.0f} MB/s, {above:.0f} MB above the start", flush=True)
        self._start, self._before = perf_counter(), forget_peak()


def check(source: Source, sink: Sink) -> None:
    """Object if what came back is something else."""
    if source.md5.digest() != sink.md5.digest():
        raise SystemExit("what came back is not what was stored")


def blocking(way: str, client: Any, make_bucket: Any, size: int) -> None:
    """Store and read in a thread."""
    with client:
        bucket = make_bucket(client[DATABASE])
        bucket.upload_from_stream("first", b"x")
        source, sink, report = Source(size), Sink(), Report(way, size)
        file_id = bucket.upload_from_stream("large", source)
        report.tell("up")
        bucket.download_to_stream(file_id, sink)
        report.tell("down")
        check(source, sink)
        client.drop_database(DATABASE)


async def awaited(way: str, client: Any, make_bucket: Any, size: int) -> None:
    """Store and read in a task."""
    async with client:
        bucket = make_bucket(client[DATABASE])
        await bucket.upload_from_stream("first", b"x")
        source, sink, report = Source(size), Sink(), Report(way, size)
        file_id = await bucket.upload_from_stream("large", source)
        report.tell("up")
        await bucket.download_to_stream(file_id, sink)
        report.tell("down")
        check(source, sink)
        await client.drop_database(DATABASE)


def run(way: str, uri: str, size: int) -> None:
    """Store and read in one way."""
    if way == "greenmongo":
        blocking(way, MongoClient(uri), GridFSBucket, size)
    elif way == "PyMongo":
        blocking(way, pymongo.MongoClient(uri), gridfs.GridFSBucket, size)
    elif way == "bridge":
        asyncio.run(awaited(way, AsyncMongoClient(uri), AsyncGridFSBucket, size))
    else:
        client: Any = pymongo.AsyncMongoClient(uri)
        asyncio.run(awaited(way, client, gridfs.AsyncGridFSBucket, size))


WAYS = ("greenmongo", "PyMongo", "bridge", "PyMongo async")


def main() -> None:
    """Store and read in each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--uri")
    parser.add_argument("--way", choices=WAYS)
    arguments = parser.parse_args()
    with ExitStack() as stack:
        uri = arguments.uri or stack.enter_context(MongoServer()).uri
        if arguments.way:
            run(arguments.way, uri, arguments.megabytes * MEGABYTE)
            return
        for way in WAYS:
            options = ["--megabytes", str(arguments.megabytes), "--uri", uri, "--way", way]
            subprocess.run([sys.executable, "-m", "benchmarks.gridfs", *options], check=True)


if __name__ == "__main__":
    main()
