"""The options that may be changed, and who inherits them; no server is asked."""

from __future__ import annotations

from typing import Any

import pytest
from bson.son import SON
from pymongo.errors import ConfigurationError
from pymongo.read_preferences import Nearest, Primary, Secondary, SecondaryPreferred
from pymongo.write_concern import WriteConcern

from greenmongo import Connection


@pytest.fixture
def client() -> Any:
    made: Connection[dict[str, Any]] = Connection(_connect=False)
    return made


def test_options_are_copied_when_an_object_is_made(client: Any) -> None:
    before = client.db
    client.safe = False
    client.uuid_subtype = 4
    client.document_class = SON
    after = client.db.c
    assert before.safe
    assert not after.safe
    assert (after.uuid_subtype, after.codec_options.document_class) == (4, SON)
    after.safe = True
    assert not client.safe
    assert after["deeper"].safe


def test_what_a_collection_sends_follows_its_options(client: Any) -> None:
    collection = client.db.c
    collection.safe = False
    collection.read_preference = 2
    collection.uuid_subtype = 4
    namespace = collection._namespace
    assert not namespace.write_concern.acknowledged
    assert namespace.read_preference == Secondary()
    assert namespace.codec_options.uuid_representation == 4


def test_lasterror_options(client: Any) -> None:
    collection = client.db.c
    collection.set_lasterror_options(w=2, j=True)
    collection.set_lasterror_options(wtimeout=5)
    assert collection.get_lasterror_options() == {"w": 2, "j": True, "wtimeout": 5}
    collection.unset_lasterror_options("w", "j")
    assert collection.get_lasterror_options() == {"wtimeout": 5}
    collection.unset_lasterror_options()
    assert collection.write_concern == WriteConcern()
    with pytest.raises(ConfigurationError, match="nonsense"):
        collection.set_lasterror_options(nonsense=1)
    collection.write_concern = {"w": 0}
    assert collection.write_concern == WriteConcern(w=0)


def test_read_preferences(client: Any) -> None:
    db = client.db
    db.slave_okay = True
    assert db.read_preference == SecondaryPreferred()
    db.read_preference = Nearest()
    db.tag_sets = [{"dc": "ny"}]
    assert db.read_preference == Nearest([{"dc": "ny"}])
    db.slave_okay = False
    assert db.read_preference == Primary()
    assert not db.slave_okay
    assert db.tag_sets == [{}]
    with pytest.raises(ConfigurationError, match="tag_sets"):
        db.tag_sets = [{"dc": "ny"}]


@pytest.mark.parametrize("name", ["safe", "slave_okay"])
def test_a_switch_is_true_or_false(client: Any, name: str) -> None:
    with pytest.raises(TypeError, match=name):
        setattr(client.db, name, 1)


def test_databases_with_other_options_share_the_manipulators(client: Any) -> None:
    db = client.db
    assert db.with_options()._manipulators is db._manipulators
    assert client.db._manipulators is not db._manipulators
