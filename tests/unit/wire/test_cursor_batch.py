from __future__ import annotations

import datetime
import struct
from itertools import chain
from typing import Any

import bson
import pytest
from bson.binary import Binary
from bson.code import Code
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.objectid import ObjectId
from bson.regex import Regex
from bson.timestamp import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from greenmongo._wire.cursor_batch import as_document, chunks, take_batch
from greenmongo._wire.errors import WireError

Document = dict[str, Any]

EVERYTHING: Document = {
    "double": 1.5,
    "string": "a\0b",
    "document": {"deep": [1]},
    "array": [{}],
    "binary": Binary(b"\0\0", 128),
    "id": ObjectId(),
    "bool": True,
    "date": datetime.datetime(2024, 1, 1),
    "null": None,
    "int": 1,
    "timestamp": Timestamp(1, 2),
    "long": Int64(3),
    "decimal": Decimal128("1.5"),
    "smallest": MinKey(),
    "largest": MaxKey(),
}


def elements_of(values: list[Any]) -> memoryview:
    """Return what an array contains."""
    taken = take_batch(bson.encode({"cursor": {"firstBatch": values}}))
    assert taken is not None
    return taken[2]


def decoded(elements: memoryview, **sizes: int) -> list[list[Any]]:
    """Cut, and decode each chunk."""
    found: list[list[Any]] = []
    for count, chunk in chunks(elements, **({"size": 1 << 20, "most": 1 << 20} | sizes)):
        documents: list[Any] = bson.decode(as_document(chunk))[""]
        assert len(documents) == count
        found.append(documents)
    return found


@pytest.mark.parametrize("kind", [bytes, memoryview])
@pytest.mark.parametrize("name", ["firstBatch", "nextBatch"])
@pytest.mark.parametrize("documents", [[], [{"a": 1}], [{"n": n} for n in range(120)]], ids=len)
def test_a_reply_is_taken_apart(kind: Any, name: str, documents: list[Document]) -> None:
    reply = {
        **EVERYTHING,
        "cursor": {**EVERYTHING, name: documents, "ns": "db.c", "id": 5},
        "ok": 1.0,
    }
    taken = take_batch(kind(bson.encode(reply)))
    assert taken is not None
    rest, found, elements = taken
    assert found == name
    assert list(chain(*decoded(elements))) == documents
    reply["cursor"][name] = []
    assert rest == bson.encode(reply)


@pytest.mark.parametrize(
    "reply",
    [
        {"ok": 1.0},
        {"cursor": 5},
        {"cursor": [{"firstBatch": []}]},
        {"cursor": {"firstBatch": {"0": {}}}},
        {"cursor": {"id": 0}},
        {"values": [1, 2], "ok": 1.0},
        # Kinds that no server puts there are left to the decoder.
        {"regex": Regex("a"), "cursor": {"firstBatch": [{}]}},
        {"code": Code("a", {}), "cursor": {"firstBatch": [{}]}},
        {"x" * 300: 1, "cursor": {"firstBatch": [{}]}},
    ],
)
def test_a_reply_without_a_batch_is_left_as_it_is(reply: Document) -> None:
    assert take_batch(bson.encode(reply)) is None


GOOD = bson.encode({"cursor": {"id": 7, "firstBatch": [{"a": 1}, {"b": 2}]}, "ok": 1.0})


@pytest.mark.parametrize("length", range(GOOD.index(b"ok")))
def test_a_reply_cut_short_is_left_to_the_decoder(length: int) -> None:
    assert take_batch(GOOD[:length]) is None


@given(st.binary(max_size=80))
def test_nonsense_is_left_to_the_decoder(data: bytes) -> None:
    taken = take_batch(data)
    assert taken is None or isinstance(taken[1], str)


def test_an_array_too_small_for_one_is_left_to_the_decoder() -> None:
    at = GOOD.index(b"firstBatch") + len(b"firstBatch") + 1
    assert take_batch(GOOD[:at] + struct.pack("<i", 4) + GOOD[at + 4 :]) is None


@given(
    st.lists(st.dictionaries(st.text("ab", min_size=1), st.text(max_size=30)), max_size=130),
    st.integers(1, 200),
    st.integers(1, 20),
)
def test_chunks_are_all_of_it_in_order(documents: list[Document], size: int, most: int) -> None:
    found = decoded(elements_of(documents), size=size, most=most)
    assert list(chain(*found)) == documents
    assert all(1 <= len(chunk) <= most for chunk in found)


def test_a_chunk_ends_when_it_is_large_enough() -> None:
    documents = [{"x": "y" * 100} for _ in range(10)]
    one = len(bson.encode(documents[0])) + 3
    assert [len(each) for each in decoded(elements_of(documents), size=one)] == [1] * 10
    assert [len(each) for each in decoded(elements_of(documents), size=one + 1)] == [2] * 5
    assert [len(each) for each in decoded(elements_of(documents), most=4)] == [4, 4, 2]


def test_a_batch_of_something_else_is_an_error() -> None:
    with pytest.raises(WireError, match="element 1 of a batch is not a document"):
        decoded(elements_of([{}, 5]))


@pytest.mark.parametrize("length", [-1, 0, 4])
def test_a_document_too_small_for_one_is_an_error(length: int) -> None:
    elements = bytearray(elements_of([{}, {}]))
    struct.pack_into("<i", elements, 8 + 3, length)
    with pytest.raises(WireError, match=f"document 1 of a batch has {length} bytes"):
        decoded(memoryview(elements))


def test_a_document_larger_than_its_batch_is_an_error() -> None:
    elements = bytearray(elements_of([{}, {}]))
    struct.pack_into("<i", elements, 8 + 3, 6)
    with pytest.raises(WireError, match="in the middle of document 1"):
        decoded(memoryview(elements))


def test_a_batch_that_ends_in_a_length_is_an_error() -> None:
    with pytest.raises(WireError, match="element 1 of a batch is not a document"):
        decoded(elements_of([{}, {}])[:-6])
