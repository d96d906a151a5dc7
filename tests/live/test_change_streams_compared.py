"""Change streams do what PyMongo's do, and keep tokens and the user's codecs apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pymongo
import pytest
from bson.codec_options import CodecOptions, TypeDecoder, TypeRegistry
from bson.raw_bson import RawBSONDocument
from bson.son import SON
from pymongo.errors import InvalidOperation, OperationFailure, PyMongoError

from tests.support.fix_comparison import Comparison

pytestmark = pytest.mark.live

Reference = pymongo.MongoClient[dict[str, Any]]


TOKEN = {"_data": "1"}


def changes_of(stream: Any, count: int) -> list[Any]:
    return [stream.next() for _ in range(count)]


def shape_of(change: Any) -> Any:
    """What of a change two drivers can agree about."""
    return [(key, change[key]) for key in change if key not in ("_id", "clusterTime", "wallTime")]


def inserts(db: Any, **options: Any) -> Any:
    with db.c.watch(**options) as stream:
        db.c.insert_one({"_id": "one", "n": 1})
        db.c.update_one({"_id": "one"}, {"$set": {"n": 2}})
        return [shape_of(change) for change in changes_of(stream, 2)]


CASES: dict[str, Callable[[Any], Any]] = {
    "a_collection": inserts,
    "looked_up": lambda db: inserts(db, full_document="updateLookup"),
    "in_batches": lambda db: inserts(db, batch_size=1),
    "awaited_shortly": lambda db: inserts(db, max_await_time_ms=50),
    "commented": lambda db: inserts(db, comment={"why": 1}),
    "a_pipeline": lambda db: inserts(db, pipeline=[{"$addFields": {"more": 1}}]),
    "no_list": lambda db: db.c.watch({}),
    "a_document_of_wrong_type": lambda db: db.c.watch([], 1),
    "a_batch_of_wrong_size": lambda db: db.c.watch(batch_size=-1),
    "a_strange_document": lambda db: db.c.watch(full_document="no such"),
    "two_beginnings": lambda db: db.c.watch(resume_after=TOKEN, start_after=TOKEN),
    "a_strange_stage": lambda db: db.c.watch([{"$out": "elsewhere"}]),
}


@pytest.mark.parametrize("name", CASES)
def test_a_stream_does_what_pymongos_does(both: Comparison, name: str) -> None:
    both.check(CASES[name])


def test_the_token_moves_on_without_changes(db: Any, reference: Reference) -> None:
    with db.c.watch(max_await_time_ms=1) as stream:
        before = stream.resume_token
        assert before is not None
        reference[db.name].other.insert_one({})
        while stream.resume_token == before:
            assert stream.try_next() is None


def test_a_closed_stream_has_no_changes(db: Any, reference: Reference) -> None:
    stream = db.c.watch()
    stream.try_next()
    reference[db.name].c.insert_one({})
    stream.close()
    stream.close()
    assert not stream.alive
    assert stream.try_next() is None
    with pytest.raises(StopIteration):
        stream.next()


def test_a_change_without_its_token_ends_the_stream(db: Any, reference: Reference) -> None:
    """Prose test 2, on servers that find out themselves."""
    stream = db.c.watch([{"$project": {"_id": 0}}])
    reference[db.name].c.insert_one({})
    with pytest.raises((OperationFailure, InvalidOperation)):
        stream.next()
    assert not stream.alive


def test_a_timeout_leaves_the_stream_alive(
    db: Any, make_client: Callable[..., Any], reference: Reference
) -> None:
    """CSOT, "Change Streams": the next call opens it again."""
    client = make_client(timeoutMS=2_000)
    with client[db.name].c.watch() as stream:
        with pytest.raises(PyMongoError) as caught:
            stream.next()
        assert caught.value.timeout
        assert stream.alive
        reference[db.name].c.insert_one({"_id": 1})
        assert stream.next()["documentKey"] == {"_id": 1}


class Text(str):
    """What a decoder of the user's makes of strings."""


class TextDecoder(TypeDecoder):
    @property
    def bson_type(self) -> Any:
        return str

    def transform_bson(self, value: Any) -> Text:
        return Text(value)


class Mine(dict[str, Any]):
    """A document class of the user's."""

    def __getitem__(self, key: str) -> Any:
        return (key, super().__getitem__(key))


def test_a_decoder_of_the_users_gets_the_changes_but_not_the_token(
    db: Any, reference: Reference
) -> None:
    options: CodecOptions[Any] = CodecOptions(type_registry=TypeRegistry([TextDecoder()]))
    with db.get_collection("c", codec_options=options).watch() as stream:
        reference[db.name].c.insert_one({"_id": "a"})
        change = stream.next()
        assert isinstance(change["fullDocument"]["_id"], Text)
        assert isinstance(change["_id"]["_data"], Text)
        assert type(stream.resume_token["_data"]) is str


def test_documents_are_of_the_users_class(db: Any, reference: Reference) -> None:
    for document_class in (Mine, SON, RawBSONDocument):
        options: CodecOptions[Any] = CodecOptions(document_class=document_class)
        with db.get_collection("c", codec_options=options).watch() as stream:
            reference[db.name].c.insert_one({})
            assert type(stream.next()) is document_class
            assert stream.resume_token
