"""Cut what is written to a file into chunks, encoded for their collection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bson
from bson.objectid import ObjectId

if TYPE_CHECKING:
    from bson.codec_options import CodecOptions

__all__ = ["WINDOW", "Cutter"]

WINDOW = 4 * 1024 * 1024
"""Bytes of chunks that are sent in one message: enough that the round trips do not count."""

MOST_CHUNKS = 10_000
"""Chunks of one message."""


class Cutter:
    """Takes bytes in pieces of any size and gives chunks.

    Args:
        file_id: the file's `_id`.
        chunk_size: the size of all chunks but the last.
        codec_options: what the id is encoded with.
    """

    def __init__(self, file_id: Any, chunk_size: int, codec_options: CodecOptions[Any]) -> None:
        self._file_id = file_id
        self._chunk_size = chunk_size
        self._codec_options = codec_options
        self._rest: list[bytes] = []
        self._size_of_rest = 0
        self._documents: list[bytes] = []
        self._size = 0
        self._next = 0
        self.ids: list[ObjectId] = []
        """The `_id`s of the chunks that are complete and have not been taken."""
        self._length = 0

    @property
    def is_full(self) -> bool:
        """Whether it is time to take the chunks."""
        return self._size >= WINDOW or len(self._documents) >= MOST_CHUNKS

    def wants(self) -> int:
        """Return how many bytes to read next: up to the end of a chunk, of several small ones."""
        whole = self._chunk_size * max(1, WINDOW // 4 // self._chunk_size)
        return whole - self._size_of_rest

    def add(self, data: bytes | memoryview) -> memoryview | None:
        """Write bytes; return what is left of them when it is time to take the chunks."""
        view = memoryview(data)
        while view:
            room = self._chunk_size - self._size_of_rest
            piece, view = view[:room], view[room:]
            self._rest.append(bytes(piece))
            self._size_of_rest += len(piece)
            self._length += len(piece)
            if self._size_of_rest == self._chunk_size:
                self._end_chunk()
                if self.is_full:
                    return view
        return None

    def finish(self) -> int:
        """Make the rest the last chunk; return the length of the whole file."""
        # GridFS, "File Upload": an empty file has no chunk.
        if self._rest:
            self._end_chunk()
        return self._length

    def take(self) -> list[bytes]:
        """Take the chunks that are complete, as BSON."""
        documents, self._documents = self._documents, []
        self._size, self.ids = 0, []
        return documents

    def _end_chunk(self) -> None:
        data = self._rest[0] if len(self._rest) == 1 else b"".join(self._rest)
        chunk_id = ObjectId()
        chunk = {"_id": chunk_id, "files_id": self._file_id, "n": self._next, "data": data}
        encoded = bson.encode(chunk, codec_options=self._codec_options)
        self._documents.append(encoded)
        self.ids.append(chunk_id)
        self._size += len(encoded)
        self._next += 1
        self._rest.clear()
        self._size_of_rest = 0
