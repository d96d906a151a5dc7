"""What type checkers make of the blocking classes. Checked, never run."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, TypedDict

from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.operations import DeleteOne, UpdateOne
from pymongo.results import BulkWriteResult, InsertManyResult, InsertOneResult, UpdateResult

from greenmongo import Collection, CommandCursor, Cursor, Database, MongoClient

if TYPE_CHECKING:
    from typing_extensions import assert_type


class Movie(TypedDict):
    title: str
    year: int


def documents_have_the_clients_type(client: MongoClient[dict[str, Any]]) -> None:
    assert_type(client.db, Database[dict[str, Any]])
    assert_type(client["db"].c, Collection[dict[str, Any]])
    assert_type(client.db.c.find_one(), dict[str, Any] | None)
    assert_type(client.db.c.find({}).limit(1), Cursor[dict[str, Any]])
    assert_type(client.db.c.find()[3], dict[str, Any])
    assert_type(client.db.c.find()[3:5], Cursor[dict[str, Any]])
    assert_type(client.db.c.aggregate([]), CommandCursor[dict[str, Any]])
    assert_type(client.db.c.count_documents({}), int)
    assert_type(client.db.command("ping"), dict[str, Any])
    assert_type(client.db.list_collections(), CommandCursor[MutableMapping[str, Any]])


def codec_options_give_another_type(
    client: MongoClient[dict[str, Any]], raw: CodecOptions[RawBSONDocument]
) -> None:
    assert_type(client.get_database("db", raw), Database[RawBSONDocument])
    assert_type(client.db.get_collection("c", raw), Collection[RawBSONDocument])
    assert_type(client.db.c.with_options(raw), Collection[RawBSONDocument])
    assert_type(client.db.c.with_options(), Collection[dict[str, Any]])
    assert_type(client.db.command("ping", codec_options=raw), RawBSONDocument)


def a_typed_collection_checks_documents(movies: Collection[Movie]) -> None:
    assert_type(movies.find_one({"year": 1999}), Movie | None)
    assert_type(movies.insert_one({"title": "The Matrix", "year": 1999}), InsertOneResult)
    assert_type(movies.insert_many([{"title": "Up", "year": 2009}]), InsertManyResult)
    assert_type(movies.bulk_write([DeleteOne({}), UpdateOne({}, {})]), BulkWriteResult)
    assert_type(movies.update_one({}, {"$set": {"year": 2000}}, upsert=True), UpdateResult)
    movies.insert_one({"title": "no year"})  # type: ignore[arg-type] # the point
    movies.find(limitt=3)  # type: ignore[call-arg] # the point
    for movie in movies.find():
        assert_type(movie, Movie)
        assert_type(movie["title"], str)
