"""Every line of same_as_pymongo.txt does the same through PyMongo and through us."""

from __future__ import annotations

import copy
import re
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import bson
import pymongo
import pytest
from bson import SON, Code, CodecOptions, DBRef, ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo import IndexModel, ReadPreference, ReturnDocument, WriteConcern
from pymongo.collation import Collation
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.results import DeleteResult, InsertManyResult, InsertOneResult, UpdateResult

import greenmongo

pytestmark = pytest.mark.live

SCRIPT = Path(__file__).with_name("same_as_pymongo.txt")
LINES = [line for line in SCRIPT.read_text().splitlines() if not line.startswith("#")]
DOCUMENTS = [{"_id": i, "a": i % 3, "s": ("xx", "YY")[i % 2], "arr": [1, 2, i]} for i in range(10)]

NAMES = {
    "CodecOptions": CodecOptions,
    "Code": Code,
    "Collation": Collation,
    "DBRef": DBRef,
    "IndexModel": IndexModel,
    "RawBSONDocument": RawBSONDocument,
    "ReadConcern": ReadConcern,
    "ReadPreference": ReadPreference,
    "ReturnDocument": ReturnDocument,
    "SON": SON,
    "WriteConcern": WriteConcern,
    "bson": bson,
    "copy": copy,
    "uuid": uuid,
}
RESULTS = (DeleteResult, InsertManyResult, InsertOneResult, UpdateResult)
OUTCOMES = ("acknowledged", "inserted_id", "inserted_ids", "raw_result", "upserted_id")
# Different from one run to the next.
VOLATILE = {"$clusterTime", "operationTime", "electionId", "opTime", "uuid", "serverInfo"}


class Sides(NamedTuple):
    theirs: Any
    ours: Any


@pytest.fixture(scope="module")
def sides(mongo_uri: str) -> Iterator[Sides]:
    theirs: pymongo.MongoClient[Any] = pymongo.MongoClient(mongo_uri)
    ours: greenmongo.MongoClient[Any] = greenmongo.MongoClient(mongo_uri)
    with theirs, ours:
        yield Sides(theirs["same"], ours["same"])
        theirs.drop_database("same")


@pytest.mark.parametrize("line", LINES)
def test_an_expression_does_what_it_does_with_pymongo(line: str, sides: Sides) -> None:
    if "return_document=1" in line and pymongo.version_tuple < (4, 19):
        pytest.skip("this PyMongo raises another class of error here")
    seen = []
    for database in sides:
        sides.theirs.c.drop()
        sides.theirs.c.insert_many(DOCUMENTS)
        result = evaluate(line, database)
        # In order with an unanswered write, which nothing else waits for.
        database.c.with_options(write_concern=WriteConcern(w=1)).delete_many({"_id": "no such"})
        seen.append((result, plain(sides.theirs.c.find(sort=[("_id", 1)]).to_list())))
    assert seen[0] == seen[1]


def evaluate(line: str, database: Any) -> Any:
    """Return what an expression comes to, in a form that can be compared."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return "returned", plain(eval(line, {**NAMES, "d": database}))
    except Exception as error:
        message = re.sub(r", full error: .*", "", str(error))
        labels = sorted(getattr(error, "_error_labels", ()))
        code, details = getattr(error, "code", None), getattr(error, "details", None)
        return "raised", type(error), code, plain(details), plain(message), labels


def plain(value: Any) -> Any:
    """Return a value without what is new in every run, cursors as lists, results as dicts."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if key not in VOLATILE}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, ObjectId):
        return "an ObjectId"
    if isinstance(value, str):
        value = re.sub(r"ObjectId\('\w+'\)", "an ObjectId", value)
        return re.sub(r"Timestamp\(\d+, \d+\)", "a Timestamp", value)
    if isinstance(value, RESULTS):
        return {
            name: plain(outcome(value, name)) for name in OUTCOMES if hasattr(type(value), name)
        }
    kind = type(value).__name__
    if kind in ("Cursor", "CommandCursor", "RawBatchCursor", "RawBatchCommandCursor"):
        return plain(value.to_list())
    if kind == "Collection":
        return f"collection {value.full_name}"
    return value


def outcome(result: Any, name: str) -> Any:
    """Return what a result says, or why it does not."""
    try:
        return getattr(result, name)
    except PyMongoError as error:
        return str(error)
