from __future__ import annotations

from typing import Any

import bson
import pytest
from bson.codec_options import CodecOptions
from bson.errors import InvalidDocument
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    DocumentTooLarge,
    DuplicateKeyError,
    InvalidName,
    InvalidOperation,
    OperationFailure,
    WriteConcernError,
)
from pymongo.operations import IndexModel
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from greenmongo import Collection
from greenmongo._core.bulk.batches import COMMAND_ROOM, WriteLimits
from tests.support.fake_executor import (
    HOME,
    FakeExecutor,
    cursor_reply,
    fake_collection,
    fake_database,
)

UNACKNOWLEDGED = WriteConcern(w=0)
CONCERN_ERROR = {"ok": 1.0, "n": 1, "writeConcernError": {"code": 100, "errmsg": "too few"}}


def duplicate(index: int) -> dict[str, Any]:
    return {"index": index, "code": 11000, "errmsg": "dup"}


# Identity


def test_options_are_inherited_unless_given() -> None:
    database = fake_database(
        FakeExecutor(), write_concern=WriteConcern(2), read_concern=ReadConcern("local")
    )
    collection = database.get_collection("c", read_preference=ReadPreference.NEAREST)
    assert collection.write_concern == WriteConcern(2)
    assert collection.read_concern == ReadConcern("local")
    assert collection.read_preference == ReadPreference.NEAREST
    other = collection.with_options(write_concern=WriteConcern(3))
    assert other.write_concern == WriteConcern(3)
    assert other.read_preference == ReadPreference.NEAREST


@pytest.mark.parametrize(
    "option", ["codec_options", "read_preference", "write_concern", "read_concern"]
)
def test_options_are_checked(option: str) -> None:
    wrong: Any = {option: 5}
    with pytest.raises(TypeError, match=option):
        Collection(fake_database(FakeExecutor()), "c", **wrong)


def test_a_dotted_name_is_reached_step_by_step() -> None:
    collection = fake_collection(FakeExecutor())
    assert collection.sub["two"].full_name == "db.c.sub.two"
    assert collection.name == "c"


def test_collections_of_one_name_are_equal() -> None:
    database = fake_database(FakeExecutor())
    assert database["c"] == database.c
    assert database["c"] != database["d"]
    assert database["c"] != "c"
    assert len({database["c"], database.c}) == 1
    assert repr(database["c"]).startswith("Collection(Database(MongoClient(host=")


def test_a_private_name_is_no_collection() -> None:
    with pytest.raises(AttributeError, match=r"database\['c\._x'\]"):
        _ = fake_collection(FakeExecutor())._x


def test_a_collection_is_neither_true_nor_iterable_nor_callable() -> None:
    collection = fake_collection(FakeExecutor())
    with pytest.raises(NotImplementedError, match="collection is not None"):
        bool(collection)
    with pytest.raises(TypeError, match="not iterable"):
        iter(collection)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="not iterable"):
        next(collection)
    with pytest.raises(TypeError, match="call the 'c' method on a 'Database' object"):
        collection()
    with pytest.raises(TypeError, match="call the 'typo' method on a 'Collection' object"):
        collection.typo()


def test_a_collection_needs_a_database_and_a_name() -> None:
    wrong: Any = "db"
    with pytest.raises(TypeError, match="Database required but given str"):
        Collection(wrong, "c")
    with pytest.raises(InvalidName):
        _ = fake_database(FakeExecutor())[""]


# Reads


def test_the_first_document_is_found_with_one_command() -> None:
    executor = FakeExecutor(cursor_reply(0, [{"_id": 1}]), cursor_reply(0, []))
    collection = fake_collection(executor)
    assert collection.find_one({"a": 1}) == {"_id": 1}
    assert collection.find_one() is None
    assert executor.bodies == [
        {"find": "c", "filter": {"a": 1}, "limit": 1, "singleBatch": True},
        {"find": "c", "filter": {}, "limit": 1, "singleBatch": True},
    ]


def test_what_is_no_query_is_an_id() -> None:
    executor = FakeExecutor(cursor_reply(0, []))
    fake_collection(executor).find_one(7)
    assert executor.bodies[0]["filter"] == {"_id": 7}


def test_find_one_takes_the_options_of_find() -> None:
    session: Any = object()
    executor = FakeExecutor(cursor_reply(0, [{"_id": 1}]))
    collection = fake_collection(executor)
    found = collection.find_one({}, ["a"], 2, 9, sort=["a"], session=session)
    assert found == {"_id": 1}
    assert executor.bodies[0] == {
        "find": "c",
        "filter": {},
        "sort": {"a": 1},
        "projection": {"a": 1},
        "skip": 2,
        "limit": 1,
        "singleBatch": True,
    }
    assert executor.sessions == [session]


def test_a_count_of_nothing_is_zero() -> None:
    missing = {"ok": 0.0, "code": 26, "errmsg": "ns not found"}
    denied = {"ok": 0.0, "code": 13, "errmsg": "no"}
    executor = FakeExecutor(cursor_reply(0, [{"n": 4}]), cursor_reply(0, []), missing, denied)
    collection = fake_collection(executor)
    assert [collection.count_documents({}) for _ in range(3)] == [4, 0, 0]
    with pytest.raises(OperationFailure, match="no"):
        collection.count_documents({})


def test_an_estimate_is_an_integer() -> None:
    assert fake_collection(FakeExecutor({"ok": 1.0, "n": 4.0})).estimated_document_count() == 4


def test_an_aggregation_returns_a_cursor_that_goes_on() -> None:
    executor = FakeExecutor(cursor_reply(9, [1]), cursor_reply(0, [2], first=False))
    cursor: Any = fake_collection(executor).aggregate([], batchSize=1, maxAwaitTimeMS=5)
    assert (cursor.alive, cursor.cursor_id, cursor.address) == (True, 9, HOME)
    assert cursor.try_next() == 1
    assert list(cursor) == [2]
    assert cursor.try_next() is None
    assert executor.bodies[1] == {
        "getMore": 9,
        "collection": "c",
        "batchSize": 2,
        "maxTimeMS": 5,
    }


def test_an_aggregation_into_a_collection_reports_its_write_concern() -> None:
    failed = {**cursor_reply(0, []), "writeConcernError": {"code": 100, "errmsg": "too few"}}
    with pytest.raises(WriteConcernError):
        fake_collection(FakeExecutor(failed)).aggregate([{"$out": "x"}])


def test_an_unanswered_aggregation_has_no_results() -> None:
    collection = fake_collection(FakeExecutor(), write_concern=UNACKNOWLEDGED)
    assert list(collection.aggregate([{"$out": "x"}])) == []


@pytest.mark.parametrize(("size", "error"), [("x", TypeError), (-1, ValueError)])
def test_a_command_cursors_batch_size_is_checked(size: Any, error: type[Exception]) -> None:
    cursor = fake_collection(FakeExecutor(cursor_reply(0, []))).aggregate([])
    with pytest.raises(error):
        cursor.batch_size(size)


def test_an_await_time_is_checked() -> None:
    with pytest.raises(TypeError, match="max_await_time_ms must be an integer"):
        fake_collection(FakeExecutor(cursor_reply(0, []))).aggregate([], maxAwaitTimeMS="x")


# Inserts


def test_an_inserted_document_is_given_an_id() -> None:
    executor = FakeExecutor()
    document: dict[str, Any] = {"a": 1}
    result = fake_collection(executor).insert_one(document)
    assert isinstance(document["_id"], ObjectId)
    assert result.inserted_id == document["_id"]
    assert result.acknowledged
    (sequence,) = executor.commands[0].sequences
    assert [bson.decode(d) for d in sequence.documents] == [document]


def test_raw_bson_is_inserted_as_it_is() -> None:
    executor = FakeExecutor({"ok": 1.0})
    raw = RawBSONDocument(bson.encode({"_id": 5}))
    assert fake_collection(executor).insert_one(raw).inserted_id is None
    (sequence,) = executor.commands[0].sequences
    assert list(sequence.documents) == [raw.raw]


def test_a_duplicate_is_reported() -> None:
    executor = FakeExecutor({"ok": 1.0, "n": 0, "writeErrors": [duplicate(0)]})
    with pytest.raises(DuplicateKeyError):
        fake_collection(executor).insert_one({})


@pytest.mark.parametrize("document", [5, [], None])
def test_only_documents_are_inserted(document: Any) -> None:
    with pytest.raises(TypeError, match="document must be an instance of dict"):
        fake_collection(FakeExecutor()).insert_one(document)
    with pytest.raises(TypeError, match="document must be an instance of dict"):
        fake_collection(FakeExecutor()).insert_many([document])


def test_what_cannot_be_encoded_is_not_sent() -> None:
    executor = FakeExecutor()
    collection = fake_collection(executor)
    with pytest.raises(InvalidDocument):
        collection.insert_one({"a": object()})
    with pytest.raises(InvalidDocument):
        collection.insert_many([{}, {"a": object()}])
    assert executor.commands == []


@pytest.mark.parametrize("documents", [[], {}, {"a": 1}, 5, None])
def test_many_are_a_list_that_is_not_empty(documents: Any) -> None:
    with pytest.raises(TypeError, match="documents must be a non-empty list"):
        fake_collection(FakeExecutor()).insert_many(documents)


def test_an_empty_generator_inserts_nothing() -> None:
    with pytest.raises(InvalidOperation, match="No operations to execute"):
        fake_collection(FakeExecutor()).insert_many(iter([]))


def test_many_are_sent_in_as_few_messages_as_the_limits_allow() -> None:
    executor = FakeExecutor(
        {"ok": 1.0, "n": 2}, {"ok": 1.0, "n": 1}, limits=WriteLimits(max_batch_size=2)
    )
    result = fake_collection(executor).insert_many([{"_id": i} for i in range(3)])
    assert result.inserted_ids == [0, 1, 2]
    assert [len(c.sequences[0].documents) for c in executor.commands] == [2, 1]


@pytest.mark.parametrize(("ordered", "messages"), [(True, 1), (False, 2)])
def test_an_error_stops_only_an_ordered_insert(ordered: bool, messages: int) -> None:
    executor = FakeExecutor(
        {"ok": 1.0, "n": 1, "writeErrors": [duplicate(1)]},
        {"ok": 1.0, "n": 1},
        limits=WriteLimits(max_batch_size=2),
    )
    with pytest.raises(BulkWriteError) as caught:
        fake_collection(executor).insert_many([{"_id": i} for i in range(3)], ordered=ordered)
    assert caught.value.details["writeErrors"] == [{**duplicate(1), "op": {"_id": 1}}]
    assert len(executor.commands) == messages


def test_an_unanswered_insert_waits_only_where_order_depends_on_it() -> None:
    limits = WriteLimits(max_batch_size=1)
    documents = [{"_id": i} for i in range(3)]
    ordered, unordered = FakeExecutor(limits=limits), FakeExecutor(limits=limits)
    result = fake_collection(ordered, write_concern=UNACKNOWLEDGED).insert_many(documents)
    fake_collection(unordered, write_concern=UNACKNOWLEDGED).insert_many(documents, ordered=False)
    assert not result.acknowledged
    assert [c.acknowledged for c in ordered.commands] == [True, True, False]
    assert [c.acknowledged for c in unordered.commands] == [False, False, False]


@pytest.mark.parametrize(
    "reply", [{"ok": 1.0, "writeErrors": [duplicate(0)]}, {"ok": 0.0, "code": 13, "errmsg": "no"}]
)
def test_an_unanswered_ordered_insert_stops_in_silence(reply: Any) -> None:
    executor = FakeExecutor(reply, limits=WriteLimits(max_batch_size=1))
    fake_collection(executor, write_concern=UNACKNOWLEDGED).insert_many([{}, {}, {}])
    assert len(executor.commands) == 1


def test_a_document_that_nobody_would_answer_for_is_refused() -> None:
    limits = WriteLimits(max_bson_size=100, max_message_size=COMMAND_ROOM + 1000)
    executor = FakeExecutor(limits=limits)
    collection = fake_collection(executor, write_concern=UNACKNOWLEDGED)
    with pytest.raises(DocumentTooLarge):
        collection.insert_one({"a": "x" * 200})
    with pytest.raises(DocumentTooLarge):
        collection.insert_many([{"a": "x" * 200}])
    with pytest.raises(DocumentTooLarge):
        fake_collection(executor).insert_many([{"a": "x" * 2000}])
    assert executor.commands == []


def test_validation_is_not_bypassed_in_silence() -> None:
    collection = fake_collection(FakeExecutor(), write_concern=UNACKNOWLEDGED)
    with pytest.raises(OperationFailure, match="Cannot set bypass_document_validation"):
        collection.insert_many([{}], bypass_document_validation=True)


def test_an_unacknowledged_write_takes_no_session() -> None:
    session: Any = object()
    collection = fake_collection(FakeExecutor(), write_concern=UNACKNOWLEDGED)
    for write in (
        lambda: collection.insert_one({}, session=session),
        lambda: collection.insert_many([{}], session=session),
        lambda: collection.delete_one({}, session=session),
    ):
        with pytest.raises(ConfigurationError, match="Explicit sessions are incompatible"):
            write()


# Updates, deletes, find and modify


def test_an_update_tells_what_it_did() -> None:
    executor = FakeExecutor(
        {"ok": 1.0, "n": 1, "nModified": 1},
        {"ok": 1.0, "n": 1, "nModified": 0, "upserted": [{"index": 0, "_id": 7}]},
    )
    collection = fake_collection(executor)
    result = collection.update_one({}, {"$set": {"a": 1}})
    assert (result.matched_count, result.modified_count, result.upserted_id) == (1, 1, None)
    result = collection.replace_one({}, {"a": 1}, upsert=True)
    assert (result.matched_count, result.modified_count, result.upserted_id) == (0, 0, 7)


def test_an_unanswered_write_tells_nothing() -> None:
    collection = fake_collection(FakeExecutor(), write_concern=UNACKNOWLEDGED)
    update = collection.update_many({}, {"$set": {"a": 1}})
    delete = collection.delete_many({})
    assert not update.acknowledged
    assert update.raw_result is None
    with pytest.raises(InvalidOperation):
        _ = delete.deleted_count


def test_a_delete_counts() -> None:
    assert fake_collection(FakeExecutor({"ok": 1.0, "n": 3})).delete_many({}).deleted_count == 3


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.update_one(5, {"$set": {}}),
        lambda c: c.update_one({}, {"$set": {}}, array_filters={}),
        lambda c: c.update_many({}, {"$set": {}}, array_filters={}),
        lambda c: c.update_many(5, {"$set": {}}),
        lambda c: c.replace_one(5, {}),
        lambda c: c.delete_one(5),
        lambda c: c.find_one_and_delete(5),
        lambda c: c.find_one_and_update({}, {"$set": {}}, array_filters={}),
        lambda c: c.create_indexes(IndexModel("a")),
        lambda c: c.create_indexes([5]),
        lambda c: c.distinct(5),
    ],
)
def test_wrong_types_are_refused(call: Any) -> None:
    executor = FakeExecutor()
    with pytest.raises(TypeError):
        call(fake_collection(executor))
    assert executor.commands == []


def test_find_and_modify_returns_the_document() -> None:
    reply = {"ok": 1.0, "value": {"_id": 1}}
    executor = FakeExecutor(reply, reply, reply, {"ok": 1.0, "value": None})
    collection = fake_collection(executor)
    assert collection.find_one_and_delete({"a": 1}, comment="why") == {"_id": 1}
    assert collection.find_one_and_replace({}, {"b": 1}) == {"_id": 1}
    assert collection.find_one_and_update({}, {"$set": {"b": 1}}) == {"_id": 1}
    assert collection.find_one_and_update({}, {"$set": {"b": 1}}) is None
    assert executor.bodies[0] == {
        "findAndModify": "c",
        "query": {"a": 1},
        "new": False,
        "remove": True,
        "comment": "why",
    }
    assert executor.bodies[1]["update"] == {"b": 1}


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.insert_one({}),
        lambda c: c.update_one({}, {"$set": {}}),
        lambda c: c.delete_one({}),
        lambda c: c.find_one_and_delete({}),
        lambda c: c.create_index("a"),
        lambda c: c.drop_index("a"),
        lambda c: c.rename("d"),
        lambda c: c.drop(),
    ],
)
def test_a_write_concern_that_failed_is_raised(call: Any) -> None:
    with pytest.raises(WriteConcernError):
        call(fake_collection(FakeExecutor(CONCERN_ERROR)))


# Indexes and the collection as a whole


def test_an_index_is_created_with_its_options() -> None:
    executor = FakeExecutor()
    name = fake_collection(executor).create_index([("a", 1)], unique=True, maxTimeMS=5, comment=1)
    assert name == "a_1"
    assert executor.bodies == [
        {
            "createIndexes": "c",
            "indexes": [{"name": "a_1", "unique": True, "key": {"a": 1}}],
            "maxTimeMS": 5,
            "comment": 1,
        }
    ]


def test_dropping_an_index_of_a_missing_collection_is_no_error() -> None:
    missing = {"ok": 0.0, "code": 26, "errmsg": "ns not found"}
    other = {"ok": 0.0, "code": 27, "errmsg": "index not found"}
    executor = FakeExecutor(missing, other)
    collection = fake_collection(executor)
    collection.drop_indexes()
    assert executor.bodies[0] == {"dropIndexes": "c", "index": "*"}
    with pytest.raises(OperationFailure, match="index not found"):
        collection.drop_index("a")


def test_indexes_are_listed_with_their_keys_in_order() -> None:
    executor = FakeExecutor(cursor_reply(0, [{"v": 2, "key": {"b": 1, "a": -1}, "name": "x"}]))
    assert fake_collection(executor).index_information() == {
        "x": {"v": 2, "key": [("b", 1), ("a", -1)]}
    }


def test_a_missing_collection_has_no_indexes() -> None:
    executor = FakeExecutor(
        {"ok": 0.0, "code": 26, "errmsg": "no"}, {"ok": 0.0, "code": 13, "errmsg": "no"}
    )
    assert list(fake_collection(executor).list_indexes()) == []
    with pytest.raises(OperationFailure):
        fake_collection(executor).list_indexes()


def test_options_are_those_of_the_creation() -> None:
    found = cursor_reply(0, [{"name": "c", "options": {"capped": True, "create": "c"}}])
    executor = FakeExecutor(found, cursor_reply(0, []))
    collection = fake_collection(executor)
    assert collection.options() == {"capped": True}
    assert collection.options() == {}


def test_a_drop_uses_the_collections_write_concern() -> None:
    executor = FakeExecutor()
    database = fake_database(executor)
    database.get_collection("c", write_concern=WriteConcern(2)).drop()
    assert executor.bodies == [{"drop": "c", "writeConcern": {"w": 2}}]


def test_codec_options_go_with_the_command() -> None:
    options: CodecOptions[Any] = CodecOptions(tz_aware=True)
    executor = FakeExecutor(cursor_reply(0, []))
    fake_collection(executor, codec_options=options).find_one()
    assert executor.commands[0].codec_options is options
