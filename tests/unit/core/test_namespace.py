from __future__ import annotations

from bson.codec_options import DEFAULT_CODEC_OPTIONS
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from greenmongo._core.namespace import Namespace

NAMESPACE = Namespace(
    "db", "c", DEFAULT_CODEC_OPTIONS, ReadPreference.PRIMARY, WriteConcern(2), ReadConcern()
)


def test_its_full_name_joins_database_and_collection() -> None:
    assert NAMESPACE.full_name == "db.c"


def test_without_options_of_its_own_it_inherits_them_all() -> None:
    assert NAMESPACE.overridden() == NAMESPACE


def test_an_option_of_its_own_replaces_one_alone() -> None:
    other = NAMESPACE.overridden(read_concern=ReadConcern("majority"))
    assert other.options == (*NAMESPACE.options[:3], ReadConcern("majority"))
    assert (other.db, other.collection) == ("db", "c")
