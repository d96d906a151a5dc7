"""Replies as other servers of the protocol give them, and those that make no sense."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from bson.int64 import Int64
from pymongo.errors import ProtocolError

from tests.support.fix_doors import Door
from tests.support.fix_hub import Client, Connect
from tests.support.fix_scripted import ScriptedServer

Doc = dict[str, Any]
Call = Callable[[Any], Any]

FIND: Call = lambda c: c.db.c.find().to_list()  # noqa: E731
AGGREGATE: Call = lambda c: c.db.c.aggregate([]).to_list()  # noqa: E731
COUNT: Call = lambda c: c.db.c.count_documents({})  # noqa: E731
ESTIMATE: Call = lambda c: c.db.c.estimated_document_count()  # noqa: E731
INSERT: Call = lambda c: c.db.c.insert_one({"_id": 1}).inserted_id  # noqa: E731
INSERTS: Call = lambda c: c.db.c.insert_many([{"_id": 1}]).inserted_ids  # noqa: E731
UPDATE: Call = lambda c: c.db.c.update_one({}, {"$set": {"a": 1}}).matched_count  # noqa: E731
DELETE: Call = lambda c: c.db.c.delete_one({}).deleted_count  # noqa: E731
MODIFY: Call = lambda c: c.db.c.find_one_and_delete({})  # noqa: E731
RAW: Call = lambda c: c.db.c.find_raw_batches().to_list()  # noqa: E731
LISTED: Call = lambda c: c.db.list_collection_names()  # noqa: E731
NAMES: Call = lambda c: c.list_database_names()  # noqa: E731


def batch(cursor_id: Any = 0, documents: Any = (), **more: Any) -> Doc:
    return {"cursor": {"id": cursor_id, "ns": "db.c", "firstBatch": documents, **more}}


TAKEN: list[tuple[Call, str, Doc, Any]] = [
    (INSERT, "insert", {"n": 1, "writeConcernError": None}, 1),
    (INSERT, "insert", {"n": 1, "writeErrors": None, "errorLabels": None}, 1),
    (INSERT, "insert", {"n": 1, "ok": True}, 1),
    (INSERT, "insert", {}, 1),
    (INSERT, "insert", {"n": None}, 1),
    (INSERTS, "insert", {"n": 1.0, "writeErrors": []}, [1]),
    (UPDATE, "update", {"n": 1, "nModified": None, "upserted": None}, 1),
    (UPDATE, "update", {"n": 1, "writeConcernError": {}}, 1),
    (DELETE, "delete", {"n": 1, "writeConcernError": None, "errorLabels": None}, 1),
    (MODIFY, "findAndModify", {"value": None, "writeConcernError": None}, None),
    (MODIFY, "findAndModify", {"lastErrorObject": None}, None),
    (FIND, "find", batch(0, [{"a": 1}]), [{"a": 1}]),
    (FIND, "find", batch(Int64(0), [{"a": 1}], partialResultsReturned=None), [{"a": 1}]),
    (FIND, "find", {**batch(0, []), "ok": True, "$clusterTime": None}, []),
    (FIND, "find", {"cursor": {"id": 0, "firstBatch": []}}, []),
    (AGGREGATE, "aggregate", batch(0, [{"a": 1}]), [{"a": 1}]),
    (COUNT, "aggregate", batch(0, [{"n": 3.0}]), 3),
    (ESTIMATE, "count", {"n": 3.0}, 3),
]


@pytest.mark.parametrize(("call", "command", "reply", "result"), TAKEN)
def test_replies_of_other_servers_are_taken_as_pymongo_takes_them(
    scripted_server: ScriptedServer,
    connect_through: Connect,
    every_door: Door,
    call: Call,
    command: str,
    reply: Doc,
    result: Any,
) -> None:
    """F10: null is as good as absent, a double as an integer."""
    client = connect_through(scripted_server.uri)
    scripted_server.on(command, reply)
    assert every_door.call(lambda: call(client)) == result
    assert all(each.is_open for each in scripted_server.connections.values())


NAN = float("nan")

REFUSED: list[tuple[Call, str, Doc]] = [
    (INSERT, "insert", {"n": 1, "writeConcernError": "x"}),
    (INSERT, "insert", {"n": 1, "writeConcernError": [1]}),
    (INSERT, "insert", {"n": 1, "writeConcernError": 5}),
    (INSERT, "insert", {"n": 0, "writeErrors": 5}),
    (INSERT, "insert", {"n": 0, "writeErrors": [5]}),
    (INSERTS, "insert", {"n": 0, "writeErrors": [{"index": NAN}]}),
    (INSERTS, "insert", {"n": 0, "writeErrors": [{"index": 7}]}),
    (UPDATE, "update", {"n": 1, "upserted": 5}),
    (UPDATE, "update", {"n": 1, "upserted": [5]}),
    (FIND, "find", batch([1])),
    (FIND, "find", batch("x")),
    (FIND, "find", batch(0, [1, 2])),
    (FIND, "find", batch(0, [None])),
    (FIND, "find", batch(0, {"a": 1})),
    (RAW, "find", batch(0, [1, 2])),
    (AGGREGATE, "aggregate", batch(0, [1, 2])),
    (COUNT, "aggregate", batch(0, [1])),
    (COUNT, "aggregate", batch(0, [{}])),
    (COUNT, "aggregate", batch(0, [{"n": NAN}])),
    (ESTIMATE, "count", {"n": NAN}),
    (ESTIMATE, "count", {"n": float("inf")}),
    (ESTIMATE, "count", {}),
    (LISTED, "listCollections", batch(0, [{}])),
    (NAMES, "listDatabases", {"databases": [5]}),
    (NAMES, "listDatabases", {"databases": [{}]}),
]


@pytest.mark.parametrize(("call", "command", "reply"), REFUSED)
def test_malformed_replies_are_one_class_of_error(
    scripted_server: ScriptedServer,
    connect_through: Connect,
    every_door: Door,
    call: Call,
    command: str,
    reply: Doc,
) -> None:
    """F18: and the next operation gets its own reply, from a pool that has lost nothing."""
    client = connect_through(scripted_server.uri, maxPoolSize=1, waitQueueTimeoutMS=10_000)
    scripted_server.script(command, reply)

    def read() -> None:
        with pytest.raises(ProtocolError):
            call(client)
        assert client.admin.command("ping")["ok"] == 1.0

    every_door.call(read)


def test_every_client_is_told_of_numbers_that_are_doubles(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    """F10: an index that is a double is still an index."""
    client: Client = client_of(scripted_server.uri)
    scripted_server.on("insert", {"n": 0, "writeErrors": [{"index": 0.0, "code": 11000.0}]})
    with pytest.raises(Exception, match="batch op errors") as caught:
        client.db.c.insert_many([{"_id": 1}])
    (error,) = getattr(caught.value, "details", {})["writeErrors"]
    assert error["op"] == {"_id": 1}
