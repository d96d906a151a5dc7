"""Whatever a server replies, an operation has a result or one of PyMongo's errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from bson.int64 import Int64
from bson.timestamp import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st
from pymongo.errors import ProtocolError, PyMongoError

from greenmongo import Collection
from greenmongo._core.command import Command, Reply
from greenmongo._core.reply_shape import ShapeError, check_reply_shape
from greenmongo._core.sessions.client_session import SessionLike
from tests.support.fake_executor import FakeExecutor, fake_collection

Act = Callable[[Collection[dict[str, Any]]], object]

OPERATIONS: dict[str, Act] = {
    "find_one": lambda c: c.find_one({}),
    "find": lambda c: c.find().to_list(),
    "aggregate": lambda c: c.aggregate([]).to_list(),
    "distinct": lambda c: c.distinct("x"),
    "estimated_document_count": lambda c: c.estimated_document_count(),
    "count_documents": lambda c: c.count_documents({}),
    "insert_one": lambda c: c.insert_one({}),
    "insert_many": lambda c: c.insert_many([{}, {}]),
    "update_one": lambda c: vars(type(c.update_one({}, {"$set": {"x": 1}}))),
    "delete_many": lambda c: c.delete_many({}),
    "find_one_and_update": lambda c: c.find_one_and_update({}, {"$set": {"x": 1}}),
    "create_index": lambda c: c.create_index("x"),
    "index_information": lambda c: c.index_information(),
    "drop": lambda c: c.drop(),
    "options": lambda c: c.options(),
    "list_collection_names": lambda c: c.database.list_collection_names(),
    "command": lambda c: c.database.command("ping"),
}

STRANGE: st.SearchStrategy[Any] = st.sampled_from(
    [None, 0, 1, -1, True, 1.5, float("nan"), "x", [], [1], [{}], {}, {"a": 1}, Int64(7), b"x"]
)
CURSOR = st.one_of(
    STRANGE,
    st.fixed_dictionaries(
        {},
        optional={
            "id": st.one_of(STRANGE, st.just(0)),
            "ns": st.one_of(STRANGE, st.just("db.c")),
            "firstBatch": st.one_of(STRANGE, st.just([{"_id": 1, "n": 1}])),
            "nextBatch": st.one_of(STRANGE, st.just([{"_id": 1}])),
        },
    ),
)
ERRORS = st.one_of(STRANGE, st.just([{"index": 0, "code": 1, "errmsg": "x"}]))
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(
        ("n", "nModified", "values", "value", "errmsg", "code", "errorLabels"), STRANGE
    ),
    "cursor": CURSOR,
    "upserted": st.one_of(STRANGE, st.just([{"index": 0, "_id": 1}])),
    "writeErrors": ERRORS,
    "writeConcernError": st.one_of(STRANGE, st.just({"code": 1, "errmsg": "x"})),
    "topologyVersion": STRANGE,
    "operationTime": st.one_of(STRANGE, st.just(Timestamp(1, 1))),
}
REPLIES = st.builds(
    lambda ok, rest: {"ok": ok, **rest},
    st.sampled_from([1, 1.0, True, 0, 0.0]),
    st.fixed_dictionaries({}, optional=FIELDS),
)


class CheckingExecutor(FakeExecutor):
    """Checks replies as the hub does, before it hands them out."""

    def execute(self, command: Command, session: SessionLike | None = None) -> Reply:
        count = sum(len(each.documents) for each in command.sequences) or None
        reply: Any = self.replies[0] if self.replies else {"ok": 1}
        try:
            check_reply_shape(command.shape, reply, count)
        except ShapeError as error:
            raise ProtocolError(str(error)) from error
        return super().execute(command, session)


@pytest.mark.timeout(120)
@settings(max_examples=400)
@given(st.sampled_from(sorted(OPERATIONS)), REPLIES)
def test_an_operation_has_a_result_or_an_error_of_pymongos(name: str, reply: Any) -> None:
    """F18: without a server; tests/net has them with one."""
    # What is asked for later gets nothing.
    last: Any = {"ok": 0, "errmsg": "over", "code": 43}
    executor = CheckingExecutor(reply, *[last] * 5)
    try:
        OPERATIONS[name](fake_collection(executor))
    except PyMongoError:
        return
