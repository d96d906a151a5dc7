from __future__ import annotations

from typing import Any

import pytest
from bson.codec_options import DEFAULT_CODEC_OPTIONS, CodecOptions
from bson.son import SON
from pymongo.collation import Collation
from pymongo.errors import ConfigurationError
from pymongo.operations import IndexModel
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from greenmongo._core.command import Retryability
from greenmongo._core.commands import admin, reply_codec
from greenmongo._core.commands.aggregate import (
    aggregate,
    count_matching,
    distinct,
    estimated_count,
)
from greenmongo._core.commands.find import FindSpec, explain, find, find_first
from greenmongo._core.commands.index import create_indexes, drop_index, list_indexes
from greenmongo._core.commands.write import delete, find_and_modify, insert, update
from greenmongo._core.constants import CursorType, QueryFlag
from greenmongo._core.namespace import Namespace

NAMESPACE = Namespace(
    "db", "c", DEFAULT_CODEC_OPTIONS, ReadPreference.NEAREST, WriteConcern(), ReadConcern()
)
MAJORITY = NAMESPACE._replace(
    read_concern=ReadConcern("majority"), write_concern=WriteConcern("majority")
)
UNACKNOWLEDGED = WriteConcern(w=0)
ACKNOWLEDGED = WriteConcern()


# find


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


# write


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
    assert command.sequence is not None
    assert (command.sequence.identifier, command.sequence.documents) == ("documents", [b"x"])
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


# aggregate, count, distinct


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


# indexes and administration


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
