"""Leaving early on a real server, with PyMongo's own async client as the control."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import pymongo
import pytest
from pymongo.errors import NetworkTimeout

from greenmongo._net.abandon import Abandoned
from tests.support.fix_faults import FaultProxy
from tests.support.fix_loops import ASYNCIO_LOOPS, Connect, eventually
from tests.support.native import Address

pytestmark = [pytest.mark.anyio, pytest.mark.live, pytest.mark.slow]

on_plain_asyncio = pytest.mark.parametrize("anyio_backend", ASYNCIO_LOOPS[:1])

Doc = dict[str, Any]
DB = "test_cancelling"
LONG = 60_000
"""Milliseconds, far more than any wait for the end."""


@pytest.fixture(scope="module")
def aside(mongo_uri: str) -> Iterator[pymongo.MongoClient[Doc]]:
    """A blocking client that looks at the server from aside; there is a document to find."""
    with pymongo.MongoClient[Doc](mongo_uri) as client:
        client[DB].things.drop()
        client[DB].things.insert_one({"_id": 1})
        yield client
        client.drop_database(DB)


def slow(milliseconds: int) -> Doc:
    """Return a filter that takes the server so long."""
    return {"$where": f"sleep({milliseconds}) || true"}


def running(aside: pymongo.MongoClient[Doc], comment: str) -> int:
    """Return how many operations with that comment the server is busy with."""
    pipeline: list[Doc] = [{"$currentOp": {}}, {"$match": {"command.comment": comment}}]
    return len(list(aside.admin.aggregate(pipeline)))


@pytest.fixture
def proxy(
    aside: pymongo.MongoClient[Doc], fault_proxy: Callable[[Address], FaultProxy]
) -> FaultProxy:
    """Counts the connections to the server."""
    address = aside.address
    assert address is not None
    return fault_proxy(address)


async def test_a_long_read_that_is_cancelled_ends_on_the_server_soon(
    connect: Connect, mongo_uri: str, aside: pymongo.MongoClient[Doc]
) -> None:
    things = connect(mongo_uri)[DB].things
    comment = "a long read"
    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(read, things, comment)
        await eventually(lambda: running(aside, comment) == 3)
        group.cancel_scope.cancel()
    # Well before they would have ended by themselves.
    await eventually(lambda: not running(aside, comment))


async def read(things: Any, comment: str) -> None:
    await things.find_one(slow(LONG), comment=comment)


async def cancelled_after(seconds: float, call: Any) -> None:
    task = asyncio.ensure_future(call)
    await asyncio.wait([task], timeout=seconds)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def connections_opened(proxy: FaultProxy, things: Any) -> int:
    """Cancel 100 short operations half-way, five at a time; return the new connections."""
    await asyncio.gather(*(things.find_one(slow(60)) for _ in range(5)))
    before = proxy.accepted
    for _ in range(20):
        await asyncio.gather(*(cancelled_after(0.02, things.find_one(slow(60))) for _ in range(5)))
    assert await things.find_one() == {"_id": 1}
    return proxy.accepted - before


@on_plain_asyncio
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_cancels_of_short_operations_open_hardly_any_connection(
    connect: Connect, proxy: FaultProxy, aside: pymongo.MongoClient[Doc]
) -> None:
    options: dict[str, Any] = {"maxPoolSize": 5, "heartbeatFrequencyMS": 60_000}
    ours = await connections_opened(proxy, connect(proxy.uri, **options)[DB].things)
    async with pymongo.AsyncMongoClient[Doc](proxy.uri, **options) as control:
        theirs = await connections_opened(proxy, control[DB].things)
    # The control leaves sockets to the collector, which must not find them during another test.
    gc.collect()
    assert ours <= 5 < theirs


@on_plain_asyncio
async def test_none_of_many_long_reads_goes_on_after_its_cancel(
    connect: Connect, mongo_uri: str, aside: pymongo.MongoClient[Doc]
) -> None:
    things, comment = connect(mongo_uri)[DB].things, "many long reads"
    await asyncio.gather(
        *(cancelled_after(0.2, things.find_one(slow(LONG), comment=comment)) for _ in range(30))
    )
    # Well before they would have ended by themselves.
    await eventually(lambda: not running(aside, comment))


async def test_a_storm_of_cancels_on_a_real_server_opens_no_connection(
    connect: Connect, proxy: FaultProxy
) -> None:
    size = 20
    client = connect(proxy.uri, minPoolSize=size, maxPoolSize=size, heartbeatFrequencyMS=60_000)
    things = client[DB].things
    await things.find_one()
    (server,) = client.sync._executor.open().topology.servers.values()
    await eventually(lambda: server.pool.idle_count == size)
    before = proxy.accepted
    async with anyio.create_task_group() as group:
        for _ in range(1_000):
            group.start_soon(things.find_one, slow(20))
        await eventually(lambda: server.pool.waiting_count)
        group.cancel_scope.cancel()
    async with anyio.create_task_group() as group:
        for _ in range(200):
            group.start_soon(things.find_one)
    assert server.pool.created_count == size
    # The monitor may open a second one, and a slow machine one aside to have operations ended.
    assert proxy.accepted - before <= 3


def idle_cursors(aside: pymongo.MongoClient[Doc], comment: str) -> int:
    """Return how many cursors of commands with that comment wait to be read."""
    match = {"cursor.originatingCommand.comment": comment}
    pipeline: list[Doc] = [{"$currentOp": {"idleCursors": True}}, {"$match": match}]
    return len(list(aside.admin.aggregate(pipeline)))


@pytest.mark.parametrize("grace", [0.0, 60.0], ids=["ended", "late"])
async def test_a_first_batch_that_is_cancelled_leaves_no_cursor(
    connect: Connect, mongo_uri: str, aside: pymongo.MongoClient[Doc], grace: float
) -> None:
    """F08: whether the operation is ended on the server, or its reply comes late."""
    aside[DB].some.drop()
    aside[DB].some.insert_many([{"_id": n} for n in range(5)])
    client, comment = connect(mongo_uri), f"a first batch {grace}"
    engine = client.sync._executor.open()
    engine._abandoned = abandoned = Abandoned(engine._connector, grace=grace)
    find = client[DB].some.find(slow(200), batch_size=2, comment=comment)
    async with anyio.create_task_group() as group:
        group.start_soon(find.next)
        await eventually(lambda: running(aside, comment))
        group.cancel_scope.cancel()
    await eventually(lambda: not running(aside, comment) and not len(abandoned))
    assert idle_cursors(aside, comment) == 0
    kept = client[DB].some.find(batch_size=2, comment=comment)
    await kept.next()
    assert idle_cursors(aside, comment) == 1
    await kept.close()


async def test_a_first_batch_that_times_out_leaves_no_cursor(
    connect: Connect, mongo_uri: str, aside: pymongo.MongoClient[Doc]
) -> None:
    """F08: the connection is lost; the server is told over another one."""
    aside[DB].some.drop()
    aside[DB].some.insert_many([{"_id": n} for n in range(5)])
    client, comment = connect(mongo_uri, socketTimeoutMS=100, retryReads=False), "in no time"
    with pytest.raises(NetworkTimeout):
        await client[DB].some.find(slow(200), batch_size=2, comment=comment).next()
    await eventually(
        lambda: not running(aside, comment) and not client.sync._executor.open()._abandoned._to_end
    )
    await eventually(lambda: idle_cursors(aside, comment) == 0)
