from __future__ import annotations

from typing import Any

import pytest
from bson.codec_options import CodecOptions
from bson.dbref import DBRef
from bson.son import SON
from pymongo.errors import (
    CollectionInvalid,
    InvalidName,
    InvalidOperation,
    NotPrimaryError,
    OperationFailure,
    WriteConcernError,
    WTimeoutError,
)
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from greenmongo import Database
from tests.support.fake_executor import FakeExecutor, cursor_reply, fake_database

MISSING = {"ok": 0.0, "code": 26, "errmsg": "ns not found"}


def failed(code: int, message: str = "no") -> dict[str, Any]:
    return {"ok": 0.0, "code": code, "errmsg": message}


def test_a_database_is_neither_true_nor_iterable() -> None:
    database = fake_database(FakeExecutor())
    with pytest.raises(NotImplementedError, match="database is not None"):
        bool(database)
    with pytest.raises(TypeError, match="not iterable"):
        iter(database)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="not iterable"):
        next(database)
    with pytest.raises(AttributeError, match=r"database\['_x'\]"):
        _ = database._x


def test_databases_of_one_name_are_equal() -> None:
    database = fake_database(FakeExecutor())
    assert database == database.client["db"]
    assert database != database.client["other"]
    assert database != "db"
    assert len({database, database.client["db"]}) == 1


def test_a_database_needs_a_client_and_a_name() -> None:
    wrong: Any = 5
    with pytest.raises(TypeError, match="MongoClient required but given int"):
        Database(wrong, "db")
    with pytest.raises(InvalidName):
        _ = fake_database(FakeExecutor()).client["a.b"]


def test_options_can_be_replaced() -> None:
    database = fake_database(FakeExecutor()).with_options(write_concern=WriteConcern(2))
    assert database.write_concern == WriteConcern(2)
    assert database.c.write_concern == WriteConcern(2)


def test_a_command_is_a_name_or_a_document() -> None:
    executor = FakeExecutor()
    database = fake_database(executor, write_concern=WriteConcern(2))
    database.command("count", "c", query={}, comment="why")
    database.command({"ping": 1}, read_preference=ReadPreference.NEAREST)
    assert executor.bodies == [{"count": "c", "query": {}, "comment": "why"}, {"ping": 1}]
    preferences = [command.read_preference for command in executor.commands]
    assert preferences == [ReadPreference.PRIMARY, ReadPreference.NEAREST]


def test_a_failed_command_is_raised_unless_the_caller_expects_it() -> None:
    executor = FakeExecutor(*(failed(59) for _ in range(4)))
    database = fake_database(executor)
    with pytest.raises(OperationFailure):
        database.command("bogus")
    with pytest.raises(OperationFailure):
        database.command("bogus", allowable_errors=["no", 60])
    assert database.command("bogus", allowable_errors=[59]) == failed(59)
    assert database.command("bogus", check=False) == failed(59)


def test_a_message_counts_where_there_is_no_code() -> None:
    reply = {"ok": 0.0, "errmsg": "no"}
    database = fake_database(FakeExecutor(reply, reply))
    assert database.command("bogus", allowable_errors=["no"]) == reply
    with pytest.raises(OperationFailure):
        database.command("bogus", allowable_errors=["yes"])


def test_a_server_that_is_not_primary_may_be_expected_too() -> None:
    database = fake_database(FakeExecutor(failed(10107), failed(10107)))
    assert database.command("x", check=False)["code"] == 10107
    with pytest.raises(NotPrimaryError):
        database.command("x")


def test_a_reply_has_the_types_that_were_asked_for() -> None:
    executor = FakeExecutor({"ok": 1.0, "x": {"y": 1}})
    options: CodecOptions[Any] = CodecOptions(SON)
    reply = fake_database(executor).command("x", codec_options=options)
    assert type(reply) is SON
    assert type(reply["x"]) is SON
    assert executor.commands[0].codec_options is options


def test_a_cursor_command_returns_its_cursor() -> None:
    executor = FakeExecutor(cursor_reply(9, [1]), cursor_reply(0, [2], first=False), {"ok": 1.0})
    database = fake_database(executor)
    cursor = database.cursor_command("find", "c", comment="why", max_await_time_ms=5)
    assert len(list(cursor)) == 2
    assert executor.bodies == [
        {"find": "c"},
        {"getMore": 9, "collection": "c", "maxTimeMS": 5, "comment": "why"},
    ]
    with pytest.raises(InvalidOperation, match="does not return a cursor"):
        database.cursor_command("ping")


def test_a_collection_is_created_if_there_is_none() -> None:
    executor = FakeExecutor(cursor_reply(0, []), {"ok": 1.0}, cursor_reply(0, [{"name": "c"}]))
    database = fake_database(executor)
    collection = database.create_collection("c", write_concern=WriteConcern(2), capped=True)
    assert collection.write_concern == WriteConcern(2)
    assert executor.bodies == [
        {"listCollections": 1, "cursor": {}, "filter": {"name": "c"}, "nameOnly": True},
        {"create": "c", "capped": True, "writeConcern": {"w": 2}},
    ]
    with pytest.raises(CollectionInvalid, match="collection c already exists"):
        database.create_collection("c")


def test_creating_need_not_look_first() -> None:
    executor = FakeExecutor()
    fake_database(executor).create_collection("c", check_exists=False)
    assert executor.bodies == [{"create": "c"}]


def test_collections_are_listed() -> None:
    executor = FakeExecutor(cursor_reply(0, [{"name": "a"}, {"name": "b"}]), cursor_reply(0, []))
    database = fake_database(executor)
    assert database.list_collection_names(authorizedCollections=True) == ["a", "b"]
    list(database.list_collections(filter={"type": "view"}, comment="why"))
    assert executor.bodies == [
        {"listCollections": 1, "cursor": {}, "authorizedCollections": True, "nameOnly": True},
        {"listCollections": 1, "cursor": {}, "filter": {"type": "view"}, "comment": "why"},
    ]


def test_a_missing_collection_is_dropped_already() -> None:
    database = fake_database(FakeExecutor(MISSING, failed(13)))
    assert database.drop_collection("c") == MISSING
    with pytest.raises(OperationFailure):
        database.drop_collection("c")


def test_a_collection_is_dropped_by_name_or_itself() -> None:
    executor = FakeExecutor()
    database = fake_database(executor)
    database.drop_collection(database.c, comment="why")
    assert executor.bodies == [{"drop": "c", "comment": "why"}]
    wrong: Any = 5
    with pytest.raises(TypeError, match="must be an instance of str, not <class 'int'>"):
        database.drop_collection(wrong)


def test_state_collections_are_dropped_with_an_encrypted_one() -> None:
    executor = FakeExecutor()
    fields = {"fields": [], "ecocCollection": "mine"}
    fake_database(executor).drop_collection("c", encrypted_fields=fields)
    assert [body["drop"] for body in executor.bodies] == ["enxcol_.c.esc", "mine", "c"]


def test_a_valid_collection_gives_its_report() -> None:
    sharded = {"ok": 1.0, "raw": {"a": {"valid": True}, "b": {"valid": True}}}
    executor = FakeExecutor({"ok": 1.0, "valid": True}, sharded)
    database = fake_database(executor)
    assert database.validate_collection("c", background=True)["valid"]
    assert database.validate_collection(database.c) == sharded
    assert executor.bodies[0] == {
        "validate": "c",
        "scandata": False,
        "full": False,
        "background": True,
    }


@pytest.mark.parametrize("report", [{"valid": False}, {"raw": {"a": {"valid": False}}}])
def test_a_damaged_collection_is_reported(report: Any) -> None:
    with pytest.raises(CollectionInvalid, match="c invalid"):
        fake_database(FakeExecutor({"ok": 1.0, **report})).validate_collection("c")


def test_a_reference_leads_to_its_document() -> None:
    executor = FakeExecutor(cursor_reply(0, [{"_id": 3}]))
    database = fake_database(executor)
    assert database.dereference(DBRef("c", 3)) == {"_id": 3}
    with pytest.raises(ValueError, match="points to another database"):
        database.dereference(DBRef("c", 3, "other"))
    wrong: Any = 5
    with pytest.raises(TypeError, match="cannot dereference"):
        database.dereference(wrong)


def test_an_aggregation_on_the_database() -> None:
    executor = FakeExecutor(cursor_reply(0, [{"a": 1}], ns="db.$cmd.aggregate"))
    assert list(fake_database(executor).aggregate([{"$documents": []}])) == [{"a": 1}]
    assert executor.bodies[0]["aggregate"] == 1


def test_a_failed_write_concern_is_raised() -> None:
    reply = {"ok": 1.0, "writeConcernError": {"code": 100, "errmsg": "too few"}}
    with pytest.raises(WriteConcernError):
        fake_database(FakeExecutor(reply)).drop_collection("c")
    with pytest.raises(WriteConcernError):
        fake_database(FakeExecutor(reply)).create_collection("c", check_exists=False)


def test_a_write_concern_that_failed_the_command_is_the_error_that_is_raised() -> None:
    concern = {"code": 100, "errmsg": "too few", "errInfo": {"wtimeout": True}}
    reply = {"ok": 0.0, "code": 100, "errmsg": "failed to wait", "writeConcernError": concern}
    with pytest.raises(WTimeoutError, match="too few") as caught:
        fake_database(FakeExecutor(reply)).drop_collection("c")
    assert caught.value.details == concern
    with pytest.raises(OperationFailure, match="failed to wait"):
        fake_database(FakeExecutor(reply)).command("drop", "c")


def test_a_called_database_names_the_method_that_is_missing() -> None:
    database = fake_database(FakeExecutor())

    with pytest.raises(TypeError, match=f"the '{database.name}' method on a 'MongoClient' object"):
        database()
