from __future__ import annotations

from typing import Any

import pytest
from bson.dbref import DBRef
from bson.errors import InvalidDocument
from bson.son import SON

from greenmongo._legacy._keys import check_keys, is_operators


@pytest.mark.parametrize(
    "document",
    [
        {"$a": 1},
        {"a.b": 1},
        {"a": {"b": {"$c": 1}}},
        {"a": [1, [{"b.c": 1}]]},
        {"a": ({"$b": 1},)},
        SON([("a", SON([(".", 1)]))]),
    ],
)
def test_a_wrong_key_is_found_at_any_depth(document: Any) -> None:
    with pytest.raises(InvalidDocument, match="key '"):
        check_keys(document)


def test_other_keys_pass() -> None:
    check_keys({"": 1, "a$": 2, "ü": [{"b": {}}], "ref": DBRef("c", 1), "text": "$a.b"})


@pytest.mark.parametrize(
    ("document", "expected"),
    [({"$set": {}, "a": 1}, True), ({"a": 1, "$set": {}}, False), ({}, False)],
)
def test_the_first_key_tells_operators(document: Any, expected: bool) -> None:
    assert is_operators(document) is expected
