"""What is written comes out as chunks of one size, in messages that are not too large."""

from __future__ import annotations

from typing import Any

import bson
import pytest
from bson.codec_options import DEFAULT_CODEC_OPTIONS
from hypothesis import given
from hypothesis import strategies as st

from greenmongo._core.gridfs import cutter as module
from greenmongo._core.gridfs.cutter import WINDOW, Cutter


def new_cutter(chunk_size: int) -> Cutter:
    return Cutter("file", chunk_size, DEFAULT_CODEC_OPTIONS)


def write(cutter: Cutter, pieces: list[bytes]) -> list[dict[str, Any]]:
    """Write pieces and return all chunks."""
    documents = []
    for piece in pieces:
        rest: Any = piece
        while rest is not None and (rest := cutter.add(rest)) is not None:
            documents += cutter.take()
    cutter.finish()
    return [bson.decode(each) for each in documents + cutter.take()]


@given(pieces=st.lists(st.binary(max_size=50), max_size=10), chunk_size=st.integers(1, 20))
def test_the_chunks_are_what_was_written(pieces: list[bytes], chunk_size: int) -> None:
    cutter, data = new_cutter(chunk_size), b"".join(pieces)

    chunks = write(cutter, pieces)

    assert b"".join(chunk["data"] for chunk in chunks) == data
    assert all(len(chunk["data"]) == chunk_size for chunk in chunks[:-1])
    assert [chunk["n"] for chunk in chunks] == list(range(-(-len(data) // chunk_size)))
    assert {chunk["files_id"] for chunk in chunks} <= {"file"}
    assert cutter.finish() == len(data)


def test_a_message_ends_when_it_is_large_enough() -> None:
    cutter = new_cutter(WINDOW // 4)

    rest = cutter.add(bytes(WINDOW + 5))

    assert rest is not None
    assert (len(rest), len(cutter.take()), cutter.take()) == (5, 4, [])


def test_a_message_of_small_chunks_ends_by_their_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CHUNKS", 3)
    cutter = new_cutter(1)

    rest = cutter.add(b"12345")

    assert rest is not None
    assert (bytes(rest), len(cutter.take())) == (b"45", 3)


def test_the_ids_of_what_was_not_taken_are_known() -> None:
    cutter = new_cutter(2)
    cutter.add(b"12345")
    ids = cutter.ids

    assert [bson.decode(each)["_id"] for each in cutter.take()] == ids
    assert cutter.ids == []


def test_data_is_stored_as_plain_binary() -> None:
    (chunk,) = write(new_cutter(10), [b"x"])

    assert type(chunk["data"]) is bytes
    assert list(chunk) == ["_id", "files_id", "n", "data"]


def test_reads_end_with_chunks() -> None:
    cutter = new_cutter(10)
    cutter.add(b"123")

    assert (cutter.wants() + 3) % 10 == 0
    assert new_cutter(20_000_000).wants() == 20_000_000
