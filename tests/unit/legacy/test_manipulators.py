from __future__ import annotations

from typing import Any

import pytest
from bson.dbref import DBRef
from bson.objectid import ObjectId

from greenmongo.legacy import (
    AutoReference,
    Connection,
    NamespaceInjector,
    ObjectIdInjector,
    ObjectIdShuffler,
    SONManipulator,
)


@pytest.fixture
def db() -> Any:
    client: Connection[dict[str, Any]] = Connection(_connect=False)
    return client.db


def test_the_base_class_changes_nothing(db: Any) -> None:
    document = {"x": 1}
    plain = SONManipulator()
    assert plain.transform_incoming(document, db.c) is document
    assert plain.transform_outgoing(document, db.c) is document
    assert not plain.will_copy()
    db.add_son_manipulator(plain)
    assert db.incoming_manipulators == ["ObjectIdInjector"]
    assert db.outgoing_manipulators == []


def test_those_there_are(db: Any) -> None:
    injected = ObjectIdInjector().transform_incoming({"x": 1}, db.c)
    assert isinstance(injected["_id"], ObjectId)
    assert list(ObjectIdShuffler().transform_incoming({"x": 1, "_id": 2}, db.c)) == ["_id", "x"]
    assert ObjectIdShuffler().transform_incoming({"x": 1}, db.c) == {"x": 1}
    assert NamespaceInjector().transform_incoming({}, db.c) == {"_ns": "c"}


def test_embedded_documents_become_references(db: Any) -> None:
    movie = {"_id": 1, "_ns": "movies"}
    stored = AutoReference(db).transform_incoming({"best": movie, "all": [movie, {"x": 1}]}, db.c)
    reference = DBRef("movies", 1)
    assert stored == {"best": reference, "all": [reference, {"x": 1}]}


def test_the_newest_comes_first(db: Any) -> None:
    for manipulator in (NamespaceInjector(), ObjectIdShuffler(), AutoReference(db)):
        db.add_son_manipulator(manipulator)
    assert db.incoming_manipulators == ["NamespaceInjector", "ObjectIdInjector"]
    assert db.incoming_copying_manipulators == ["AutoReference", "ObjectIdShuffler"]
    assert db.outgoing_copying_manipulators == ["AutoReference"]
    with pytest.raises(TypeError, match="SONManipulator"):
        db.add_son_manipulator(object())
