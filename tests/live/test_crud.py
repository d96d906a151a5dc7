"""Reads and writes, through every door: the same results as PyMongo's on the same server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from bson import ObjectId
from pymongo import InsertOne, ReturnDocument
from pymongo.collation import Collation
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from tests.support.fix_comparison import Comparison

pytestmark = pytest.mark.live

OID = ObjectId(b"twelve bytes")

READS: dict[str, Callable[[Any], Any]] = {
    "find_one": lambda db: db.c.find_one(),
    "find_one_by_filter": lambda db: db.c.find_one({"n": 3}, sort=[("_id", -1)]),
    "find_one_by_id": lambda db: db.c.find_one(7),
    "find_one_of_none": lambda db: db.c.find_one({"n": 99}),
    "find_one_projected": lambda db: db.c.find_one({"_id": 2}, {"name": True, "_id": False}),
    "find_one_skipping": lambda db: db.c.find_one(skip=4, max_time_ms=10_000, comment="why"),
    "count_documents": lambda db: db.c.count_documents({"n": {"$gt": 1}}),
    "count_documents_limited": lambda db: db.c.count_documents({}, skip=1, limit=3),
    "count_documents_of_nothing": lambda db: db.nothing.count_documents({}),
    "estimated_document_count": lambda db: db.c.estimated_document_count(),
    "distinct": lambda db: sorted(db.c.distinct("n")),
    "distinct_filtered": lambda db: sorted(db.c.distinct("tags", {"n": 1})),
    "aggregate": lambda db: db.c.aggregate(
        [{"$group": {"_id": "$n", "sum": {"$sum": "$_id"}}}, {"$sort": {"_id": 1}}]
    ),
    "aggregate_with_let": lambda db: db.c.aggregate(
        [{"$match": {"$expr": {"$eq": ["$n", "$$wanted"]}}}], let={"wanted": 2}
    ),
    "aggregate_the_database": lambda db: db.client.admin.aggregate(
        [{"$documents": [{"x": 1}, {"x": 2}]}]
    ),
    "secondary_preferred": lambda db: db.c.with_options(
        read_preference=ReadPreference.SECONDARY_PREFERRED
    ).find_one({"_id": 1}),
    "majority": lambda db: db.get_collection("c", read_concern=ReadConcern("majority")).find_one(
        {"_id": 1}
    ),
    "collation": lambda db: db.c.find_one(
        {"name": "NAME 4"}, collation=Collation("en", strength=2)
    ),
}

WRITES: dict[str, Callable[[Any], Any]] = {
    "insert_one": lambda db: db.c.insert_one({"_id": 100, "name": "new"}),
    "insert_one_with_an_object_id": lambda db: db.c.insert_one({"_id": OID, "x": {"y": [1, 2]}}),
    "insert_many": lambda db: db.c.insert_many([{"_id": i, "name": str(i)} for i in range(50, 55)]),
    "insert_many_of_many": lambda db: db.c.insert_many(
        [{"_id": i, "name": str(i)} for i in range(100, 3_000)]
    ),
    "update_one": lambda db: db.c.update_one({"_id": 3}, {"$set": {"x": 1}}),
    "update_one_of_none": lambda db: db.c.update_one({"_id": 333}, {"$set": {"x": 1}}),
    "update_one_that_changes_nothing": lambda db: db.c.update_one({"_id": 3}, {"$set": {"n": 3}}),
    "update_one_upserting": lambda db: db.c.update_one(
        {"_id": 300}, {"$set": {"x": 1}}, upsert=True
    ),
    "update_one_by_pipeline": lambda db: db.c.update_one(
        {"_id": 3}, [{"$set": {"x": {"$add": ["$n", 1]}}}]
    ),
    "update_one_in_an_array": lambda db: db.c.update_one(
        {"_id": 2}, {"$set": {"tags.$[tag]": "z"}}, array_filters=[{"tag": "b"}]
    ),
    "update_many": lambda db: db.c.update_many({"n": 1}, {"$inc": {"n": 10}}),
    "replace_one": lambda db: db.c.replace_one({"_id": 3}, {"name": "replaced"}),
    "replace_one_upserting": lambda db: db.c.replace_one(
        {"_id": 301}, {"name": "put"}, upsert=True
    ),
    "delete_one": lambda db: db.c.delete_one({"n": 2}),
    "delete_many": lambda db: db.c.delete_many({"n": 2}),
    "delete_many_of_none": lambda db: db.c.delete_many({"n": 222}),
    "find_one_and_delete": lambda db: db.c.find_one_and_delete({"_id": 4}, {"name": 1}),
    "find_one_and_replace": lambda db: db.c.find_one_and_replace({"_id": 4}, {"name": "r"}),
    "find_one_and_update": lambda db: db.c.find_one_and_update({"_id": 4}, {"$set": {"n": 0}}),
    "find_one_and_update_after": lambda db: db.c.find_one_and_update(
        {"n": 4}, {"$inc": {"n": 1}}, sort=[("_id", -1)], return_document=ReturnDocument.AFTER
    ),
    "find_one_and_update_upserting": lambda db: db.c.find_one_and_update(
        {"_id": 302}, {"$set": {"n": 0}}, upsert=True, return_document=ReturnDocument.AFTER
    ),
    "find_one_and_delete_of_none": lambda db: db.c.find_one_and_delete({"_id": 444}),
    "write_with_w_majority": lambda db: db.c.with_options(
        write_concern=WriteConcern("majority", wtimeout=5_000)
    ).insert_one({"_id": 101, "name": "safe"}),
}

INDEXES: dict[str, Callable[[Any], Any]] = {
    "create_index": lambda db: db.c.create_index([("n", 1), ("name", -1)], unique=True),
    "index_information": lambda db: db.c.index_information(),
    "list_indexes": lambda db: db.c.list_indexes(),
    "list_indexes_of_nothing": lambda db: db.nothing.list_indexes(),
    "drop_index": lambda db: (db.c.drop_index("name_1"), db.c.index_information()),
    "drop_indexes": lambda db: (db.c.drop_indexes(), db.c.index_information()),
}

ADMIN: dict[str, Callable[[Any], Any]] = {
    "command": lambda db: db.command("ping"),
    "command_with_a_value": lambda db: db.command("count", "c", query={"n": 1}),
    "command_document": lambda db: db.command({"distinct": "c", "key": "n"}),
    "cursor_command": lambda db: db.cursor_command("find", "c", filter={"_id": {"$lt": 3}}),
    "create_collection": lambda db: (
        db.create_collection("capped", capped=True, size=4096).name,
        db.capped.options(),
        db.capped.drop(),
    ),
    "list_collection_names": lambda db: db.list_collection_names(),
    "list_collections": lambda db: [each["name"] for each in db.list_collections()],
    "rename": lambda db: (
        db.c.rename("d"),
        db.d.count_documents({}),
        db.d.drop(),
    ),
    "drop": lambda db: (db.c.drop(), db.list_collection_names()),
    "drop_of_nothing": lambda db: db.drop_collection("nothing"),
    "validate_collection": lambda db: db.validate_collection("c")["valid"],
    "list_database_names": lambda db: db.name in db.client.list_database_names(),
    "server_info": lambda db: db.client.server_info()["version"],
}

CASES = READS | WRITES | INDEXES | ADMIN


@pytest.mark.parametrize("name", CASES)
def test_the_result_is_pymongos(both: Comparison, name: str) -> None:
    assert both.check(CASES[name])[0] == "returned"


def test_an_unacknowledged_write_returns_at_once_and_arrives(db: Any) -> None:
    silent = db.c.with_options(write_concern=WriteConcern(w=0))

    with db.client.start_request():
        result = silent.insert_one({"_id": 1})
        found = db.c.find_one({"_id": 1})

    assert not result.acknowledged
    assert found == {"_id": 1}


def test_an_inserted_document_is_given_an_id(db: Any) -> None:
    document: dict[str, Any] = {"x": 1}

    result = db.c.insert_one(document)

    assert isinstance(document["_id"], ObjectId)
    assert result.inserted_id == document["_id"]
    assert db.c.find_one(result.inserted_id) == document


def test_names_with_dots_are_one_collection(db: Any) -> None:
    db.a.b["c"].insert_one({"_id": 1})

    assert db.a.b.c.full_name == "test_live.a.b.c"
    assert db["a.b.c"].find_one() == {"_id": 1}
    assert db["a.b.c"] == db.a.b.c


def test_a_request_keeps_its_connection(db: Any) -> None:
    def connection() -> Any:
        return db.client.admin.command("hello")["connectionId"]

    with db.client.start_request() as request:
        first = connection()
        assert db.client.in_request()
        assert request.connection_id == first
        assert [connection() for _ in range(5)] == [first] * 5
        request.end()
        assert not db.client.in_request()

    assert not db.client.in_request()


def test_requests_nest(db: Any) -> None:
    client = db.client
    client.start_request()
    client.start_request()
    client.end_request()
    assert client.in_request()
    client.end_request()
    client.end_request()

    assert not client.in_request()


def test_models_are_no_documents(both: Comparison) -> None:
    assert both.check(lambda db: db.c.insert_one(InsertOne({})))[:2] == ("raised", TypeError)
