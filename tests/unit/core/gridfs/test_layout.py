"""How files lie in their collections."""

from __future__ import annotations

import pytest
from bson.objectid import ObjectId

from greenmongo._core.gridfs.layout import (
    FILES_INDEX,
    by_id,
    chunks_from,
    count_of_chunks,
    has_index,
    size_of_chunk,
    sort_and_skip,
)


@pytest.mark.parametrize(("length", "count"), [(0, 0), (1, 1), (10, 1), (11, 2), (20, 2)])
def test_a_file_has_as_many_chunks_as_it_needs(length: int, count: int) -> None:
    assert count_of_chunks(length, 10) == count
    assert sum(size_of_chunk(n, length, 10) for n in range(count + 1)) == length


@pytest.mark.parametrize(
    ("revision", "expected"), [(0, (1, 0)), (1, (1, 1)), (-1, (-1, 0)), (-2, (-1, 1))]
)
def test_revisions_count_from_either_end(revision: int, expected: tuple[int, int]) -> None:
    assert sort_and_skip(revision) == expected


def test_an_id_is_compared_and_never_taken_for_a_query() -> None:
    assert by_id({"$gt": 0}) == {"_id": {"$eq": {"$gt": 0}}}
    assert chunks_from({"$gt": 0}, 0) == {"files_id": {"$eq": {"$gt": 0}}}
    assert by_id(ObjectId(bytes(12))) == {"_id": ObjectId(bytes(12))}
    assert chunks_from(1, 5) == {"files_id": {"$eq": 1}, "n": {"$gte": 5}}


def test_an_index_is_known_by_its_keys_in_order_whatever_their_type() -> None:
    assert has_index(
        [{"key": {"_id": 1}}, {"key": {"filename": 1.0, "uploadDate": 1}}], FILES_INDEX
    )
    assert not has_index([{"key": {"uploadDate": 1, "filename": 1}}], FILES_INDEX)
    assert not has_index([{"key": {"filename": -1, "uploadDate": 1}}], FILES_INDEX)
