"""What type checkers make of the async classes. Checked, never run."""

from __future__ import annotations

from collections.abc import AsyncIterator, MutableMapping
from typing import TYPE_CHECKING, Any, TypedDict

from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.operations import DeleteOne, UpdateOne
from pymongo.results import BulkWriteResult, InsertManyResult, InsertOneResult, UpdateResult

import greenmongo.motor.core
from bridge import (
    AsyncCollection,
    AsyncCommandCursor,
    AsyncCursor,
    AsyncDatabase,
    AsyncMongoClient,
    AsyncRequest,
)
from bridge.motor import AsyncIOMotorClient
from greenmongo import MongoClient
from greenmongo.asynchronous.collection import AsyncCollection as MirroredCollection

if TYPE_CHECKING:
    from typing_extensions import assert_type


class Movie(TypedDict):
    title: str
    year: int


async def documents_have_the_clients_type(client: AsyncMongoClient[dict[str, Any]]) -> None:
    assert_type(client.db, AsyncDatabase[dict[str, Any]])
    assert_type(client["db"].c, AsyncCollection[dict[str, Any]])
    assert_type(await client.db.c.find_one(), dict[str, Any] | None)
    assert_type(client.db.c.find({}).limit(1), AsyncCursor[dict[str, Any]])
    assert_type(await client.db.c.find()[3], dict[str, Any])
    assert_type(client.db.c.find()[3:5], AsyncCursor[dict[str, Any]])
    assert_type(await client.db.c.aggregate([]), AsyncCommandCursor[dict[str, Any]])
    assert_type(client.db.c.aggregate([]), AsyncCommandCursor[dict[str, Any]])
    assert_type(await client.db.c.aggregate([]).to_list(), list[dict[str, Any]])
    assert_type(await client.db.c.find().rewind(), AsyncCursor[dict[str, Any]])
    assert_type(await client.db.c.find_raw_batches().to_list(), list[bytes])
    assert_type(await (await client.db.c.aggregate_raw_batches([])).next(), bytes)
    assert_type(await client.db.c.count_documents({}, maxTimeMS=10), int)
    assert_type(await client.db.command("ping"), dict[str, Any])
    assert_type(await client.db.list_collections(), AsyncCommandCursor[MutableMapping[str, Any]])
    assert_type(await client.db.create_collection("c"), AsyncCollection[dict[str, Any]])
    assert_type(await client.primary, tuple[str, int | None] | None)


async def codec_options_give_another_type(
    client: AsyncMongoClient[dict[str, Any]], raw: CodecOptions[RawBSONDocument]
) -> None:
    assert_type(client.get_database("db", raw), AsyncDatabase[RawBSONDocument])
    assert_type(client.db.get_collection("c", raw), AsyncCollection[RawBSONDocument])
    assert_type(client.db.c.with_options(raw), AsyncCollection[RawBSONDocument])
    assert_type(client.db.c.with_options(), AsyncCollection[dict[str, Any]])
    assert_type(await client.db.command("ping", codec_options=raw), RawBSONDocument)


async def a_typed_collection_checks_documents(movies: AsyncCollection[Movie]) -> None:
    assert_type(await movies.find_one({"year": 1999}), Movie | None)
    assert_type(await movies.insert_one({"title": "The Matrix", "year": 1999}), InsertOneResult)
    assert_type(await movies.insert_many([{"title": "Up", "year": 2009}]), InsertManyResult)
    assert_type(await movies.bulk_write([DeleteOne({}), UpdateOne({}, {})]), BulkWriteResult)
    assert_type(await movies.update_one({}, {"$set": {"year": 2000}}, upsert=True), UpdateResult)
    await movies.insert_one({"title": "no year"})  # type: ignore[arg-type] # the point
    movies.find(limitt=3)  # type: ignore[call-arg] # the point
    async for movie in movies.find().sort("year").batch_size(10):
        assert_type(movie, Movie)
    assert_type(await movies.find().to_list(), list[Movie])


async def writes_take_what_comes_in_time(
    movies: AsyncCollection[Movie], source: AsyncIterator[Movie]
) -> None:
    assert_type(await movies.insert_many(source, return_ids=False), InsertManyResult)
    assert_type(await movies.insert_many(documents=iter([])), InsertManyResult)


async def requests_and_blocking_code(client: AsyncMongoClient[Movie]) -> None:
    async with client.start_request() as request:
        assert_type(request, AsyncRequest)
    assert_type(await client.start_request(), AsyncRequest)
    assert_type(client.in_request(), bool)
    assert_type(client.sync, MongoClient[Movie])
    assert_type(AsyncMongoClient.from_client(client.sync), AsyncMongoClient[Movie])
    assert_type(await client.run(len, "four"), int)
    await client.run(len, 4)  # type: ignore[arg-type] # the point


async def the_names_below_greenmongo_have_the_same_types(
    client: greenmongo.AsyncMongoClient[dict[str, Any]],
    agnostic: greenmongo.motor.core.AgnosticClient[dict[str, Any]],
) -> None:
    assert_type(client, AsyncMongoClient[dict[str, Any]])
    assert_type(client.db.c, MirroredCollection[dict[str, Any]])
    assert_type(agnostic, AsyncIOMotorClient[dict[str, Any]])
