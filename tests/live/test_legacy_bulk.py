"""The bulk builders of PyMongo 2.x, through every door."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bson
import pytest
from bson.errors import InvalidDocument
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo.errors import BulkWriteError, InvalidOperation, WriteConcernError

pytestmark = pytest.mark.live


@pytest.fixture
def things(old_db: Any) -> Any:
    old_db.things.insert_many([{"_id": n, "n": n % 2} for n in range(6)])
    return old_db.things


def content(things: Any) -> dict[Any, Any]:
    return {each.pop("_id"): each for each in things.find()}


def test_everything_is_executed_at_once(things: Any) -> None:
    bulk = things.initialize_ordered_bulk_op()
    document: dict[str, Any] = {"x": 1}
    assert bulk.insert(document) is None
    assert isinstance(document["_id"], ObjectId)
    bulk.find({"_id": 0}).update_one({"$set": {"x": 1}})
    bulk.find({"n": 1}).update({"$set": {"x": 2}})
    bulk.find({"_id": 2}).replace_one({"x": 3})
    bulk.find({"_id": 4}).remove_one()
    bulk.find({"n": 1}).remove()
    bulk.find({"_id": 10}).upsert().update_one({"$set": {"x": 4}})
    bulk.find({"_id": 11}).upsert().update({"$set": {"x": 5}})
    bulk.find({"_id": 12}).upsert().replace_one({"x": 6})
    assert things.count() == 6
    result = bulk.execute()
    assert {name: result[name] for name in result if name.startswith("n")} == {
        "nInserted": 1,
        "nUpserted": 3,
        "nMatched": 5,
        "nModified": 5,
        "nRemoved": 4,
    }
    assert result["upserted"] == [
        {"index": 6, "_id": 10},
        {"index": 7, "_id": 11},
        {"index": 8, "_id": 12},
    ]
    assert content(things) == {
        0: {"n": 0, "x": 1},
        2: {"x": 3},
        10: {"x": 4},
        11: {"x": 5},
        12: {"x": 6},
        document["_id"]: {"x": 1},
    }


@pytest.mark.parametrize(("ordered", "left"), [(True, 6), (False, 5)])
def test_an_error_stops_what_is_in_order(things: Any, ordered: bool, left: int) -> None:
    begin = "initialize_ordered_bulk_op" if ordered else "initialize_unordered_bulk_op"
    bulk = getattr(things, begin)()
    bulk.insert({"_id": 1})
    bulk.find({"_id": 2}).remove_one()
    with pytest.raises(BulkWriteError) as caught:
        bulk.execute()
    (error,) = caught.value.details["writeErrors"]
    assert (error["index"], error["code"], error["op"]) == (0, 11000, {"_id": 1})
    assert things.count() == left


def test_it_is_executed_once(things: Any) -> None:
    bulk = things.initialize_ordered_bulk_op()
    with pytest.raises(InvalidOperation, match="No operations to execute"):
        bulk.execute()
    bulk.find({}).remove()
    bulk.execute()
    with pytest.raises(InvalidOperation, match="only be executed once"):
        bulk.execute()


def test_the_write_concern_is_a_document(things: Any) -> None:
    bulk = things.initialize_unordered_bulk_op()
    bulk.find({"_id": 1}).remove()
    assert bulk.execute({"w": 0}) is None
    bulk = things.initialize_unordered_bulk_op()
    bulk.find({"_id": 2}).remove()
    with pytest.raises((BulkWriteError, WriteConcernError)) as caught:
        bulk.execute({"w": 50, "wtimeout": 1})
    assert (caught.value.details or {})["writeConcernErrors"]


def test_keys_are_checked_when_it_is_executed(things: Any) -> None:
    bulk = things.initialize_ordered_bulk_op()
    bulk.insert({"_id": 20})
    bulk.insert(RawBSONDocument(bson.encode({"a.b": 1})))
    bulk.insert({"_id": 21, "a.b": 1})
    with pytest.raises(InvalidDocument, match="must not contain"):
        bulk.execute()
    assert things.count() == 6


NO_DOCUMENT: Any = 5


@pytest.mark.parametrize(
    ("error", "act"),
    [
        (TypeError, lambda bulk: bulk.find(NO_DOCUMENT)),
        (TypeError, lambda bulk: bulk.insert(NO_DOCUMENT)),
        (TypeError, lambda bulk: bulk.find({}).update(NO_DOCUMENT)),
        (ValueError, lambda bulk: bulk.find({}).update_one({"x": 1})),
        (ValueError, lambda bulk: bulk.find({}).upsert().replace_one({"$set": {"x": 1}})),
    ],
)
def test_what_is_wrong_is_said_when_it_is_added(
    things: Any, error: type[Exception], act: Callable[[Any], Any]
) -> None:
    bulk = things.initialize_ordered_bulk_op()
    with pytest.raises(error):
        act(bulk)
    with pytest.raises(InvalidOperation, match="No operations to execute"):
        bulk.execute()


def test_insert_takes_a_generator(things: Any) -> None:
    assert things.insert({"_id": n} for n in (30, 31)) == [30, 31]
    assert things.count() == 8
