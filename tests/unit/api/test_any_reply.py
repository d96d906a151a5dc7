"""Whatever a server replies, an operation returns, or raises an error of PyMongo's.

Each part of a reply that makes sense is replaced, one after another, by each of many values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest
from bson.errors import BSONError
from bson.int64 import Int64
from bson.timestamp import Timestamp
from pymongo import InsertOne, UpdateOne
from pymongo.errors import ProtocolError, PyMongoError
from pymongo.operations import IndexModel

from greenmongo._core.command import Command, Reply
from greenmongo._core.reply_shape import ShapeError, check_reply_shape
from greenmongo._core.sessions.client_session import SessionLike
from tests.support.fake_executor import FakeExecutor, fake_collection

Doc = dict[str, Any]

ABSENT = object()
JUNK: list[Any] = [
    ABSENT,
    None,
    True,
    0,
    -1,
    7,
    1.5,
    float("nan"),
    float("inf"),
    Int64(2**62),
    "x",
    b"x",
    [],
    [1],
    [None],
    [{}],
    {},
    {"a": 1},
    Timestamp(1, 1),
]


class Checking(FakeExecutor):
    """Checks each reply, as a round trip does."""

    def execute(self, command: Command, session: SessionLike | None = None) -> Reply:
        upcoming = self.replies[0] if self.replies else {"ok": 1.0}
        assert isinstance(upcoming, dict)
        count = None if not command.sequences else len(command.sequences[0].documents)
        try:
            check_reply_shape(command.shape, upcoming, count)
        except ShapeError as error:
            # As `Connection.refuse` does.
            raise ProtocolError(str(error)) from error
        return super().execute(command, session)


def batch(*documents: Any, first: bool = True, cursor_id: int = 0) -> Doc:
    name = "firstBatch" if first else "nextBatch"
    return {"cursor": {"id": cursor_id, name: list(documents), "ns": "db.c"}, "ok": 1.0}


CHANGE = {"_id": {"_data": "1"}, "operationType": "insert"}
FAILED = {
    "ok": 0,
    "errmsg": "no",
    "code": 11000,
    "codeName": "No",
    "errorLabels": ["RetryableWriteError"],
}
WRITTEN = {
    "ok": 1,
    "n": 1,
    "nModified": 1,
    "upserted": [{"index": 0, "_id": 5}],
    "writeErrors": [{"index": 0, "code": 11000, "errmsg": "no", "errInfo": {"a": 1}}],
    "writeConcernError": {"code": 64, "errmsg": "late", "errInfo": {"writeConcern": {"w": 2}}},
}

OPERATIONS: dict[str, tuple[Callable[[Any], Any], list[Doc]]] = {
    "find": (
        lambda c: list(c.find()),
        [batch({"a": 1}, cursor_id=5), batch({"a": 2}, first=False)],
    ),
    "find_one": (lambda c: c.find_one(), [batch({"a": 1})]),
    "aggregate": (
        lambda c: c.aggregate([]).to_list(),
        [batch({"a": 1}, cursor_id=5), batch({"a": 2}, first=False)],
    ),
    "count": (lambda c: c.count_documents({}), [batch({"n": 5})]),
    "estimate": (lambda c: c.estimated_document_count(), [{"n": 5, "ok": 1}]),
    "distinct": (lambda c: c.distinct("a"), [{"values": [1], "ok": 1}]),
    "explain": (lambda c: c.find().explain(), [{"queryPlanner": {"a": 1}, "ok": 1}]),
    "insert_one": (lambda c: c.insert_one({}).inserted_id, [WRITTEN]),
    "insert_many": (lambda c: c.insert_many([{}, {}], ordered=False).inserted_ids, [WRITTEN]),
    "update_one": (lambda c: c.update_one({}, {"$set": {"a": 1}}).raw_result, [WRITTEN]),
    "replace_one": (lambda c: c.replace_one({}, {}, upsert=True).upserted_id, [WRITTEN]),
    "delete_many": (lambda c: c.delete_many({}).deleted_count, [WRITTEN]),
    "bulk_write": (
        lambda c: (
            c.bulk_write(
                [InsertOne({}), UpdateOne({}, {"$set": {"a": 1}})], ordered=False
            ).bulk_api_result
        ),
        [WRITTEN, WRITTEN],
    ),
    "find_one_and_delete": (
        lambda c: c.find_one_and_delete({}),
        [{**WRITTEN, "value": {"a": 1}, "lastErrorObject": {"n": 1}}],
    ),
    "create_indexes": (
        lambda c: c.create_indexes([IndexModel("a")]),
        [{"ok": 1, "numIndexesAfter": 2, "writeConcernError": WRITTEN["writeConcernError"]}],
    ),
    "drop_index": (lambda c: c.drop_index("a_1"), [FAILED]),
    "list_indexes": (lambda c: list(c.list_indexes()), [batch({"name": "a", "key": {"a": 1}})]),
    "index_information": (
        lambda c: c.index_information(),
        [batch({"name": "a_1", "key": {"a": 1}, "v": 2})],
    ),
    "options": (lambda c: c.options(), [batch({"name": "c", "options": {"capped": True}})]),
    "search_indexes": (
        lambda c: c.create_search_index({"definition": {}}),
        [{"ok": 1, "indexesCreated": [{"name": "a"}]}],
    ),
    "rename": (lambda c: c.rename("d"), [FAILED]),
    "drop": (lambda c: c.drop(), [FAILED]),
    "command": (lambda c: c.database.command("ping"), [FAILED]),
    "cursor_command": (lambda c: list(c.database.cursor_command("x")), [batch({"a": 1})]),
    "list_collections": (
        lambda c: c.database.list_collection_names(),
        [batch({"name": "c", "type": "collection"})],
    ),
    "validate": (
        lambda c: c.database.validate_collection("c"),
        [{"ok": 1, "valid": True, "result": "fine", "raw": {"s": {"valid": True}}}],
    ),
    "watch": (
        lambda c: [c.watch().try_next() for _ in range(2)],
        [batch(CHANGE, cursor_id=5), batch(CHANGE)],
    ),
}


def places(value: Any, *path: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the path to each part of a value."""
    if path:
        yield path
    if isinstance(value, dict):
        for name in value:
            yield from places(value[name], *path, name)
    elif isinstance(value, list):
        for index in range(len(value)):
            yield from places(value[index], *path, index)


def replaced(replies: list[Doc], path: tuple[Any, ...], junk: Any) -> list[Doc]:
    changed: Any = deepcopy(replies)
    *parents, last = path
    place = changed
    for step in parents:
        place = place[step]
    if junk is ABSENT:
        del place[last]
    else:
        place[last] = deepcopy(junk)
    return list(changed)


@pytest.mark.parametrize("name", OPERATIONS)
def test_any_reply_is_taken_or_refused_by_an_error_of_pymongos(name: str) -> None:
    """F18: no error of ours looks out from inside."""
    operate, replies = OPERATIONS[name]
    wrong = []
    for path in places(replies):
        if len(path) == 1:
            # A whole reply is a document; whatever is none was refused before.
            continue
        for junk in JUNK:
            try:
                operate(fake_collection(Checking(*replaced(replies, path, junk))))
            except (PyMongoError, BSONError):
                continue
            except Exception as error:
                wrong.append(f"{path} = {junk!r}: {error!r}")
    assert wrong == []
