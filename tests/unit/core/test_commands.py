from __future__ import annotations

from typing import Any

import pytest
from bson.codec_options import DEFAULT_CODEC_OPTIONS
from bson.son import SON
from pymongo.collation import Collation
from pymongo.operations import IndexModel
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from greenmongo._core.command import Retryability
from greenmongo._core.commands import admin
from greenmongo._core.commands.aggregate import (
    aggregate,
    count_matching,
    distinct,
    estimated_count,
)
from greenmongo._core.commands.find import FindSpec, find, find_first
from greenmongo._core.commands.index import create_indexes, drop_index, list_indexes
from greenmongo._core.commands.write import find_and_modify, insert
from greenmongo._core.constants import CursorType
from greenmongo._core.namespace import Namespace

NAMESPACE = Namespace(
    "db", "c", DEFAULT_CODEC_OPTIONS, ReadPreference.NEAREST, WriteConcern(), ReadConcern()
)
MAJORITY = NAMESPACE._replace(
    read_concern=ReadConcern("majority"), write_concern=WriteConcern("majority")
)
ACKNOWLEDGED = WriteConcern()


def test_indexes_are_built_in_one_command() -> None:
    models = [IndexModel("a"), IndexModel([("b", -1)], unique=True)]
    body = create_indexes(MAJORITY, models, options={"commitQuorum": 1}).body
    assert [index["name"] for index in body["indexes"]] == ["a_1", "b_-1"]
    assert body["commitQuorum"] == 1
    assert body["writeConcern"] == {"w": "majority"}


def test_an_index_is_dropped_by_name_or_keys() -> None:
    assert drop_index(NAMESPACE, [("a", 1), ("b", -1)], options={}).body["index"] == "a_1_b_-1"
    with pytest.raises(TypeError, match="index_or_name must be an instance of str or list"):
        drop_index(NAMESPACE, {"a": 1}, options={})


def test_indexes_are_listed_by_the_primary() -> None:
    command = list_indexes(NAMESPACE, comment="why")
    assert command.body == {"listIndexes": "c", "cursor": {}, "comment": "why"}
    assert command.read_preference == ReadPreference.PRIMARY
    assert command.codec_options.document_class is SON


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"read_preference": "primary"}, "'primary' is not valid for read_preference"),
        ({"codec_options": 5}, "codec_options must be an instance of .*CodecOptions"),
    ],
)
def test_what_a_command_is_to_be_run_with_is_checked(wrong: dict[str, Any], complaint: str) -> None:
    right: dict[str, Any] = {"read_preference": None, "codec_options": None, "options": {}}
    with pytest.raises(TypeError, match=complaint):
        admin.run_command("db", "ping", 1, **(right | wrong))


def test_any_command_runs_on_the_primary_unless_told_otherwise() -> None:
    given = {"ping": 1}
    command = admin.run_command(
        "db", given, 1, read_preference=None, codec_options=None, options={"x": 2}
    )
    assert command.body == {"ping": 1, "x": 2}
    assert given == {"ping": 1}
    assert command.read_preference == ReadPreference.PRIMARY
    assert command.retry is Retryability.UNKNOWN


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("ping", (False, True, True)),
        ("createUser", (True, False, True)),
        ("hello", (False, False, True)),
        ("getMore", (False, True, False)),
    ],
)
def test_the_callers_own_command_is_known_by_its_name(
    name: str, facts: tuple[bool, bool, bool]
) -> None:
    command = admin.run_command("db", name, 1, read_preference=None, codec_options=None, options={})
    assert command.name == name
    assert (command.is_sensitive, command.may_compress, command.takes_max_time) == facts


def test_a_command_cannot_be_changed() -> None:
    command: Any = find(NAMESPACE, FindSpec())
    with pytest.raises(AttributeError):
        command.db = "other"


def test_a_command_that_asks_for_no_acknowledgement_gets_none() -> None:
    options = {"documents": [{}], "writeConcern": {"w": 0}}
    command = admin.run_command(
        "db", "insert", "c", read_preference=None, codec_options=None, options=options
    )
    assert not command.acknowledged


def test_a_size_is_sent_as_a_double() -> None:
    body = admin.create_collection(NAMESPACE, {"capped": True, "size": 4096}).body
    assert body == {"create": "c", "capped": True, "size": 4096.0}
    assert isinstance(body["size"], float)


def test_a_rename_goes_to_the_admin_database() -> None:
    command = admin.rename_collection(NAMESPACE, "d", options={"dropTarget": True})
    assert command.db == "admin"
    assert command.body == {"renameCollection": "db.c", "to": "db.d", "dropTarget": True}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (None, {"nameOnly": True}),
        ({}, {"filter": {}, "nameOnly": True}),
        ({"name": "x"}, {"filter": {"name": "x"}, "nameOnly": True}),
        ({"type": "view"}, {"filter": {"type": "view"}}),
    ],
)
def test_names_alone_are_asked_for_only_where_the_filter_allows(query: Any, expected: Any) -> None:
    assert admin.names_only(query) == expected


def test_a_database_is_dropped_with_the_write_concern() -> None:
    command = admin.drop_database(MAJORITY._replace(collection=""), comment="why")
    assert command.body == {
        "dropDatabase": 1,
        "comment": "why",
        "writeConcern": {"w": "majority"},
    }


def test_optional_words_are_left_out_or_put_in() -> None:
    words = {"comment": "why"}
    assert drop_index(NAMESPACE, "a_1", comment="why", options={}).body == {
        "dropIndexes": "c",
        "index": "a_1",
        **words,
    }
    assert create_indexes(NAMESPACE, [], comment="why", options={}).body == {
        "createIndexes": "c",
        "indexes": [],
        **words,
    }
    assert list_indexes(NAMESPACE).body == {"listIndexes": "c", "cursor": {}}
    assert admin.drop_collection(NAMESPACE, comment="why").body == {"drop": "c", **words}
    assert admin.drop_collection(NAMESPACE).body == {"drop": "c"}
    assert admin.drop_database(NAMESPACE).body == {"dropDatabase": 1}
    assert admin.list_databases({}, comment="why").body == {"listDatabases": 1, **words}
    assert admin.list_databases({"nameOnly": True}).body == {"listDatabases": 1, "nameOnly": True}
    renamed = admin.rename_collection(
        NAMESPACE, "d", comment="why", options={"writeConcern": {"w": 2}}
    )
    assert renamed.body == {
        "renameCollection": "db.c",
        "to": "db.d",
        **words,
        "writeConcern": {"w": 2},
    }
    estimate = estimated_count(MAJORITY, comment="why", options={})
    assert estimate.body == {"count": "c", **words, "readConcern": {"level": "majority"}}
    plan = aggregate(NAMESPACE, [], let={"v": 1}, options={"collation": {"locale": "en"}})
    assert plan.command.body["let"] == {"v": 1}
    assert plan.command.body["collation"] == {"locale": "en"}


def test_only_indexes_are_created() -> None:
    wrong: Any = [5]
    with pytest.raises(TypeError, match="5 is not an instance of"):
        create_indexes(NAMESPACE, wrong, options={})


def test_a_key_is_a_string() -> None:
    wrong: Any = 5
    with pytest.raises(TypeError, match="key must be an instance of str"):
        distinct(NAMESPACE, wrong, options={})
    assert distinct(NAMESPACE, "k", options={}).body == {"distinct": "c", "key": "k"}


def test_collections_are_listed_by_the_primary() -> None:
    command = admin.list_collections("db", {"nameOnly": True})
    assert command.body == {"listCollections": 1, "cursor": {}, "nameOnly": True}
    assert command.read_preference == ReadPreference.PRIMARY
    assert command.retry is Retryability.READ


@pytest.mark.parametrize(
    ("background", "comment", "more"),
    [(None, None, {}), (True, "why", {"background": True, "comment": "why"})],
)
def test_a_collection_is_validated(background: Any, comment: Any, more: Any) -> None:
    command = admin.validate(
        "db", "c", scandata=True, full=False, background=background, comment=comment
    )
    assert command.body == {"validate": "c", "scandata": True, "full": False, **more}


@pytest.mark.parametrize("option", ["clusteredIndex", "encryptedFields"])
def test_some_options_of_a_new_collection_are_documents(option: str) -> None:
    with pytest.raises(TypeError, match=option):
        admin.create_collection(NAMESPACE, {option: 5})
    body = admin.create_collection(NAMESPACE, {option: {"a": 1}, "collation": Collation("en")}).body
    assert body == {"create": "c", option: {"a": 1}, "collation": {"locale": "en"}}


def test_a_tail_is_told_from_other_cursors() -> None:
    assert FindSpec(flags=CursorType.TAILABLE).is_tailable
    assert not FindSpec().is_tailable


def test_a_target_knows_its_namespace() -> None:
    assert NAMESPACE.full_name == "db.c"


def test_a_batch_size_may_be_digits() -> None:
    assert aggregate(NAMESPACE, [], options={"batchSize": "3"}).batch_size == 3


def test_distinct_compares_by_a_collation_and_a_count_needs_nothing() -> None:
    assert distinct(NAMESPACE, "k", options={"collation": {"locale": "en"}}).body == {
        "distinct": "c",
        "key": "k",
        "collation": {"locale": "en"},
    }
    assert list(count_matching(NAMESPACE, {}, options={}).body) == [
        "aggregate",
        "pipeline",
        "cursor",
    ]


# causal consistency


def test_which_commands_a_causally_consistent_session_orders() -> None:
    generic: dict[str, Any] = {"read_preference": None, "codec_options": None, "options": {}}
    commands = [
        find(NAMESPACE, FindSpec()),
        find_first(NAMESPACE, {}),
        aggregate(NAMESPACE, [], options={}).command,
        count_matching(NAMESPACE, {}, options={}),
        insert(NAMESPACE, [], ACKNOWLEDGED),
        find_and_modify(NAMESPACE, {}, options={"remove": True}),
        admin.drop_database(NAMESPACE),
        admin.rename_collection(NAMESPACE, "d", options={}),
        admin.list_collections("db", {}),
        list_indexes(NAMESPACE),
        admin.run_command("db", "find", "c", **generic),
    ]
    assert [command.name for command in commands if command.reads_after] == [
        "find",
        "find",
        "aggregate",
        "aggregate",
        "insert",
        "findAndModify",
        "dropDatabase",
    ]
