from __future__ import annotations

from typing import Any

import pytest
from bson.codec_options import DEFAULT_CODEC_OPTIONS, CodecOptions
from bson.son import SON
from pymongo.collation import Collation
from pymongo.errors import ConfigurationError
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from greenmongo._core.command import Retryability
from greenmongo._core.commands import reply_codec
from greenmongo._core.commands.write import delete, find_and_modify, insert, update
from greenmongo._core.namespace import Namespace

NAMESPACE = Namespace(
    "db", "c", DEFAULT_CODEC_OPTIONS, ReadPreference.NEAREST, WriteConcern(), ReadConcern()
)
MAJORITY = NAMESPACE._replace(
    read_concern=ReadConcern("majority"), write_concern=WriteConcern("majority")
)
UNACKNOWLEDGED = WriteConcern(w=0)
ACKNOWLEDGED = WriteConcern()


def test_an_insert_sends_its_documents_beside_the_body() -> None:
    command = insert(
        NAMESPACE, [b"x"], ACKNOWLEDGED, comment="why", bypass_document_validation=True
    )
    assert command.body == {
        "insert": "c",
        "ordered": True,
        "comment": "why",
        "bypassDocumentValidation": True,
    }
    assert command.sequences == (("documents", [b"x"]),)
    assert command.is_write
    assert command.retry is Retryability.WRITE
    assert command.read_preference is None


def test_an_unacknowledged_write_is_not_retried() -> None:
    command = insert(NAMESPACE, [b"x"], UNACKNOWLEDGED)
    assert command.body["writeConcern"] == {"w": 0}
    assert not command.acknowledged
    assert command.retry is Retryability.NEVER


def test_only_writes_to_one_document_may_be_retried() -> None:
    change = {"$set": {"a": 1}}
    assert update(NAMESPACE, {}, change, ACKNOWLEDGED, multi=False).retry is Retryability.WRITE
    assert update(NAMESPACE, {}, change, ACKNOWLEDGED, multi=True).retry is Retryability.NEVER
    assert delete(NAMESPACE, {}, ACKNOWLEDGED, multi=False).retry is Retryability.WRITE
    assert delete(NAMESPACE, {}, ACKNOWLEDGED, multi=True).retry is Retryability.NEVER


def test_an_update_carries_every_option() -> None:
    command = update(
        NAMESPACE,
        {"a": 1},
        {"$set": {"b": 1}},
        WriteConcern("majority"),
        multi=False,
        upsert=True,
        bypass_document_validation=False,
        collation=Collation("en"),
        array_filters=[{"x": 1}],
        hint=[("a", 1)],
        let={"v": 1},
        sort={"a": -1},
        comment="why",
    )
    assert command.body == {
        "update": "c",
        "ordered": True,
        "updates": [
            {
                "q": {"a": 1},
                "u": {"$set": {"b": 1}},
                "multi": False,
                "upsert": True,
                "collation": {"locale": "en"},
                "arrayFilters": [{"x": 1}],
                "hint": {"a": 1},
                "sort": {"a": -1},
            }
        ],
        "let": {"v": 1},
        "comment": "why",
        "bypassDocumentValidation": False,
        "writeConcern": {"w": "majority"},
    }


def test_a_delete_carries_every_option() -> None:
    command = delete(
        NAMESPACE,
        {"a": 1},
        ACKNOWLEDGED,
        multi=True,
        collation={"locale": "en"},
        hint="a_1",
        let={"v": 1},
        comment="why",
    )
    assert command.body == {
        "delete": "c",
        "ordered": True,
        "deletes": [{"q": {"a": 1}, "limit": 0, "collation": {"locale": "en"}, "hint": "a_1"}],
        "let": {"v": 1},
        "comment": "why",
    }
    assert delete(NAMESPACE, {}, ACKNOWLEDGED, multi=False).body["deletes"][0]["limit"] == 1


@pytest.mark.parametrize("option", [{"collation": {"locale": "en"}}, {"array_filters": [{}]}])
def test_some_options_need_an_answer(option: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="unsupported for unacknowledged writes"):
        update(NAMESPACE, {}, {"$set": {}}, UNACKNOWLEDGED, multi=False, **option)


def test_a_find_and_modify_takes_the_targets_write_concern() -> None:
    command = find_and_modify(
        MAJORITY,
        {"a": 1},
        projection=["b"],
        sort=[("a", -1)],
        upsert=True,
        return_document=True,
        array_filters=[{"x": 1}],
        hint="a_1",
        let={"v": 1},
        options={"update": {"$set": {"b": 1}}, "collation": Collation("en"), "maxTimeMS": 5},
    )
    assert command.body == {
        "findAndModify": "c",
        "query": {"a": 1},
        "new": True,
        "let": {"v": 1},
        "update": {"$set": {"b": 1}},
        "maxTimeMS": 5,
        "fields": {"b": 1},
        "sort": {"a": -1},
        "upsert": True,
        "arrayFilters": [{"x": 1}],
        "hint": "a_1",
        "collation": {"locale": "en"},
        "writeConcern": {"w": "majority"},
    }
    assert command.retry is Retryability.WRITE
    assert command.user_documents


def test_a_find_and_modify_may_be_given_its_own_write_concern() -> None:
    command = find_and_modify(MAJORITY, {}, options={"remove": True, "writeConcern": {"w": 0}})
    assert command.body["writeConcern"] == {"w": 0}
    assert not command.acknowledged


def test_return_document_is_before_or_after() -> None:
    wrong: Any = 1
    with pytest.raises(TypeError, match=r"must be ReturnDocument\.BEFORE"):
        find_and_modify(NAMESPACE, {}, return_document=wrong, options={"remove": True})


def test_replies_to_writes_are_decoded_as_the_user_wants_but_for_their_class() -> None:
    assert reply_codec(CodecOptions()) is DEFAULT_CODEC_OPTIONS
    codec = reply_codec(CodecOptions(SON, tz_aware=True))
    assert (codec.document_class, codec.tz_aware) == (dict, True)
    command = insert(NAMESPACE._replace(codec_options=CodecOptions(SON)), [b"x"], ACKNOWLEDGED)
    assert command.user_documents
    assert not insert(NAMESPACE, [b"x"], ACKNOWLEDGED).user_documents
