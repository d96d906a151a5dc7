"""Uploads and downloads that are cancelled or killed leave no chunk, cursor or connection."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

import anyio
import gevent
import pymongo
import pytest

import greenmongo
from bridge import AsyncGridFSBucket, AsyncGridIn, AsyncGridOut, AsyncMongoClient
from greenmongo.gridfs import GridFSBucket
from greenmongo.hub import statistics_of
from tests.support.fix_doors import in_hub

pytestmark = pytest.mark.live

DB = "gridfs_cancelled"
DATA = bytes(range(256)) * 40_000

Eventually = Callable[[Callable[[], object]], None]


@pytest.fixture
def database(mongo_uri: str) -> Iterator[Any]:
    """The database, as PyMongo sees it."""
    with pymongo.MongoClient[Any](mongo_uri) as client:
        client.drop_database(DB)
        yield client[DB]
        client.drop_database(DB)


def is_clean(database: Any) -> bool:
    """Tell whether no chunk lies there without a file, and no cursor is open."""
    files = [file["_id"] for file in database["fs.files"].find({}, ["_id"])]
    orphans = database["fs.chunks"].count_documents({"files_id": {"$nin": files}})
    idle = database.client.admin.aggregate(
        [
            {"$currentOp": {"idleCursors": True, "allUsers": True}},
            {"$match": {"ns": {"$regex": f"^{DB}\\."}}},
        ]
    )
    return orphans == 0 and list(idle) == []


def has_all(client: greenmongo.MongoClient[Any]) -> bool:
    """Tell whether no connection was lost, and all are there to be used."""
    return all(pool.created == pool.open == pool.idle for pool in statistics_of(client).pools)


async def endless(begun: anyio.Event) -> AsyncIterator[bytes]:
    yield DATA
    begun.set()
    await anyio.sleep_forever()


@pytest.mark.anyio
@pytest.mark.parametrize("given", [{}, {"file_id": 5}])
async def test_a_cancelled_upload_leaves_no_chunk(
    mongo_uri: str, database: Any, eventually: Eventually, given: dict[str, Any]
) -> None:
    async with AsyncMongoClient[Any](mongo_uri) as client:
        bucket = AsyncGridFSBucket(client[DB])
        upload = bucket.upload_from_stream_with_id if given else bucket.upload_from_stream
        begun = anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(partial(upload, filename="f", source=endless(begun), **given))
            await begun.wait()
            assert database["fs.chunks"].count_documents({}) > 0
            group.cancel_scope.cancel()

        await anyio.to_thread.run_sync(eventually, lambda: is_clean(database))
        assert database["fs.files"].count_documents({}) == 0
        assert has_all(client.sync)


@pytest.mark.asyncio
async def test_uploads_cancelled_at_any_moment_leave_all_or_nothing(
    mongo_uri: str, database: Any, eventually: Eventually
) -> None:
    async with AsyncMongoClient[Any](mongo_uri) as client:
        bucket = AsyncGridFSBucket(client[DB])
        await bucket.upload_from_stream("f", b"")
        uploads = [asyncio.create_task(bucket.upload_from_stream("f", DATA)) for _ in range(20)]
        for number, upload in enumerate(uploads):
            asyncio.get_running_loop().call_later(number / 50, upload.cancel)
        outcomes = await asyncio.gather(*uploads, return_exceptions=True)

        await anyio.to_thread.run_sync(eventually, lambda: is_clean(database))
        for each in outcomes:
            if not isinstance(each, BaseException):
                assert await (await bucket.open_download_stream(each)).read() == DATA
        for file in await bucket.find().to_list():
            assert await file.read() in (DATA, b"")
        # One whose message was cut off half-way is closed, and nobody has it.
        assert all(pool.open == pool.idle for pool in statistics_of(client.sync).pools)


@pytest.mark.asyncio
async def test_an_upload_that_is_dropped_unclosed_leaves_no_chunk(
    mongo_uri: str, database: Any, eventually: Eventually
) -> None:
    async with AsyncMongoClient[Any](mongo_uri) as client:
        grid_in: AsyncGridIn = AsyncGridFSBucket(client[DB]).open_upload_stream("f")
        await grid_in.write(DATA)
        assert database["fs.chunks"].count_documents({}) > 0
        del grid_in
        gc.collect()

        await anyio.to_thread.run_sync(eventually, lambda: is_clean(database))


@pytest.mark.asyncio
async def test_a_generator_that_is_thrown_away_leaves_no_chunk(
    mongo_uri: str, database: Any, eventually: Eventually
) -> None:
    async def uploading() -> AsyncIterator[None]:
        async with AsyncGridFSBucket(client[DB]).open_upload_stream("f") as grid_in:
            await grid_in.write(DATA)
            yield

    async with AsyncMongoClient[Any](mongo_uri) as client:
        generator: Any = uploading()
        await anext(generator)
        await generator.aclose()

        await anyio.to_thread.run_sync(eventually, lambda: is_clean(database))


def test_a_greenlet_that_is_killed_leaves_no_chunk(
    mongo_uri: str, database: Any, eventually: Eventually
) -> None:
    def pieces() -> Iterator[bytes]:
        yield DATA
        gevent.sleep(100)

    with greenmongo.MongoClient[Any](mongo_uri) as client:
        bucket = GridFSBucket(client[DB])

        def kill() -> None:
            upload = gevent.spawn(bucket.upload_from_stream, "f", pieces())
            while not database["fs.chunks"].count_documents({}):
                gevent.sleep(0.01)
            upload.kill()

        in_hub(kill)
        eventually(lambda: is_clean(database))
        assert has_all(client)


@pytest.mark.asyncio
async def test_cancelled_downloads_leave_no_cursor_and_lose_no_connection(
    mongo_uri: str, database: Any, eventually: Eventually
) -> None:
    async with AsyncMongoClient[Any](mongo_uri) as client:
        bucket = AsyncGridFSBucket(client[DB])
        file_id = await bucket.upload_from_stream("f", DATA)
        half = asyncio.Event()

        async def read(number: int) -> None:
            async with await bucket.open_download_stream(file_id) as grid_out:
                while await grid_out.readchunk():
                    if number == 0 and grid_out.tell() > len(DATA) // 2:
                        half.set()

        downloads = [asyncio.create_task(read(number)) for number in range(20)]
        await half.wait()
        for download in downloads:
            download.cancel()
        await asyncio.gather(*downloads, return_exceptions=True)

        await anyio.to_thread.run_sync(eventually, lambda: is_clean(database))
        await anyio.to_thread.run_sync(eventually, lambda: has_all(client.sync))


@pytest.mark.asyncio
async def test_a_read_that_is_cancelled_has_not_moved(mongo_uri: str, database: Any) -> None:
    async with AsyncMongoClient[Any](mongo_uri) as client:
        bucket = AsyncGridFSBucket(client[DB])
        grid_out: AsyncGridOut = await bucket.open_download_stream(
            await bucket.upload_from_stream("f", DATA)
        )
        await grid_out.seek(1000)
        for pause in range(20):
            reading = asyncio.create_task(grid_out.read())
            for _ in range(pause):
                await asyncio.sleep(0)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            if reading.cancelled():
                assert grid_out.tell() == 1000
            await grid_out.seek(1000)

        assert await grid_out.read() == DATA[1000:]
        await grid_out.close()
