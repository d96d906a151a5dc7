"""find_and_modify, command, the index cache, and what was removed: the decisions without I/O."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from bson.son import SON
from pymongo.errors import OperationFailure
from pymongo.read_preferences import Secondary

from greenmongo._legacy._command_options import is_allowable, translate_command
from greenmongo._legacy._find_and_modify import translate_find_and_modify
from greenmongo._legacy._index_cache import IndexCache
from greenmongo._legacy.removed import REMOVALS, RemovedFromServer, refuse


def test_find_and_modify_sends_nothing_that_is_empty() -> None:
    named = translate_find_and_modify(
        {"$set": {"x": 1}}, upsert=False, sort=[], options={"fields": [], "new": False}
    )
    assert {name: value for name, value in named.arguments.items() if value} == {
        "options": {"update": {"$set": {"x": 1}}}
    }
    assert not named.inserts_unseen


@pytest.mark.parametrize(
    ("upsert", "new", "expected"), [(True, False, True), (True, True, False), (False, False, False)]
)
def test_an_upsert_that_returns_the_old_document_may_insert_unseen(
    upsert: bool, new: bool, expected: bool
) -> None:
    named = translate_find_and_modify({"x": 1}, upsert=upsert, sort=None, options={"new": new})
    assert named.inserts_unseen is expected


def test_a_commands_fields_are_told_from_the_drivers_keywords() -> None:
    named = translate_command(
        {"full": True, "as_class": SON, "read_preference": 2, "network_timeout": 1}
    )
    assert named.fields == {"full": True}
    assert named.decoding == {"document_class": SON}
    assert named.read_preference == Secondary()


@pytest.mark.parametrize(
    ("details", "allowable", "expected"),
    [
        ({"errmsg": "ns does not exist", "code": 26}, ["ns not found"], True),
        ({"errmsg": "ns does not exist", "code": 26}, ["ns missing"], True),
        ({"errmsg": "ns does not exist", "code": 26}, ["something else"], False),
        ({"errmsg": "no", "code": 5}, ["no"], True),
        ({"errmsg": "no", "code": 5}, [5], True),
        ({"errmsg": "no", "code": 5}, ["ns not found"], False),
    ],
)
def test_a_failure_is_allowed_by_message_or_code(
    details: Any, allowable: Any, expected: bool
) -> None:
    assert is_allowable(details, allowable) is expected


def test_an_index_is_known_until_it_expires() -> None:
    cache = IndexCache()
    cache.remember("db", "c", "x_1", until=10.0)
    assert cache.knows("db", "c", "x_1", now=9.9)
    assert not cache.knows("db", "c", "x_1", now=10.0)
    assert not cache.knows("db", "c", "y_1", now=9.9)


@pytest.mark.parametrize(
    ("forgotten", "kept"),
    [
        (("db", "c", "x_1"), {("db", "c", "y_1"), ("db", "d", "x_1"), ("other", "c", "x_1")}),
        (("db", "c"), {("db", "d", "x_1"), ("other", "c", "x_1")}),
        (("db",), {("other", "c", "x_1")}),
    ],
)
def test_indexes_are_forgotten_one_by_one_or_together(
    forgotten: tuple[str, ...], kept: set[tuple[str, str, str]]
) -> None:
    cache = IndexCache()
    every = [("db", "c", "x_1"), ("db", "c", "y_1"), ("db", "d", "x_1"), ("other", "c", "x_1")]
    for index in every:
        cache.remember(*index, until=1.0)
    cache.forget(*forgotten)
    assert {index for index in every if cache.knows(*index, now=0.0)} == kept


@pytest.mark.parametrize("feature", REMOVALS)
def test_a_refusal_says_what_to_use_instead(feature: str) -> None:
    with pytest.raises(OperationFailure) as caught:
        refuse(feature)
    error = caught.value
    assert isinstance(error, RemovedFromServer)
    assert isinstance(error, NotImplementedError)
    assert error.feature == feature
    assert error.removed_in in str(error)
    assert error.use_instead in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.code, str(again)) == (RemovedFromServer, error.code, str(error))
