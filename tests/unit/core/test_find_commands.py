from __future__ import annotations

import pytest
from bson.codec_options import DEFAULT_CODEC_OPTIONS
from pymongo.errors import ConfigurationError
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from greenmongo._core.command import Retryability
from greenmongo._core.commands.find import FindSpec, explain, find, find_first
from greenmongo._core.constants import CursorType, QueryFlag
from greenmongo._core.namespace import Namespace

NAMESPACE = Namespace(
    "db", "c", DEFAULT_CODEC_OPTIONS, ReadPreference.NEAREST, WriteConcern(), ReadConcern()
)
MAJORITY = NAMESPACE._replace(
    read_concern=ReadConcern("majority"), write_concern=WriteConcern("majority")
)


def test_the_quickest_find_one_says_what_the_general_one_would() -> None:
    for namespace in (NAMESPACE, MAJORITY):
        general = find(namespace, FindSpec({"a": 1}, limit=-1))
        # Nobody reads on.
        assert find_first(namespace, {"a": 1}) == general._replace(opens_cursor=False)


def test_a_plain_find_is_three_words() -> None:
    command = find(NAMESPACE, FindSpec())
    assert command.body == {"find": "c", "filter": {}}
    assert command.name == "find"
    assert (command.db, command.read_preference) == ("db", ReadPreference.NEAREST)
    assert command.retry is Retryability.READ
    assert command.user_documents
    assert not command.is_write


def test_a_find_carries_every_option() -> None:
    spec = FindSpec(
        {"a": 1},
        {"b": 1},
        skip=2,
        limit=3,
        batch_size=4,
        sort={"a": 1},
        hint="a_1",
        let={"v": 1},
        comment="why",
        max_time_ms=0,
        collation={"locale": "en"},
        max={"a": 9},
        min={"a": 0},
        return_key=False,
        show_record_id=True,
        allow_disk_use=False,
    )
    assert find(MAJORITY, spec).body == {
        "find": "c",
        "filter": {"a": 1},
        "sort": {"a": 1},
        "hint": "a_1",
        "let": {"v": 1},
        "comment": "why",
        "maxTimeMS": 0,
        "max": {"a": 9},
        "min": {"a": 0},
        "returnKey": False,
        "showRecordId": True,
        "projection": {"b": 1},
        "skip": 2,
        "limit": 3,
        "batchSize": 4,
        "readConcern": {"level": "majority"},
        "collation": {"locale": "en"},
        "allowDiskUse": False,
    }


def test_flags_become_fields() -> None:
    flags = CursorType.TAILABLE_AWAIT | QueryFlag.NO_TIMEOUT | QueryFlag.PARTIAL
    body = find(NAMESPACE, FindSpec(flags=flags)).body
    assert {name for name, value in body.items() if value is True} == {
        "tailable",
        "awaitData",
        "noCursorTimeout",
        "allowPartialResults",
    }


def test_a_batch_as_large_as_the_limit_asks_for_one_more_to_see_the_end() -> None:
    body = find(NAMESPACE, FindSpec(limit=5, batch_size=5)).body
    assert (body["limit"], body["batchSize"]) == (5, 6)


def test_a_filter_of_the_old_form_is_taken_apart() -> None:
    wrapper = {"$query": {"x": 1}, "$orderby": {"x": -1}, "$showDiskLoc": True, "novel": 2}
    assert find(NAMESPACE, FindSpec(wrapper, sort={"y": 1})).body == {
        "find": "c",
        "filter": {"x": 1},
        "sort": {"y": 1},
        "showRecordId": True,
        "novel": 2,
    }


def test_a_filter_of_the_old_form_cannot_ask_for_an_explanation() -> None:
    with pytest.raises(ConfigurationError, match="explain"):
        find(NAMESPACE, FindSpec({"$query": {}, "$explain": True}))


def test_an_explain_wraps_the_find() -> None:
    command = explain(NAMESPACE, FindSpec())
    assert command.body == {"explain": {"find": "c", "filter": {}}}
    assert not command.user_documents
