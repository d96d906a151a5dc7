"""The unified format's rules of comparison, and of which servers will do."""

from __future__ import annotations

from typing import Any

import pytest
from bson.binary import Binary
from bson.decimal128 import Decimal128
from bson.int64 import Int64

from tests.spec.unified.arguments import snake_case
from tests.spec.unified.matching import MISSING, Matcher, as_stored
from tests.spec.unified.outcomes import Mismatch
from tests.spec.unified.requirements import Facts, unmet

MATCHER = Matcher({"saved": {"x": 1}}.__getitem__, {"session": {"id": b"1"}}.__getitem__)
FACTS = Facts((6, 0, 5), "replicaset", has_auth=False, parameters={"ttl": True})


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        (1, Int64(1)),
        (1, 1.0),
        (float("nan"), float("nan")),
        ({"x": 1}, {"x": 1, "more": 2}),
        ([{"x": 1}], [{"x": 1, "more": 2}]),
        ({"x": {"$$exists": False}}, {}),
        ({"x": {"$$exists": True}}, {"x": None}),
        ({"$$unsetOrMatches": {"n": 1}}, None),
        ({"x": {"$$unsetOrMatches": 1}}, {}),
        ({"x": {"$$type": "long"}}, {"x": 2**40}),
        ({"x": {"$$type": ["string", "int"]}}, {"x": 1}),
        ({"x": {"$$type": "number"}}, {"x": Decimal128("1")}),
        ({"x": {"$$matchesEntity": "saved"}}, {"x": {"x": 1}}),
        ({"x": {"$$matchesHexBytes": "00ff"}}, {"x": b"\x00\xff"}),
        ({"lsid": {"$$sessionLsid": "session"}}, {"lsid": {"id": b"1"}}),
        ({"x": {"$$lte": 5}}, {"x": 5}),
        ({"x": {"$$matchAsDocument": {"y": 1}}}, {"x": '{"y": 1}'}),
        ({"x": {"$$matchAsDocument": {"$$matchAsRoot": {"y": 1}}}}, {"x": '{"y": 1, "z": 2}'}),
        ({"x": Binary(b"1234567890123456", 4)}, {"x": Binary(b"1234567890123456", 4)}),
    ],
)
def test_what_is_as_expected(expected: Any, found: Any) -> None:
    MATCHER.check(expected, found)


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        (1, 2),
        (1, True),
        (False, 0),
        ("1", 1),
        (None, MISSING),
        ({"x": None}, {}),
        ({"x": {"y": 1}}, {"x": {"y": 1, "more": 2}}),
        ([1, 2], [1]),
        ([1], {"0": 1}),
        ({"x": 1}, [1]),
        ({"x": {"$$exists": False}}, {"x": None}),
        ({"x": {"$$exists": True}}, {}),
        ({"x": {"$$unsetOrMatches": 1}}, {"x": 2}),
        ({"x": {"$$unsetOrMatches": 1}}, {"x": None}),
        ({"x": {"$$type": "int"}}, {"x": Int64(1)}),
        ({"x": {"$$type": "int"}}, {"x": True}),
        ({"x": {"$$type": "number"}}, {}),
        ({"x": {"$$matchesEntity": "saved"}}, {"x": {"x": 1, "y": 2}}),
        ({"x": {"$$matchesHexBytes": "00ff"}}, {"x": "00ff"}),
        ({"lsid": {"$$sessionLsid": "session"}}, {"lsid": {"id": b"2"}}),
        ({"lsid": {"$$sessionLsid": "session"}}, {}),
        ({"x": {"$$lte": 5}}, {"x": 6}),
        ({"x": {"$$matchAsDocument": {"y": 1}}}, {"x": '{"y": 1, "z": 2}'}),
        ({"x": {"$$matchAsDocument": {"y": 1}}}, {"x": '{"y": 1'}),
        ({"x": {"$$unknown": 1}}, {"x": 1}),
    ],
)
def test_what_is_not(expected: Any, found: Any) -> None:
    with pytest.raises(Mismatch):
        MATCHER.check(expected, found)


def test_documents_in_an_exact_result_have_no_further_keys() -> None:
    with pytest.raises(Mismatch):
        MATCHER.check([{"x": 1}], [{"x": 1, "more": 2}], root=False)


def test_values_are_compared_as_the_server_stores_them() -> None:
    assert as_stored((1, b"x")) == [1, b"x"]


@pytest.mark.parametrize(
    "requirements",
    [
        None,
        [],
        [{}],
        [{"minServerVersion": "6.0"}],
        [{"maxServerVersion": "6.0.5"}],
        [{"minServerVersion": "4.0", "topologies": ["single", "replicaset"]}],
        [{"minServerVersion": "7.0"}, {"auth": False}],
        [{"serverless": "forbid", "csfle": False}],
        [{"serverParameters": {"ttl": True}}],
    ],
)
def test_requirements_that_are_met(requirements: list[dict[str, Any]] | None) -> None:
    assert unmet(requirements, FACTS) is None


@pytest.mark.parametrize(
    "requirement",
    [
        {"minServerVersion": "6.0.6"},
        {"maxServerVersion": "5.0.99"},
        {"topologies": ["sharded"]},
        {"auth": True},
        {"authMechanism": "MONGODB-AWS"},
        {"csfle": True},
        {"serverless": "require"},
        {"serverParameters": {"ttl": False}},
        {"serverParameters": {"other": True}},
    ],
)
def test_requirements_that_are_not_met(requirement: dict[str, Any]) -> None:
    (name,) = requirement
    reason = unmet([requirement], FACTS)
    assert reason is not None
    assert name in reason


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("maxTimeMS", "max_time_ms"),
        ("bypassDocumentValidation", "bypass_document_validation"),
        ("let", "let"),
    ],
)
def test_the_python_name_of_an_argument(name: str, expected: str) -> None:
    assert snake_case(name) == expected
