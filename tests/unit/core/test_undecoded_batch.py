from __future__ import annotations

from collections import OrderedDict
from typing import Any

import bson
import pytest
from bson.codec_options import DEFAULT_CODEC_OPTIONS, CodecOptions
from bson.errors import InvalidBSON
from bson.raw_bson import RawBSONDocument

from greenmongo._core.cursors.undecoded_batch import DECODE_CHUNK, UndecodedBatch, with_checkpoints
from greenmongo._wire.cursor_batch import chunks, take_batch

DOCUMENTS = [{"n": n} for n in range(25)]


def batch_of(documents: list[Any], options: CodecOptions[Any]) -> UndecodedBatch:
    """Return a batch of ten documents per chunk."""
    taken = take_batch(bson.encode({"cursor": {"firstBatch": documents}}))
    assert taken is not None
    batch = UndecodedBatch(options)
    for chunk in chunks(taken[2], size=1 << 20, most=10):
        batch.add(chunk)
    return batch


def decoded(batch: UndecodedBatch) -> list[Any]:
    """Return the documents of the next chunk."""
    documents: list[Any] = []
    batch.decode_some(documents.extend)
    return documents


def test_it_shrinks_as_it_is_decoded() -> None:
    batch = batch_of(DOCUMENTS, DEFAULT_CODEC_OPTIONS)
    assert len(batch) == 25
    assert decoded(batch) == DOCUMENTS[:10]
    assert len(batch) == 15
    assert decoded(batch) + decoded(batch) == DOCUMENTS[10:]
    assert not batch


def test_at_no_time_are_documents_neither_here_nor_there() -> None:
    """Another thread may look at any moment."""
    batch = batch_of(DOCUMENTS[:10], DEFAULT_CODEC_OPTIONS)
    left: list[int] = []
    batch.decode_some(lambda _: left.append(len(batch)))
    assert left == [10]
    assert not batch


@pytest.mark.parametrize("kind", [OrderedDict, RawBSONDocument])
def test_documents_are_of_the_users_class(kind: type[Any]) -> None:
    batch = batch_of(DOCUMENTS, CodecOptions(document_class=kind))
    documents = decoded(batch)
    assert {type(each) for each in documents} == {kind}
    assert [each["n"] for each in documents] == list(range(10))


def test_what_is_not_bson_says_so() -> None:
    bad = bytearray(bson.encode({"cursor": {"firstBatch": [{"text": "good"}]}}))
    bad[bad.index(b"good")] = 0xFF
    taken = take_batch(bytes(bad))
    assert taken is not None
    batch = UndecodedBatch(DEFAULT_CODEC_OPTIONS)
    batch.add((1, taken[2]))
    with pytest.raises(InvalidBSON, match="utf-8"):
        decoded(batch)
    assert not batch


@pytest.mark.parametrize(("size", "turns"), [(DECODE_CHUNK, 5), (DECODE_CHUNK // 4, 1), (10, 0)])
def test_large_documents_give_way_more_often(size: int, turns: int) -> None:
    taken: list[None] = []
    documents = [bytes(size)] * 5
    assert list(with_checkpoints(documents, lambda: taken.append(None))) == documents
    assert len(taken) == turns


def test_documents_cost_time_however_small_they_are() -> None:
    taken: list[None] = []
    assert len(list(with_checkpoints([b"small"] * 5_000, lambda: taken.append(None)))) == 5_000
    assert len(taken) >= 5
