from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymongo import DeleteMany, DeleteOne, InsertOne, ReplaceOne, UpdateMany, UpdateOne
from pymongo.errors import ConfigurationError
from pymongo.write_concern import WriteConcern

from greenmongo._core.bulk.batches import COMMAND_ROOM, WriteLimits
from greenmongo._core.bulk.models import read_model
from greenmongo._core.bulk.statements import (
    Statement,
    batches_of,
    insert_batches,
    statement_document,
)

LIMITS = WriteLimits(max_batch_size=3, max_message_size=COMMAND_ROOM + 100)
ACKNOWLEDGED, UNACKNOWLEDGED = WriteConcern(), WriteConcern(w=0)
UPDATE = {"$set": {"x": 1}}


def statements(kinds: str) -> list[Statement]:
    """Return statements by the letters of their kinds; capitals change several documents."""
    names = {"i": "insert", "u": "update", "d": "delete"}
    return [
        Statement(names[letter.lower()], b"x", at, letter.isupper())
        for at, letter in enumerate(kinds)
    ]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (InsertOne({"x": 1}), {"x": 1}),
        (UpdateOne({}, UPDATE), {"q": {}, "u": UPDATE, "multi": False, "upsert": False}),
        (UpdateMany({}, UPDATE), {"q": {}, "u": UPDATE, "multi": True}),
        (UpdateMany({}, UPDATE, True), {"q": {}, "u": UPDATE, "multi": True, "upsert": True}),
        (ReplaceOne({}, {"x": 1}), {"q": {}, "u": {"x": 1}}),
        (DeleteOne({"x": 1}, hint="x_1"), {"q": {"x": 1}, "limit": 1, "hint": "x_1"}),
        (DeleteMany({}), {"q": {}, "limit": 0}),
    ],
)
def test_a_statement_is_what_pymongo_sends(model: Any, expected: dict[str, Any]) -> None:
    document = statement_document(read_model(model), ACKNOWLEDGED)
    assert list(document.items()) == list(expected.items())


@pytest.mark.parametrize(
    ("model", "what"),
    [
        (DeleteOne({}, collation={"locale": "en"}), "Collation"),
        (UpdateOne({}, UPDATE, array_filters=[{}]), "arrayFilters"),
    ],
)
def test_what_nobody_would_hear_of_is_refused(model: Any, what: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{what} is unsupported"):
        statement_document(read_model(model), UNACKNOWLEDGED)


def test_in_order_each_run_of_one_kind_is_a_message() -> None:
    batches = batches_of(statements("iiudd"), 10, LIMITS, ordered=True, checkpoint=int)
    assert [(batch.kind, list(batch.indexes)) for batch in batches] == [
        ("insert", [10, 11]),
        ("update", [12]),
        ("delete", [13, 14]),
    ]


def test_out_of_order_each_kind_is_a_message() -> None:
    batches = batches_of(statements("didui"), 0, LIMITS, ordered=False, checkpoint=int)
    assert [(batch.kind, list(batch.indexes)) for batch in batches] == [
        ("insert", [1, 4]),
        ("update", [3]),
        ("delete", [0, 2]),
    ]


def test_a_message_that_changes_several_documents_is_not_sent_again() -> None:
    batches = batches_of(statements("uuuuU"), 0, LIMITS, ordered=True, checkpoint=int)
    assert [batch.may_retry for batch in batches] == [True, False]


@given(st.text("iudUD", min_size=1, max_size=30), st.booleans(), st.integers(0, 100))
def test_every_statement_is_in_one_message_with_what_errors_quote(
    kinds: str, ordered: bool, first: int
) -> None:
    given = statements(kinds)
    batches = batches_of(given, first, LIMITS, ordered=ordered, checkpoint=int)
    indexes = [index for batch in batches for index in batch.indexes]
    assert sorted(indexes) == list(range(first, first + len(kinds)))
    if ordered:
        assert indexes == sorted(indexes)
    for batch in batches:
        assert len(batch.documents) == len(batch.indexes) == len(batch.operations) <= 3
        assert [index - first for index in batch.indexes] == batch.operations
        assert {given[at].kind for at in batch.operations} == {batch.kind}


def test_inserts_are_cut_where_the_limits_say() -> None:
    batches = insert_batches([b"x" * 60, b"y" * 60, b"z"], ["x", "y", "z"], 5, LIMITS)
    assert [(list(batch.indexes), batch.operations) for batch in batches] == [
        ([5], ["x"]),
        ([6, 7], ["y", "z"]),
    ]


@pytest.mark.parametrize("ordered", [True, False])
def test_others_have_their_turn_while_many_are_put_together(ordered: bool) -> None:
    turns: list[int] = []
    many = statements("i" * 5_000)
    batches = batches_of(
        many, 0, WriteLimits(), ordered=ordered, checkpoint=lambda: turns.append(1)
    )
    assert len(batches) == 1
    assert len(turns) >= 5 * 5
