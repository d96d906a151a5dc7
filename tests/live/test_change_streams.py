"""Change streams on a replica set, through every door."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pymongo
import pytest
from pymongo.errors import OperationFailure

from greenmongo import MongoClient
from tests.support.fix_faces import DB

pytestmark = pytest.mark.live

Doc = dict[str, Any]
FailGetMore = Callable[..., object]
Eventually = Callable[[Callable[[], object]], None]


@pytest.fixture
def c(db: Any) -> Any:
    """A collection that exists, so that to create it is no change."""
    db.create_collection("c")
    return db.c


@pytest.fixture
def fail_get_more(reference: pymongo.MongoClient[Doc]) -> Iterator[FailGetMore]:
    """Have one getMore of the client that calls itself `streams` fail."""

    def fail(mode: Any, data: Doc) -> object:
        data = {"failCommands": ["getMore"], "appName": "streams", **data}
        return reference.admin.command("configureFailPoint", "failCommand", mode=mode, data=data)

    yield lambda **data: fail({"times": 1}, data)
    fail("off", {})


@pytest.fixture
def failing(make_client: Any, c: Any) -> Any:
    """The collection, for the client whose commands may fail."""
    return make_client(appName="streams").get_database(DB).c


def open_cursors(reference: pymongo.MongoClient[Doc]) -> int:
    found = reference.admin.aggregate(
        [
            {"$currentOp": {"idleCursors": True}},
            {"$match": {"cursor.originatingCommand.pipeline.$changeStream": {"$exists": True}}},
        ]
    )
    return len(list(found))


def test_changes_are_seen_in_order(c: Any) -> None:
    with c.watch() as stream:
        c.insert_many([{"_id": number} for number in range(200)])
        c.update_one({"_id": 7}, {"$set": {"x": 1}})
        c.delete_one({"_id": 8})

        seen = [next(stream) for _ in range(202)]

    assert [found["documentKey"]["_id"] for found in seen] == [*range(200), 7, 8]
    assert [found["operationType"] for found in seen[-3:]] == ["insert", "update", "delete"]


def test_the_options_say_what_is_seen(c: Any) -> None:
    pipeline = [{"$match": {"operationType": "update"}}]
    with c.watch(pipeline, full_document="updateLookup", batch_size=2, comment="why") as stream:
        c.insert_one({"_id": 1})
        c.update_one({"_id": 1}, {"$set": {"x": 5}})

        assert next(stream)["fullDocument"] == {"_id": 1, "x": 5}


def test_databases_and_clients_are_watched_as_well(client: Any, db: Any, c: Any) -> None:
    ours = [{"$match": {"ns.db": db.name}}]
    with db.watch() as of_database, client.watch(ours) as of_client:
        c.insert_one({"_id": 1})
        db.d.insert_one({"_id": 2})

        for stream in (of_database, of_client):
            inserts = (found for found in stream if found["operationType"] == "insert")
            assert [next(inserts)["ns"]["coll"] for _ in range(2)] == ["c", "d"]


def test_a_stream_goes_on_behind_a_token(c: Any) -> None:
    with c.watch() as stream:
        c.insert_many([{"_id": number} for number in range(3)])
        next(stream)
        token = stream.resume_token
    with c.watch(resume_after=token) as stream:
        assert [next(stream)["documentKey"]["_id"] for _ in range(2)] == [1, 2]


def test_try_next_waits_for_one_answer_at_most(c: Any) -> None:
    with c.watch(max_await_time_ms=10) as stream:
        assert stream.try_next() is None
        assert stream.resume_token is not None
        c.insert_one({"_id": 1})
        while (found := stream.try_next()) is None:
            continue
    assert found["documentKey"] == {"_id": 1}


def test_a_stream_ends_with_its_collection(c: Any) -> None:
    with c.watch() as stream:
        c.insert_one({"_id": 1})
        c.drop()

        assert [found["operationType"] for found in stream] == ["insert", "drop", "invalidate"]
        assert not stream.alive
        token = stream.resume_token
    with c.watch(start_after=token) as stream:
        c.insert_one({"_id": 2})
        assert next(stream)["documentKey"] == {"_id": 2}


@pytest.mark.parametrize(
    "failure",
    [
        {"closeConnection": True},
        {"errorCode": 43},
        {"errorCode": 234, "errorLabels": ["ResumableChangeStreamError"]},
    ],
    ids=["network", "cursor_lost", "labelled"],
)
def test_a_stream_outlives_what_passes(
    c: Any, failing: Any, fail_get_more: FailGetMore, failure: Doc
) -> None:
    with failing.watch() as stream:
        c.insert_one({"_id": 1})
        next(stream)
        fail_get_more(**failure)
        c.insert_many([{"_id": 2}, {"_id": 3}])

        assert [next(stream)["documentKey"]["_id"] for _ in range(2)] == [2, 3]


def test_an_error_that_stays_ends_it(failing: Any, fail_get_more: FailGetMore) -> None:
    with failing.watch() as stream:
        fail_get_more(errorCode=11601)
        with pytest.raises(OperationFailure):
            next(stream)
        assert not stream.alive


def test_only_a_replica_set_can_be_watched(standalone: Any, make_client: Any) -> None:
    with pytest.raises(OperationFailure, match="replica set"):
        make_client(standalone.uri).db.c.watch().try_next()


def test_closed_and_dropped_streams_leave_no_cursor(
    client: MongoClient[Doc],
    c: Any,
    reference: pymongo.MongoClient[Doc],
    eventually: Eventually,
) -> None:
    before = open_cursors(reference)
    streams = [c.watch(max_await_time_ms=10) for _ in range(4)]
    assert [stream.try_next() for stream in streams] == [None] * 4
    assert open_cursors(reference) == before + 4
    streams.pop().close()
    with streams.pop():
        pass
    streams.clear()
    eventually(lambda: open_cursors(reference) == before)
