"""`python -m benchmarks.soak --seconds 600`: many tasks that leave at random, for a long time.

Each task reads, writes, waits for slow reads, follows cursors and starts requests, in random
order; every fifth of these is cancelled or timed out after a random moment. Meanwhile memory,
threads, sockets and the driver's own counts are noted. At the end all must be as flat as it was
after the first fifth, and nothing may be left over, here or on the server. Exit status 0 if so.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pymongo
from pymongo.errors import PyMongoError

from bridge import AsyncMongoClient
from greenmongo.embedded import MongoServer
from greenmongo.hub import ClientStatistics, statistics_of

DATABASE = "soak"
POOL = 100
MEGABYTES = 8.0
"""By how much the memory may differ between the second fifth and the last."""

Doc = dict[str, Any]
_PROC = Path("/proc/self")


def say(text: str) -> None:
    """Print at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


@dataclass(frozen=True, slots=True)
class Sample:
    """What there was at one moment."""

    megabytes: float
    threads: int
    sockets: int
    operations: int


class Soak:
    """The tasks and what they have done."""

    def __init__(self, client: AsyncMongoClient[Doc], seed: int) -> None:
        self.client = client
        self.things = client[DATABASE].things
        self.random = random.Random(seed)
        self.done: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.is_over = False
        self.acts: tuple[Callable[[], Awaitable[None]], ...] = (
            self.read,
            self.read,
            self.read,
            self.write,
            self.follow,
            self.read_slowly,
            self.request,
        )

    def expect(self, is_right: object, what: str) -> None:
        """Note what went wrong."""
        if not is_right:
            self.wrong.append(what)

    # ---- what tasks do --------------------------------------------------------------------

    async def read(self) -> None:
        """Find one document; it must be the one."""
        wanted = self.random.randrange(1_000)
        found = await self.things.find_one({"_id": wanted})
        self.expect(found is not None and found["_id"] == wanted, f"{wanted}: found {found!r}")

    async def write(self) -> None:
        """Write one document, and delete it."""
        written = await self.client[DATABASE].written.insert_one({"text": "x" * 100})
        await self.client[DATABASE].written.delete_one({"_id": written.inserted_id})

    async def follow(self) -> None:
        """Read some batches, and leave the cursor unread as often as not."""
        first = self.random.randrange(900)
        expected = first
        async with self.things.find({"_id": {"$gte": first}}, batch_size=20).sort(
            "_id", 1
        ) as found:
            async for document in found:
                self.expect(document["_id"] == expected, f"{expected}: found {document!r}")
                expected += 1
                if expected - first == 50:
                    return

    async def read_slowly(self) -> None:
        """Have the server take its time."""
        milliseconds = self.random.randrange(1, 200)
        where = f"sleep({milliseconds}) || true"
        await self.things.find_one({"_id": 1, "$where": where})

    async def request(self) -> None:
        """Read twice on one connection."""
        async with self.client.start_request():
            one = await self.client.admin.command("hello")
            other = await self.client.admin.command("hello")
            self.expect(one["connectionId"] == other["connectionId"], "two sockets in one request")

    # ---- how they leave -------------------------------------------------------------------

    async def live(self) -> None:
        """Do one thing after another, and leave some of them early."""
        while not self.is_over:
            act = self.random.choice(self.acts)
            chance = self.random.random()
            if chance < 0.1:
                with anyio.move_on_after(self.random.random() * 0.05) as scope:
                    await self.do(act)
                self.done["left"] += scope.cancelled_caught
            elif chance < 0.2:
                task = asyncio.create_task(self.do(act))
                await asyncio.sleep(self.random.random() * 0.02)
                self.done["cancelled"] += task.cancel()
                await asyncio.wait([task])
                if not task.cancelled():
                    task.result()
            else:
                await self.do(act)

    async def do(self, act: Callable[[], Awaitable[None]]) -> None:
        """Do one thing; what the server or the network refuses is noted."""
        try:
            await act()
        except PyMongoError as error:
            self.expect(False, f"{act.__name__}: {error!r}")
        else:
            self.done[act.__name__] += 1

    def sample(self) -> Sample:
        """Note what there is now."""
        gc.collect()
        pages = int((_PROC / "statm").read_text().split()[1])
        return Sample(
            pages * os.sysconf("SC_PAGE_SIZE") / 1024 / 1024,
            len(os.listdir(_PROC / "task")),
            sum(_is_socket(each) for each in os.listdir(_PROC / "fd")),
            sum(self.done.values()),
        )


def _is_socket(descriptor: str) -> bool:
    try:
        return os.readlink(_PROC / "fd" / descriptor).startswith("socket:")
    except FileNotFoundError:  # closed since it was listed
        return False


async def soak(uri: str, seconds: float, tasks: int, seed: int) -> list[str]:
    """Run it; return what was not as it should be."""
    async with AsyncMongoClient[Doc](uri, maxPoolSize=POOL) as client:
        it = Soak(client, seed)
        before = it.sample()
        living = [asyncio.create_task(it.live()) for _ in range(tasks)]
        samples: list[Sample] = []
        began = time.monotonic()
        while (elapsed := time.monotonic() - began) < seconds:
            await asyncio.sleep(min(max(seconds / 60, 1.0), seconds - elapsed))
            samples.append(it.sample())
            say(f"{time.monotonic() - began:6.0f} s  {samples[-1]}")
            if finished := [task for task in living if task.done()]:
                # Only an error ends one of them now.
                finished[0].result()
        it.is_over = True
        await asyncio.wait(living)
        for task in living:
            task.result()
        say(f"did {dict(it.done)}")
        problems = it.wrong[:10] + judge(samples, before.sockets)
        # Abandoned operations have a while to end.
        await asyncio.sleep(2)
        rest: ClientStatistics = await client.run(statistics_of, client.sync)
        say(f"left over: {rest}")
        problems += judge_rest(rest)
    return problems


def judge(samples: list[Sample], others: int) -> list[str]:
    """Compare the second fifth with the last; `others` are the sockets that were there before."""
    fifth = max(len(samples) // 5, 1)
    early, late = samples[fifth : 2 * fifth], samples[-fifth:]
    if not early:
        return ["too short to tell anything"]
    problems = []
    grown = statistics.median(each.megabytes for each in late) - statistics.median(
        each.megabytes for each in early
    )
    say(f"memory {grown:+.2f} MB, at most {MEGABYTES:+.0f}")
    if grown > MEGABYTES:
        problems.append(f"the memory grew by {grown:.1f} MB")
    most = max(each.threads for each in early)
    if late[-1].threads > most:
        problems.append(f"{late[-1].threads} threads, {most} before")
    # The pool, two monitors, and now and then one to have operations ended.
    limit = others + POOL + 3
    if (worst := max(each.sockets for each in samples)) > limit:
        problems.append(f"{worst} sockets, at most {limit} expected")
    if late[-1].operations == late[0].operations and len(late) > 1:
        problems.append("no operation got on in the end")
    return problems


def judge_rest(rest: ClientStatistics) -> list[str]:
    """Return what should have been over."""
    found = {
        "requests": rest.requests,
        "abandoned operations": rest.abandoned,
        "callers in line": sum(pool.waiting for pool in rest.pools),
        "connections in use": sum(pool.open - pool.idle for pool in rest.pools),
    }
    return [f"{count} {what} left" for what, count in found.items() if count]


def run(uri: str, options: argparse.Namespace) -> int:
    """Fill the database, soak, look at the server, and judge."""
    with pymongo.MongoClient[Doc](uri) as aside:
        aside.drop_database(DATABASE)
        aside[DATABASE].things.insert_many([{"_id": n, "text": "x" * 100} for n in range(1_000)])
        problems = asyncio.run(soak(uri, options.seconds, options.tasks, options.seed))
        pipeline: list[Doc] = [
            {"$currentOp": {"idleCursors": True}},
            {"$match": {"ns": {"$regex": f"^{DATABASE}"}}},
        ]
        if running := list(aside.admin.aggregate(pipeline)):
            problems.append(f"{len(running)} operations and cursors left on the server")
        aside.drop_database(DATABASE)
    for problem in problems:
        say(f"PROBLEM: {problem}")
    say("FAILED" if problems else "PASSED: flat memory, threads and sockets, nothing left over")
    return 1 if problems else 0


def main() -> int:
    """Run it on a server of its own, or on another."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--tasks", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mongo-uri", help="a server to use instead of one of its own")
    options = parser.parse_args()
    if options.mongo_uri:
        return run(options.mongo_uri, options)
    with MongoServer() as server:
        return run(server.uri, options)


if __name__ == "__main__":
    sys.exit(main())
