"""Errors, through every door: PyMongo's class, code, details and words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pymongo import errors
from pymongo.write_concern import WriteConcern

from greenmongo import MongoClient
from tests.support.fix_comparison import Comparison

pytestmark = pytest.mark.live

UNENCODABLE = object()
CASES: dict[str, tuple[type[Exception], Callable[[Any], Any]]] = {
    "duplicate_id": (errors.DuplicateKeyError, lambda db: db.c.insert_one({"_id": 1})),
    "duplicate_key": (
        errors.DuplicateKeyError,
        lambda db: db.c.update_one({"_id": 1}, {"$set": {"name": "name 2"}}),
    ),
    "duplicate_among_many": (
        errors.BulkWriteError,
        lambda db: db.c.insert_many([{"_id": 50}, {"_id": 1}, {"_id": 51}]),
    ),
    "duplicate_among_many_unordered": (
        errors.BulkWriteError,
        lambda db: db.c.insert_many(
            [{"_id": 50, "name": "a"}, {"_id": 1}, {"_id": 51, "name": "b"}, {"_id": 2}],
            ordered=False,
        ),
    ),
    "find_and_modify_duplicate": (
        errors.DuplicateKeyError,
        lambda db: db.c.find_one_and_update({"_id": 1}, {"$set": {"name": "name 2"}}),
    ),
    "unknown_operator": (errors.OperationFailure, lambda db: db.c.find_one({"$no": 1})),
    "unknown_update_operator": (
        errors.WriteError,
        lambda db: db.c.update_one({"_id": 1}, {"$no": {"x": 1}}),
    ),
    "unknown_command": (errors.OperationFailure, lambda db: db.command("nonsense")),
    "unknown_stage": (errors.OperationFailure, lambda db: db.c.aggregate([{"$no": 1}])),
    "replacement_with_operators": (
        ValueError,
        lambda db: db.c.replace_one({"_id": 1}, {"$set": {"x": 1}}),
    ),
    "update_without_operators": (ValueError, lambda db: db.c.update_one({"_id": 1}, {"x": 1})),
    "insert_of_nothing": (TypeError, lambda db: db.c.insert_many([])),
    "insert_of_a_list": (TypeError, lambda db: db.c.insert_one([1])),
    "filter_of_wrong_type": (TypeError, lambda db: db.c.delete_one([])),
    "too_late_on_the_server": (
        errors.ExecutionTimeout,
        lambda db: db.c.find_one({"$where": "sleep(100) || true"}, max_time_ms=10),
    ),
    "impossible_write_concern": (
        errors.WriteConcernError,
        lambda db: db.c.with_options(write_concern=WriteConcern(w=20, wtimeout=10)).insert_one(
            {"_id": 60, "name": "lonely"}
        ),
    ),
    "unknown_hint": (errors.OperationFailure, lambda db: db.c.find_one({}, hint="nowhere")),
    "unknown_index": (errors.OperationFailure, lambda db: db.c.drop_index("nowhere")),
    "index_conflict": (
        errors.OperationFailure,
        lambda db: db.c.create_index("name", unique=False),
    ),
    "existing_collection": (errors.CollectionInvalid, lambda db: db.create_collection("c")),
    "rename_of_nothing": (errors.OperationFailure, lambda db: db.nothing.rename("c")),
    "bad_collection_name": (errors.InvalidName, lambda db: db["a..b"]),
    "bad_database_name": (errors.InvalidName, lambda db: db.client["a b"]),
    "command_without_a_cursor": (errors.InvalidOperation, lambda db: db.cursor_command("ping")),
    "key_with_null_byte": (errors.PyMongoError, lambda db: db.c.find_one({"a\0b": 1})),
    "unencodable": (errors.PyMongoError, lambda db: db.c.insert_one({"x": UNENCODABLE})),
}
BSON_ERRORS = {"key_with_null_byte", "unencodable"}
"""bson's own errors are no PyMongoErrors."""


@pytest.mark.parametrize("name", CASES)
def test_the_error_is_pymongos(both: Comparison, name: str) -> None:
    expected, action = CASES[name]

    kind, error, *_ = both.check(action)

    assert kind == "raised"
    assert name in BSON_ERRORS or issubclass(error, expected)


def test_a_write_concern_that_fails_a_whole_command_is_called_so(
    db: Any, make_client: Callable[..., MongoClient[dict[str, Any]]]
) -> None:
    db.c.insert_one({})

    with pytest.raises(errors.WriteConcernError) as caught:
        make_client(w=20).drop_database(db.name)

    assert caught.value.code == 100
    assert db.name not in db.client.list_database_names()


def test_a_server_that_is_not_there_is_waited_for_and_named(
    make_client: Callable[..., MongoClient[dict[str, Any]]],
) -> None:
    client = make_client(
        host="mongodb://127.0.0.1:1/?directConnection=true", serverSelectionTimeoutMS=200
    )

    with pytest.raises(errors.ServerSelectionTimeoutError, match=r"127\.0\.0\.1:1"):
        client.admin.command("ping")


def test_a_closed_client_refuses(make_client: Callable[..., MongoClient[dict[str, Any]]]) -> None:
    client = make_client()
    client.admin.command("ping")
    client.close()
    client.close()

    with pytest.raises(errors.InvalidOperation, match="after close"):
        client.admin.command("ping")
