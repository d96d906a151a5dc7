from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from bson.int64 import Int64
from bson.objectid import ObjectId
from bson.timestamp import Timestamp
from hypothesis import given
from hypothesis import strategies as st
from pymongo.errors import PyMongoError

from greenmongo._core.bulk.progress import BulkProgress
from greenmongo._core.bulk.statements import Batch
from greenmongo._core.command import ReplyShape
from greenmongo._core.reply import check_reply, check_write
from greenmongo._core.reply_shape import ShapeError, check_reply_shape

CURSOR: dict[str, Any] = {"id": Int64(0), "ns": "db.c", "firstBatch": []}
SHAPES = {
    "anything": ReplyShape.NOTHING,
    "count": ReplyShape.COUNT,
    "delete": ReplyShape.WRITE,
    "distinct": ReplyShape.VALUES,
    "find": ReplyShape.FIRST_BATCH,
    "getMore": ReplyShape.NEXT_BATCH,
    "insert": ReplyShape.WRITE,
    "listCollections": ReplyShape.FIRST_BATCH,
    "listDatabases": ReplyShape.DATABASES,
    "ping": ReplyShape.NOTHING,
    "the caller's own": ReplyShape.CURSOR_IF_ANY,
    "update": ReplyShape.WRITE,
}
VERSION = {"processId": ObjectId(), "counter": Int64(1)}


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        ("ping", {"ok": 1}),
        ("ping", {"ok": 1, "$clusterTime": {"clusterTime": Timestamp(1, 1), "signature": {}}}),
        ("find", {"ok": 1, "cursor": CURSOR}),
        ("listCollections", {"ok": 1, "cursor": {"id": 5, "firstBatch": []}}),
        ("getMore", {"ok": 1, "cursor": {"id": 5, "nextBatch": [{}], "ns": "db.c"}}),
        ("count", {"ok": 1, "n": 5}),
        ("distinct", {"ok": 1, "values": [1]}),
        ("insert", {"ok": 1, "n": 2}),
        ("insert", {"ok": 1}),
        ("insert", {"ok": 1, "n": None}),
        ("update", {"ok": 1, "n": 1.0, "nModified": None, "upserted": None}),
        ("insert", {"ok": 1, "writeErrors": [{"index": 1.0, "code": 11000.0}]}),
        ("update", {"ok": 1, "n": 1, "upserted": [{"index": 0, "_id": 5}]}),
        ("insert", {"ok": 1, "writeErrors": [{"index": 1, "code": 11000, "errmsg": "twice"}]}),
        ("insert", {"ok": 1, "writeConcernError": {"code": 64, "errInfo": {}}}),
        ("find", {"ok": 0, "code": 91, "errmsg": "x", "topologyVersion": VERSION}),
        ("find", {"ok": 0, "errorLabels": ["RetryableWriteError"]}),
        ("the caller's own", {"ok": 1}),
        ("the caller's own", {"ok": 1, "cursor": CURSOR}),
        ("anything", {"ok": 1, "cursor": 5, "n": "many", "values": 1, "code": "x"}),
    ],
)
def test_what_servers_say_is_let_through(command: str, reply: dict[str, Any]) -> None:
    check_reply_shape(SHAPES[command], reply, 2)


@pytest.mark.parametrize(
    ("command", "reply", "field"),
    [
        ("ping", {"ok": 1, "$clusterTime": 5}, r"\$clusterTime"),
        ("ping", {"ok": 1, "$clusterTime": {}}, r"\$clusterTime"),
        ("find", {"ok": 1}, "cursor"),
        ("find", {"ok": 1, "cursor": []}, "cursor"),
        ("find", {"ok": 1, "cursor": {**CURSOR, "firstBatch": None}}, "cursor.firstBatch"),
        ("find", {"ok": 1, "cursor": {**CURSOR, "id": "5"}}, "cursor.id"),
        ("find", {"ok": 1, "cursor": {**CURSOR, "ns": "nodot"}}, "cursor.ns"),
        ("find", {"ok": 1, "cursor": {**CURSOR, "ns": 5}}, "cursor.ns"),
        ("getMore", {"ok": 1, "cursor": CURSOR}, "cursor.nextBatch"),
        ("the caller's own", {"ok": 1, "cursor": {"id": 5}}, "cursor.firstBatch"),
        ("count", {"ok": 1}, "n"),
        ("distinct", {"ok": 1, "values": {}}, "values"),
        ("listDatabases", {"ok": 1}, "databases"),
        ("delete", {"ok": 1, "n": "many"}, "n"),
        ("update", {"ok": 1, "upserted": [5]}, "upserted"),
        ("insert", {"ok": 1, "writeErrors": 5}, "writeErrors"),
        ("insert", {"ok": 1, "writeErrors": [5]}, "writeErrors"),
        ("insert", {"ok": 1, "writeErrors": [{"code": 5}]}, "writeErrors.index"),
        ("insert", {"ok": 1, "writeErrors": [{"index": 2}]}, "writeErrors.index"),
        ("insert", {"ok": 1, "writeErrors": [{"index": -1}]}, "writeErrors.index"),
        ("insert", {"ok": 1, "writeConcernError": 5}, "writeConcernError"),
        ("insert", {"ok": 1, "writeConcernError": {"code": []}}, "code"),
        ("ping", {"ok": 0, "code": []}, "code"),
        ("ping", {"ok": 0, "errmsg": 5}, "errmsg"),
        ("ping", {"ok": 0, "errorLabels": 5}, "errorLabels"),
        ("ping", {"ok": 0, "errorLabels": [[]]}, "errorLabels"),
        ("ping", {"ok": 0, "topologyVersion": 5}, "topologyVersion"),
        ("ping", {"ok": 0, "topologyVersion": {"counter": 5}}, "topologyVersion"),
        ("ping", {"ok": 0, "topologyVersion": {**VERSION, "counter": "x"}}, "topologyVersion"),
        ("insert", {"ok": 1, "n": float("nan")}, "n"),
        ("count", {"ok": 1, "n": float("inf")}, "n"),
        ("find", {"ok": 1, "cursor": {"id": 0, "firstBatch": [{}, 1]}}, "cursor.firstBatch"),
        ("listDatabases", {"ok": 1, "databases": [{}]}, "databases"),
        ("insert", {"ok": 1, "writeErrors": [{"index": None}]}, r"writeErrors\.index"),
    ],
)
def test_what_no_server_says_is_refused_by_name(
    command: str, reply: dict[str, Any], field: str
) -> None:
    with pytest.raises(ShapeError, match=rf"^{field} in a reply cannot be"):
        check_reply_shape(SHAPES[command], reply, 2)


ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.integers(-3, 3) | st.text("a.", max_size=3) | st.just(Timestamp(1, 1)),
    lambda values: (
        st.lists(values, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "ns", "firstBatch", "index", "code", "errmsg", "clusterTime"]),
            values,
            max_size=4,
        )
    ),
    max_leaves=8,
)
REPLIES = st.dictionaries(
    st.sampled_from(
        ["ok", "n", "code", "errmsg", "errorLabels", "writeErrors", "writeConcernError", "cursor"]
    ),
    ANYTHING,
    max_size=6,
)


@given(st.sampled_from(["find", "insert", "ping", "count"]), REPLIES)
def test_what_is_let_through_does_no_harm_to_those_who_read_it(
    name: str, reply: dict[str, Any]
) -> None:
    try:
        check_reply_shape(SHAPES[name], reply, 3)
    except ShapeError:
        return
    with suppress(PyMongoError):
        check_reply(reply)
        if name == "insert":
            with suppress(PyMongoError):
                check_write(reply)
            for kind in ("insert", "update", "delete"):
                progress = BulkProgress()
                progress.record(Batch(kind, [b""] * 3, [5, 6, 7], [1, 2, 3]), reply)
                with suppress(PyMongoError):
                    progress.conclude()
