from __future__ import annotations

from typing import Any

import pytest
from bson.codec_options import DEFAULT_CODEC_OPTIONS
from pymongo.collation import Collation
from pymongo.errors import ConfigurationError
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from greenmongo._core.command import Retryability
from greenmongo._core.commands.aggregate import (
    aggregate,
    count_matching,
    distinct,
    estimated_count,
)
from greenmongo._core.namespace import Namespace

NAMESPACE = Namespace(
    "db", "c", DEFAULT_CODEC_OPTIONS, ReadPreference.NEAREST, WriteConcern(), ReadConcern()
)
MAJORITY = NAMESPACE._replace(
    read_concern=ReadConcern("majority"), write_concern=WriteConcern("majority")
)


def test_an_aggregate_opens_a_cursor() -> None:
    pipeline: list[dict[str, Any]] = [{"$match": {}}]
    plan = aggregate(MAJORITY, pipeline, comment="why", options={"batchSize": 3, "hint": "x"})
    assert plan.command.body == {
        "aggregate": "c",
        "pipeline": pipeline,
        "hint": "x",
        "comment": "why",
        "cursor": {"batchSize": 3},
        "readConcern": {"level": "majority"},
    }
    assert (plan.batch_size, plan.max_await_time_ms, plan.comment) == (3, None, "why")
    assert plan.command.retry is Retryability.READ


def test_an_aggregate_without_a_collection_is_on_the_database() -> None:
    plan = aggregate(NAMESPACE._replace(collection=""), [], options={})
    assert plan.command.body == {"aggregate": 1, "pipeline": [], "cursor": {}}


@pytest.mark.parametrize("stage", [{"$out": "x"}, {"$merge": "x"}])
def test_an_aggregate_that_writes_has_a_write_concern_and_no_batches(stage: Any) -> None:
    plan = aggregate(MAJORITY, [stage], options={"batchSize": 3})
    command = plan.command
    assert command.body["writeConcern"] == {"w": "majority"}
    assert command.body["cursor"] == {}
    assert command.is_write
    assert command.retry is Retryability.NEVER
    assert command.read_preference == ReadPreference.NEAREST


def test_the_callers_cursor_option_is_not_changed() -> None:
    cursor: dict[str, Any] = {}
    aggregate(NAMESPACE, [], options={"cursor": cursor, "batchSize": 3})
    assert cursor == {}


@pytest.mark.parametrize("name", ["explain", "aggregate", "pipeline"])
def test_an_aggregate_stays_one(name: str) -> None:
    with pytest.raises(ConfigurationError):
        aggregate(NAMESPACE, [], options={name: 1})


@pytest.mark.parametrize(("size", "error"), [([], TypeError), ("x", ValueError), (-1, ValueError)])
def test_a_batch_size_is_a_number(size: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        aggregate(NAMESPACE, [], options={"batchSize": size})


def test_documents_are_counted_by_an_aggregation() -> None:
    options = {"skip": 1, "limit": 2, "hint": [("a", 1)], "collation": Collation("en")}
    command = count_matching(MAJORITY, {"a": 1}, comment="why", options=options)
    assert command.body == {
        "aggregate": "c",
        "pipeline": [
            {"$match": {"a": 1}},
            {"$skip": 1},
            {"$limit": 2},
            {"$group": {"_id": 1, "n": {"$sum": 1}}},
        ],
        "cursor": {},
        "hint": {"a": 1},
        "comment": "why",
        "readConcern": {"level": "majority"},
        "collation": {"locale": "en"},
    }
    assert "skip" in options


def test_an_estimate_takes_no_session() -> None:
    assert estimated_count(NAMESPACE, options={}).body == {"count": "c"}
    with pytest.raises(ConfigurationError, match="does not support sessions"):
        estimated_count(NAMESPACE, options={"session": None})


def test_distinct_takes_one_filter() -> None:
    assert distinct(NAMESPACE, "k", {"a": 1}, hint="x", comment=1, options={}).body == {
        "distinct": "c",
        "key": "k",
        "query": {"a": 1},
        "comment": 1,
        "hint": "x",
    }
    with pytest.raises(ConfigurationError, match="both filter and query"):
        distinct(NAMESPACE, "k", {}, options={"query": {}})
