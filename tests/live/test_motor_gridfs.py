"""GridFS as it is written for Motor does the same here, with another import line."""

from __future__ import annotations

import asyncio
import io
import warnings
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from gridfs.errors import GridFSError, NoFile
from pymongo.errors import PyMongoError

import bridge.motor as ours

theirs = pytest.importorskip("motor.motor_asyncio")

pytestmark = pytest.mark.live

DATA = bytes(range(256)) * 4


async def uploads(bucket: Any) -> Any:
    first = await bucket.upload_from_stream("first", DATA, metadata={"a": 1})
    await bucket.upload_from_stream_with_id("id", "second", io.BytesIO(DATA[:50]))
    out = await bucket.open_download_stream(first)
    return await out.read(), out.filename, out.length, out.metadata, out.chunk_size


async def streams(bucket: Any) -> Any:
    grid_in = bucket.open_upload_stream("f", metadata={"b": 2})
    assert isinstance(grid_in.write(b"one\n"), asyncio.Future)
    await grid_in.write(b"two\n")
    await grid_in.writelines([b"three\n", b"four"])
    await grid_in.set("extra", 5)
    assert grid_in.writeable()
    assert not grid_in.readable()
    assert not grid_in.closed
    await grid_in.close()
    out = await bucket.open_download_stream_by_name("f")
    lines = [await out.readline() for _ in range(3)]
    return lines, out.tell(), out.seek(0), await out.readchunk(), out.extra, grid_in.length


async def a_block(bucket: Any) -> Any:
    async with bucket.open_upload_stream_with_id(5, "block") as grid_in:
        await grid_in.write(DATA)
    return grid_in._id, [chunk async for chunk in await bucket.open_download_stream(5)]


async def an_abort(bucket: Any) -> Any:
    grid_in = bucket.open_upload_stream("aborted")
    await grid_in.write(DATA)
    await grid_in.abort()
    return grid_in.closed, await bucket.open_download_stream(grid_in._id)


async def downloads(bucket: Any) -> Any:
    await bucket.upload_from_stream_with_id(1, "f", DATA)
    by_id, by_name = io.BytesIO(), io.BytesIO()
    await bucket.download_to_stream(1, by_id)
    await bucket.download_to_stream_by_name("f", by_name)
    return by_id.getvalue(), by_name.getvalue()


async def finds(bucket: Any) -> Any:
    for number in range(4):
        await bucket.upload_from_stream_with_id(number, "f", bytes(number))
    documents = await bucket.find({"_id": {"$gt": 1}}).sort("_id").to_list(10)
    cursor, objects = bucket.find().sort("_id"), []
    while await cursor.fetch_next:
        objects.append(await cursor.next_object().read())
    return [each["_id"] for each in documents], objects


async def changes(bucket: Any) -> Any:
    await bucket.upload_from_stream_with_id(1, "f", DATA)
    await bucket.rename(1, "g")
    name = (await bucket.open_download_stream_by_name("g")).filename
    await bucket.delete(1)
    return name, await bucket.open_download_stream_by_name("g")


async def a_file_that_is_not_there(bucket: Any) -> Any:
    return await bucket.delete(77)


async def a_file_that_must_be_opened(bucket: Any) -> Any:
    await bucket.upload_from_stream_with_id(1, "f", DATA)
    module = ours if isinstance(bucket, ours.AsyncIOMotorGridFSBucket) else theirs
    out = module.AsyncIOMotorGridOut(root(bucket), 1)
    with pytest.raises(PyMongoError, match="must call"):
        _ = out.length
    opened = out.open()
    return await opened is out, out.length, out.seek(1000), await out.read(), out.close()


def root(bucket: Any) -> Any:
    return bucket._parent["fs"] if hasattr(bucket, "_parent") else bucket.collection


async def no_database(bucket: Any) -> Any:
    return type(bucket)(5)


async def an_old_argument(bucket: Any) -> Any:
    database = bucket._parent if hasattr(bucket, "_parent") else bucket.collection.database
    old = type(bucket)(database, collection="old")
    await old.upload_from_stream("f", DATA)
    return await database["old.files"].count_documents({})


class Handler:
    def __init__(self) -> None:
        self.calls: list[Any] = []

    def write(self, data: bytes) -> None:
        self.calls.append(data)

    def flush(self) -> None:
        self.calls.append("flush")


async def a_handler(bucket: Any) -> Any:
    await bucket.upload_from_stream_with_id(1, "f", DATA, chunk_size_bytes=500)
    handler = Handler()
    await (await bucket.open_download_stream(1)).stream_to_handler(handler)
    return handler.calls


@pytest.mark.parametrize(
    "act",
    [
        uploads,
        streams,
        a_block,
        an_abort,
        downloads,
        finds,
        changes,
        a_file_that_is_not_there,
        a_file_that_must_be_opened,
        no_database,
        an_old_argument,
        a_handler,
    ],
)
@pytest.mark.asyncio
async def test_an_act_comes_out_as_with_motor(
    mongo_uri: str, act: Callable[[Any], Coroutine[Any, Any, Any]]
) -> None:
    outcomes = []
    for module in (theirs, ours):
        client = module.AsyncIOMotorClient(mongo_uri)
        try:
            await client.drop_database("motor_files")
            bucket = module.AsyncIOMotorGridFSBucket(client.motor_files)
            outcomes.append(await outcome(act, bucket))
            await client.drop_database("motor_files")
        finally:
            client.close()
    assert outcomes[0] == outcomes[1]


async def outcome(act: Callable[[Any], Coroutine[Any, Any, Any]], bucket: Any) -> Any:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            result = ("returned", await act(bucket))
        except (GridFSError, TypeError) as error:
            result = ("raised", type(error))
    return result, {warning.category for warning in told if "deprecated" in str(warning.message)}


@pytest.mark.asyncio
async def test_what_is_reached_through_a_bucket_has_motors_habits(mongo_uri: str) -> None:
    client: ours.AsyncIOMotorClient[Any] = ours.AsyncIOMotorClient(mongo_uri)
    bucket = ours.AsyncIOMotorGridFSBucket(client.motor_files)
    try:
        async with bucket.open_upload_stream("f") as grid_in:
            assert type(grid_in) is ours.AsyncIOMotorGridIn
            assert grid_in.get_io_loop() is asyncio.get_running_loop()
        async with await bucket.open_download_stream(grid_in._id) as grid_out:
            assert type(grid_out) is ours.AsyncIOMotorGridOut
        assert grid_out.closed
        async for each in bucket.find():
            # Motor's are blocking ones here, which is of no use.
            assert type(each) is ours.AsyncIOMotorGridOut
            assert await each.read() == b""
        with pytest.raises(NoFile):
            await bucket.open_download_stream_by_name("none")
    finally:
        await client.drop_database("motor_files")
        await client.close()
