"""Many change streams on a small pool: nobody is starved, and nothing is left of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from time import monotonic
from typing import Any

import pymongo
import pytest

from tests.support.fix_loops import ASYNCIO_LOOPS, Connect, eventually

pytestmark = [pytest.mark.anyio, pytest.mark.live]

on_plain_asyncio = pytest.mark.parametrize("anyio_backend", ASYNCIO_LOOPS[:1])

Doc = dict[str, Any]
DB = "test_many_streams"
FEW, MANY = 40, 500
POOL = 4


@pytest.fixture
def aside(mongo_uri: str) -> Iterator[pymongo.MongoClient[Doc]]:
    """A blocking client that looks at the server from aside."""
    with pymongo.MongoClient[Doc](mongo_uri) as client:
        client[DB].things.insert_one({"n": 0})
        yield client
        client.drop_database(DB)


def open_streams(aside: pymongo.MongoClient[Doc], comment: str) -> int:
    found = aside.admin.aggregate(
        [
            {"$currentOp": {"idleCursors": True}},
            {"$match": {"cursor.originatingCommand.comment": comment}},
        ]
    )
    return len(list(found))


class Watchers:
    """Tasks that watch one collection, and what they saw."""

    def __init__(self, things: Any, comment: str) -> None:
        self.things = things
        self.comment = comment
        self.open = 0
        self.seen: list[int] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def start(self, count: int) -> None:
        self.tasks = [asyncio.create_task(self.watch()) for _ in range(count)]
        await eventually(lambda: self.open == count)

    async def watch(self) -> None:
        async with self.things.watch(comment=self.comment) as stream:
            self.open += 1
            async for change in stream:
                self.seen.append(change["fullDocument"]["n"])

    async def cancel(self) -> list[float]:
        """Cancel them one by one, and return how many seconds each has taken to end."""
        took = []
        for task in self.tasks:
            began = monotonic()
            task.cancel()
            await asyncio.wait([task])
            took.append(monotonic() - began)
        return took


@on_plain_asyncio
@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
async def test_many_streams_share_half_of_the_pool(
    connect: Connect, mongo_uri: str, aside: pymongo.MongoClient[Doc], count: int
) -> None:
    client = connect(mongo_uri, maxPoolSize=POOL)
    watchers = Watchers(client[DB].things, f"{count} streams")
    await watchers.start(count)
    # Nobody who wants something else waits for a turn of theirs.
    for _ in range(20):
        began = monotonic()
        await client[DB].things.find_one()
        assert monotonic() - began < 1.0
    await client[DB].things.insert_one({"n": 1})
    await eventually(lambda: watchers.seen == [1] * count)

    took = sorted(await watchers.cancel())
    assert took[int(count * 0.9)] < 0.05
    await eventually(lambda: open_streams(aside, watchers.comment) == 0)
    (pool,) = client.sync._executor.statistics().pools
    assert pool.open == pool.created <= POOL


@on_plain_asyncio
async def test_a_task_that_is_cancelled_leaves_the_stream_as_it_was(
    connect: Connect, mongo_uri: str, aside: pymongo.MongoClient[Doc]
) -> None:
    things = connect(mongo_uri)[DB].things
    async with things.watch(comment="left") as stream:
        for number in range(3):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(stream.next(), 0.05)
            aside[DB].things.insert_many([{"n": number}, {"n": number + 0.5}])
            seen = [(await stream.next())["fullDocument"]["n"] for _ in range(2)]
            assert seen == [number, number + 0.5]
    await eventually(lambda: open_streams(aside, "left") == 0)


@on_plain_asyncio
async def test_streams_on_all_the_pool_there_is(connect: Connect, mongo_uri: str) -> None:
    client = connect(mongo_uri, maxPoolSize=1)
    watchers = Watchers(client[DB].things, "one connection")
    await watchers.start(3)
    await client[DB].things.insert_one({"n": 1})
    await eventually(lambda: watchers.seen == [1] * 3)
    await watchers.cancel()
