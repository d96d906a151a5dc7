from __future__ import annotations

from typing import Any

import pytest
from bson.son import SON
from pymongo.errors import ConfigurationError
from pymongo.read_preferences import Nearest, Primary, Secondary, SecondaryPreferred

from greenmongo import CursorType
from greenmongo._legacy._find_options import FindArguments, translate_find
from greenmongo._legacy.removed import RemovedFromServer


def translate(inherited: Any = None, **given: Any) -> FindArguments:
    return translate_find(given, inherited or Primary())


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"spec": {"x": 1}, "fields": ["x"]}, {"filter": {"x": 1}, "projection": ["x"]}),
        ({"spec_or_id": {"x": 1}}, {"filter": {"x": 1}}),
        ({"fields": []}, {"projection": {"_id": 1}}),
        ({"projection": {}}, {"projection": {"_id": 1}}),
        ({"timeout": False}, {"no_cursor_timeout": True}),
        ({"timeout": True}, {"no_cursor_timeout": False}),
        ({"tailable": True}, {"cursor_type": CursorType.TAILABLE}),
        ({"tailable": True, "await_data": True}, {"cursor_type": CursorType.TAILABLE_AWAIT}),
        ({"await_data": True}, {}),
        ({"exhaust": True}, {"cursor_type": CursorType.EXHAUST}),
        ({"partial": True}, {"allow_partial_results": True}),
        ({"snapshot": True}, {"hint": {"_id": 1}}),
        ({"snapshot": False, "max_scan": 0, "tailable": False}, {}),
        ({"hint": "x_1", "batch_size": 5}, {"hint": "x_1", "batch_size": 5}),
        (
            {"filter": {"$query": {"x": 1}, "$orderby": {"x": -1}, "$hint": "x_1"}},
            {"filter": {"x": 1}, "sort": {"x": -1}, "hint": "x_1"},
        ),
    ],
)
def test_old_keywords_are_said_with_those_of_today(given: Any, expected: Any) -> None:
    assert translate(**given).cursor == expected


def test_the_decoding_changes_for_one_query() -> None:
    arguments = translate(as_class=SON, uuid_subtype=4, compile_re=False)
    assert arguments.decoding == {"document_class": SON, "uuid_representation": 4}
    assert arguments.cursor == {}


@pytest.mark.parametrize(
    ("inherited", "given", "expected"),
    [
        (None, {}, None),
        (None, {"slave_okay": True}, SecondaryPreferred()),
        (None, {"slave_okay": False}, None),
        (None, {"read_preference": 2}, Secondary()),
        (None, {"read_preference": 4, "tag_sets": [{"dc": "ny"}]}, Nearest([{"dc": "ny"}])),
        (Nearest(), {"tag_sets": [{"dc": "ny"}]}, Nearest([{"dc": "ny"}])),
        (None, {"tag_sets": [{}]}, Primary()),
    ],
)
def test_the_read_preference_changes_for_one_query(
    inherited: Any, given: Any, expected: Any
) -> None:
    assert translate(inherited, **given).read_preference == expected


def test_what_the_cursor_sees_to() -> None:
    arguments = translate(manipulate=False, network_timeout=2)
    assert (arguments.manipulate, arguments.network_timeout) == (False, 2.0)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"spec": {"x": 1}, "filter": {"y": 1}}, "spec contradicts filter"),
        ({"fields": ["x"], "projection": ["y"]}, "fields contradicts projection"),
        ({"tailable": True, "cursor_type": 2}, "cursor_type contradicts"),
        ({"snapshot": True, "sort": [("x", 1)]}, "snapshot contradicts"),
        ({"compile_re": True}, "compile_re"),
        ({"network_timeout": -1}, "network_timeout"),
        ({"read_preference": 9}, "9"),
        ({"tag_sets": [{"dc": "ny"}]}, "tag_sets"),
        ({"secondary_acceptable_latency_ms": 5}, "secondary_acceptable_latency_ms"),
        ({"filter": {"$query": {}, "$readPreference": {}}}, "readPreference"),
        ({"filter": {"$query": {}, "$hint": "x"}, "hint": "y"}, "hint contradicts hint"),
    ],
)
def test_contradictions_are_named(given: Any, name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        translate(**given)


def test_timeout_is_a_switch_not_a_number() -> None:
    with pytest.raises(TypeError, match="timeout"):
        translate(timeout=30)


@pytest.mark.parametrize("given", [{"max_scan": 5}, {"filter": {"$query": {}, "$maxScan": 5}}])
def test_what_no_server_knows_is_refused(given: Any) -> None:
    with pytest.raises(RemovedFromServer, match="max_scan"):
        translate(**given)
