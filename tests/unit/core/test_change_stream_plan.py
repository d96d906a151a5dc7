"""Where a change stream goes on, and which errors it outlives."""

from __future__ import annotations

from typing import Any

import pytest
from bson.codec_options import DEFAULT_CODEC_OPTIONS
from bson.timestamp import Timestamp
from pymongo.errors import (
    AutoReconnect,
    CursorNotFound,
    NotPrimaryError,
    OperationFailure,
    ServerSelectionTimeoutError,
)
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from greenmongo._core.change_stream_plan import (
    ChangeStreamPlan,
    is_resumable,
    labelled_as_resumable,
)
from greenmongo._core.namespace import Namespace

COLLECTION = Namespace(
    "db", "c", DEFAULT_CODEC_OPTIONS, ReadPreference.PRIMARY, WriteConcern(), ReadConcern()
)
TOKEN, LATER = {"_data": "1"}, {"_data": "2"}
THEN = Timestamp(7, 1)


def plan(pipeline: Any = None, **given: Any) -> ChangeStreamPlan:
    arguments: dict[str, Any] = dict.fromkeys(
        [
            "full_document",
            "full_document_before_change",
            "show_expanded_events",
            "resume_after",
            "start_after",
            "start_at_operation_time",
            "max_await_time_ms",
            "batch_size",
            "collation",
            "comment",
        ]
    )
    return ChangeStreamPlan.build(pipeline, **{**arguments, "whole_cluster": False, **given})


def stage(plan: ChangeStreamPlan) -> Any:
    return plan.command(COLLECTION).command.body["pipeline"][0]["$changeStream"]


def test_a_plain_stream_says_nothing_of_where_it_begins() -> None:
    body = plan([{"$match": {"x": 1}}]).command(COLLECTION).command.body

    assert body["pipeline"] == [{"$changeStream": {}}, {"$match": {"x": 1}}]
    assert body["aggregate"] == "c"


def test_every_option_goes_where_it_belongs() -> None:
    aggregation = plan(
        full_document="updateLookup",
        full_document_before_change="required",
        show_expanded_events=True,
        max_await_time_ms=50,
        batch_size=3,
        collation={"locale": "de"},
        comment="hello",
        whole_cluster=True,
    ).command(COLLECTION)

    assert aggregation.command.body["pipeline"][0]["$changeStream"] == {
        "fullDocument": "updateLookup",
        "fullDocumentBeforeChange": "required",
        "showExpandedEvents": True,
        "allChangesForCluster": True,
    }
    assert aggregation.command.body["cursor"] == {"batchSize": 3}
    assert aggregation.command.body["collation"] == {"locale": "de"}
    assert aggregation.command.body["comment"] == aggregation.comment == "hello"
    assert (aggregation.batch_size, aggregation.max_await_time_ms) == (3, 50)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"pipeline": {"$match": {}}}, TypeError, "pipeline must be a list"),
        ({"full_document": 1}, TypeError, "Wrong type for full_document"),
        ({"batch_size": -1}, ValueError, "batchSize"),
        ({"collation": 5}, TypeError, "collation"),
    ],
)
def test_what_cannot_be_is_refused(given: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        plan(**given)


def test_a_stream_begins_where_the_caller_says() -> None:
    assert stage(plan(resume_after=TOKEN)) == {"resumeAfter": TOKEN}
    assert stage(plan(start_after=TOKEN)) == {"startAfter": TOKEN}
    assert stage(plan(start_at_operation_time=THEN)) == {"startAtOperationTime": THEN}


def test_start_after_stays_until_a_change_was_returned() -> None:
    made = plan(start_after=TOKEN)
    made.opened(LATER, THEN)
    assert stage(made) == {"startAfter": LATER}
    made.emptied(TOKEN)
    assert stage(made) == {"startAfter": TOKEN}
    made.returned(LATER)
    assert stage(made) == {"resumeAfter": LATER}


def test_without_a_token_it_goes_on_at_the_time_of_its_first_reply() -> None:
    made = plan()
    made.opened(None, THEN)
    assert stage(made) == {"startAtOperationTime": THEN}
    # Resumed, and nothing had changed: the first time is still the right one.
    made.opened(None, Timestamp(9, 1))
    made.opened(None, None)
    made.returned(TOKEN)
    assert stage(made) == {"resumeAfter": TOKEN}


def test_a_token_takes_the_place_of_a_time() -> None:
    made = plan(start_at_operation_time=THEN)
    made.opened(None, None)
    assert stage(made) == {"startAtOperationTime": THEN}
    made.emptied(None)
    assert stage(made) == {"startAtOperationTime": THEN}
    made.emptied(TOKEN)
    assert stage(made) == {"resumeAfter": TOKEN}


def test_a_stream_that_could_not_be_resumed_is_not_opened() -> None:
    with pytest.raises(OperationFailure, match="operationTime"):
        plan().opened(None, None)


def labelled(*labels: str) -> OperationFailure:
    return OperationFailure("no", 1, {"errorLabels": list(labels)})


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (AutoReconnect("gone"), True),
        (NotPrimaryError("not primary"), True),
        (ServerSelectionTimeoutError("nobody"), True),
        (CursorNotFound("unknown cursor", 43), True),
        (labelled("ResumableChangeStreamError"), True),
        (labelled("TransientTransactionError"), False),
        (OperationFailure("interrupted", 11601), False),
        (ValueError("no"), False),
    ],
    ids=repr,
)
def test_which_errors_a_stream_outlives(error: Exception, expected: bool) -> None:
    assert is_resumable(error) is expected


OLD_CODES = [
    6, 7, 43, 63, 89, 91, 133, 150, 189, 234, 262, 9001, 10107, 11600, 11602, 13388, 13435, 13436,
]  # fmt: skip


@pytest.mark.parametrize("code", OLD_CODES)
def test_before_mongodb_4_4_the_code_says_that_a_stream_goes_on(code: int) -> None:
    error = OperationFailure("", code, {})
    assert is_resumable(labelled_as_resumable(error, 8))
    assert labelled_as_resumable(error, 9) is error


def test_other_errors_of_old_servers_get_no_label() -> None:
    error = OperationFailure("", 1, {})
    assert labelled_as_resumable(error, 8) is error
