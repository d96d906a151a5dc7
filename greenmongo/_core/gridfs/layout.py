"""How a file lies in its two collections: the sizes, the queries, the indexes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bson.objectid import ObjectId

from greenmongo._core.constants import ASCENDING, DESCENDING

__all__ = [
    "CHUNKS_INDEX",
    "DEFAULT_CHUNK_SIZE",
    "FILES_INDEX",
    "by_id",
    "chunks_from",
    "chunks_of",
    "count_of_chunks",
    "has_index",
    "size_of_chunk",
    "sort_and_skip",
]

DEFAULT_CHUNK_SIZE = 255 * 1024
"""GridFS, "chunkSizeBytes": a little less than a power of two, for the server's sake."""

FILES_INDEX = {"filename": ASCENDING, "uploadDate": ASCENDING}
CHUNKS_INDEX = {"files_id": ASCENDING, "n": ASCENDING}
"""GridFS, "Indexes": that of the chunks is unique."""


def count_of_chunks(length: int, chunk_size: int) -> int:
    """Return how many chunks a file has; an empty one has none."""
    return -(-length // chunk_size)


def size_of_chunk(n: int, length: int, chunk_size: int) -> int:
    """Return how many bytes a file's chunk `n` has."""
    return max(0, min(chunk_size, length - n * chunk_size))


def by_id(file_id: Any) -> dict[str, Any]:
    """Return the query for a file."""
    return {"_id": _exactly(file_id)}


def chunks_of(file_id: Any) -> dict[str, Any]:
    """Return the query for all chunks of a file."""
    return {"files_id": _exactly(file_id)}


def _exactly(file_id: Any) -> Any:
    """Return a condition that only this id fulfils.

    GridFS, "TFileId Queries": a document or regular expression would match others. An ObjectId
    would not, and the tests of the specifications expect it as it is.
    """
    return file_id if isinstance(file_id, ObjectId) else {"$eq": file_id}


def chunks_from(file_id: Any, n: int) -> dict[str, Any]:
    """Return the query for a file's chunks from number `n`."""
    return {**chunks_of(file_id), "n": {"$gte": n}} if n else chunks_of(file_id)


def sort_and_skip(revision: int) -> tuple[int, int]:
    """Return by which order of upload dates, and behind how many files, a revision is found.

    GridFS, "File Download by Filename": 0 is the first that was stored, -1 the last.
    """
    return (ASCENDING, revision) if revision >= 0 else (DESCENDING, -revision - 1)


def has_index(indexes: Iterable[Mapping[str, Any]], keys: Mapping[str, int]) -> bool:
    """Tell whether there is an index on these keys, in this order.

    GridFS, "Before write operations": 1 and 1.0 are the same.
    """
    return any(list(index["key"].items()) == list(keys.items()) for index in indexes)
