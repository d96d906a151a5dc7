"""What PyMongo's models hold is where we look for it; a release that moves it fails here."""

from __future__ import annotations

from typing import Any

import pytest
from bson.raw_bson import RawBSONDocument
from pymongo import DeleteMany, DeleteOne, InsertOne, ReplaceOne, UpdateMany, UpdateOne
from pymongo.collation import Collation

from greenmongo._core.bulk.models import WriteModel, read_model

ENGLISH = Collation("en")
UPDATE = {"$set": {"x": 1}}


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (InsertOne({"x": 1}, namespace="db.c"), WriteModel("insert", {"x": 1}, namespace="db.c")),
        (
            UpdateOne({"q": 1}, UPDATE, True, ENGLISH, [{"e": 1}], [("i", -1)], "db.c"),
            WriteModel(
                "update",
                UPDATE,
                {"q": 1},
                upsert=True,
                collation=ENGLISH.document,
                array_filters=[{"e": 1}],
                hint={"i": -1},
                namespace="db.c",
            ),
        ),
        (
            UpdateMany({"q": 1}, [UPDATE], hint="i_1"),
            WriteModel("update", [UPDATE], {"q": 1}, is_multi=True, hint="i_1"),
        ),
        (
            ReplaceOne({"q": 1}, {"x": 1}, False, {"locale": "en"}, "i_1", "db.c"),
            WriteModel(
                "update",
                {"x": 1},
                {"q": 1},
                is_replacement=True,
                upsert=False,
                collation={"locale": "en"},
                hint="i_1",
                namespace="db.c",
            ),
        ),
        (
            DeleteOne({"q": 1}, ENGLISH, "i_1", "db.c"),
            WriteModel(
                "delete",
                filter={"q": 1},
                collation=ENGLISH.document,
                hint="i_1",
                namespace="db.c",
            ),
        ),
        (DeleteMany({"q": 1}), WriteModel("delete", filter={"q": 1}, is_multi=True)),
    ],
)
def test_a_model_is_read_as_it_was_made(model: Any, expected: WriteModel) -> None:
    assert read_model(model) == expected


@pytest.mark.parametrize("kind", [UpdateOne, ReplaceOne])
def test_a_sort_is_read_where_pymongo_has_it(kind: type[Any]) -> None:
    change = UPDATE if kind is UpdateOne else {}
    try:
        model = kind({}, change, sort={"x": 1})
    except TypeError:
        pytest.skip("this PyMongo has no sort")
    assert read_model(model).sort == {"x": 1}


def test_raw_documents_are_inserted_as_they_are() -> None:
    raw = RawBSONDocument(b"\x05\0\0\0\0")
    assert read_model(InsertOne(raw)).change is raw


NO_DOCUMENT: Any = 5


@pytest.mark.parametrize("it", [5, None, {"insert": 1}, InsertOne(NO_DOCUMENT)])
def test_what_is_no_operation_is_refused(it: Any) -> None:
    with pytest.raises(TypeError):
        read_model(it)


@pytest.mark.parametrize(
    "it", [UpdateOne({}, {"x": 1}), UpdateMany({}, {}), ReplaceOne({}, {"$set": {}})]
)
def test_operators_belong_into_updates_alone(it: Any) -> None:
    with pytest.raises(ValueError, match=r"operators|empty"):
        read_model(it)
