from __future__ import annotations

from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from pymongo.errors import ConfigurationError, InvalidName
from pymongo.write_concern import WriteConcern

from greenmongo._core.commands import arguments as args


@pytest.mark.parametrize("name", ["", "a..b", "a$b", ".a", "a.", "a\x00b"])
def test_names_no_collection_can_have_are_refused(name: str) -> None:
    with pytest.raises(InvalidName):
        args.check_collection_name(name)


@pytest.mark.parametrize("name", ["a", "a.b", "$cmd.aggregate", "oplog.$main", "é"])
def test_other_collection_names_pass(name: str) -> None:
    args.check_collection_name(name)


@pytest.mark.parametrize("name", ["", "a b", "a.b", "$a", "a/b", "a\\b", "a\x00", 'a"'])
def test_names_no_database_can_have_are_refused(name: str) -> None:
    with pytest.raises(InvalidName):
        args.check_database_name(name)


@pytest.mark.parametrize("name", ["db", "é-1", "$external"])
def test_other_database_names_pass(name: str) -> None:
    args.check_database_name(name)


@pytest.mark.parametrize("check", [args.check_collection_name, args.check_database_name])
def test_a_name_must_be_a_string(check: Any) -> None:
    with pytest.raises(TypeError, match="name must be an instance of str, not <class 'int'>"):
        check(5)


@pytest.mark.parametrize("name", ["", "a..b", ".a", "a.", "a$"])
def test_a_collection_is_not_renamed_to_an_impossible_name(name: str) -> None:
    with pytest.raises(InvalidName):
        args.new_collection_name(name)


def test_a_new_name_must_be_a_string() -> None:
    with pytest.raises(TypeError, match="new_name must be an instance of str"):
        args.new_collection_name(5)
    assert args.new_collection_name("fine") == "fine"


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("a", [("a", 1)]),
        (["a", ("b", -1)], [("a", 1), ("b", -1)]),
        ({"a": 1, "b": "2d"}, [("a", 1), ("b", "2d")]),
        ({"a": -1}.items(), [("a", -1)]),
    ],
)
def test_index_keys_come_in_several_shapes(keys: Any, expected: list[Any]) -> None:
    assert args.index_pairs(keys) == expected


def test_a_direction_goes_with_a_single_key() -> None:
    assert args.index_pairs("a", -1) == [("a", -1)]
    with pytest.raises(TypeError, match="Expected a string and a direction"):
        args.index_pairs(["a"], -1)
    with pytest.raises(TypeError, match="if no direction is specified"):
        args.index_pairs(5)


def test_an_index_document_keeps_the_order_of_its_keys() -> None:
    assert list(args.index_document([("b", 1), "a"]).items()) == [("b", 1), ("a", 1)]


@pytest.mark.parametrize(
    ("keys", "error"),
    [(5, TypeError), ([], ValueError), ([(1, 2)], TypeError), ([("a", None)], TypeError)],
)
def test_a_bad_index_document_is_refused(keys: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        args.index_document(keys)


def test_an_index_is_named_after_its_keys() -> None:
    assert args.index_name([("a", 1), ("b", "text")]) == "a_1_b_text"


def test_a_hint_is_a_name_or_keys() -> None:
    assert args.hint_value("a_1") == "a_1"
    assert args.hint_value([("a", 1)]) == {"a": 1}


def test_a_projection_is_a_document_or_names() -> None:
    document = {"a": 0}
    assert args.projection_document(document) is document
    assert args.projection_document(["a", "b"]) == {"a": 1, "b": 1}


@pytest.mark.parametrize("projection", [5, [5]])
def test_a_bad_projection_is_refused(projection: Any) -> None:
    with pytest.raises(TypeError, match="projection must be"):
        args.projection_document(projection)


def test_a_replacement_has_no_operators() -> None:
    args.check_replacement({})
    args.check_replacement({"a": 1})
    args.check_replacement(RawBSONDocument(bson.encode({"$a": 1})))
    with pytest.raises(ValueError, match="replacement can not include"):
        args.check_replacement({"$set": 1})
    with pytest.raises(TypeError, match="replacement must be an instance of dict"):
        args.check_replacement([])


def test_an_update_has_operators_or_is_a_pipeline() -> None:
    args.check_update({"$set": {"a": 1}})
    args.check_update([{"$set": {"a": 1}}])
    with pytest.raises(ValueError, match="update only works with"):
        args.check_update({"a": 1})
    with pytest.raises(ValueError, match="update cannot be empty"):
        args.check_update([])
    with pytest.raises(TypeError, match="update must either be a list"):
        args.check_update(5)


def test_the_right_types_pass() -> None:
    args.require_list("x", [])
    args.require_bool("x", False)
    args.require_mapping("x", {})
    args.require_document("x", {})


def test_types_are_named_in_what_is_refused() -> None:
    with pytest.raises(TypeError, match="x must be a list, not <class 'tuple'>"):
        args.require_list("x", ())
    with pytest.raises(TypeError, match="x must be True or False, was: x=1"):
        args.require_bool("x", 1)
    with pytest.raises(TypeError, match="x must be an instance of dict"):
        args.require_mapping("x", [])
    with pytest.raises(TypeError, match="RawBSONDocument"):
        args.require_document("x", [])


def test_only_acknowledged_writes_take_every_option() -> None:
    args.forbid_unacknowledged("Collation", WriteConcern())
    with pytest.raises(ConfigurationError, match="Collation is unsupported for unacknowledged"):
        args.forbid_unacknowledged("Collation", WriteConcern(w=0))
