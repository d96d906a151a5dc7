"""Many documents, to be decoded or encoded a chunk at a time."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import bson
from bson.errors import BSONError
from pymongo.errors import ProtocolError

from greenmongo._core.types import format_address
from greenmongo._wire.cursor_batch import Chunk, as_document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from bson.codec_options import CodecOptions

    from greenmongo._core.types import Address

__all__ = ["DECODE_CHUNK", "DECODE_CHUNK_DOCUMENTS", "UndecodedBatch", "with_checkpoints"]

DECODE_CHUNK = 128 * 1024
"""Bytes that are decoded, or encoded, in one go: about a millisecond's work."""

DECODE_CHUNK_DOCUMENTS = 1_000
"""Documents that are, however small they may be."""

_OVERHEAD = 256
"""Bytes whose encoding takes as long as what else a document needs."""


class UndecodedBatch:
    """Documents to be decoded a chunk at a time. Its length is how many are left."""

    __slots__ = ("_address", "_chunks", "_count", "_options")

    def __init__(self, options: CodecOptions[Any], address: Address) -> None:
        self._options = options
        self._address = address
        self._chunks: deque[Chunk] = deque()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, chunk: Chunk) -> None:
        """Add documents at the end."""
        self._chunks.append(chunk)
        self._count += chunk[0]

    def decode_some(self, receive: Callable[[list[Any]], object]) -> None:
        """Hand the documents of the next chunk over.

        Whoever looks from another thread meanwhile sees them here or there, or both.

        Raises:
            ProtocolError: they are not BSON.
        """
        count, elements = self._chunks.popleft()
        try:
            receive(self._decode(elements))
        finally:
            self._count -= count

    def decode_all(self, checkpoint: Callable[[], object]) -> list[Any]:
        """Return all documents, with a checkpoint after each chunk.

        Raises:
            ProtocolError: they are not BSON.
        """
        documents: list[Any] = []
        while self:
            self.decode_some(documents.extend)
            checkpoint()
        return documents

    def _decode(self, elements: memoryview) -> list[Any]:
        try:
            documents: list[Any] = bson.decode(as_document(elements), self._options)[""]
        except BSONError as error:
            raise ProtocolError(f"{format_address(self._address)}: {error}") from error
        return documents


def with_checkpoints(encoded: Iterable[bytes], checkpoint: Callable[[], object]) -> Iterator[bytes]:
    """Yield documents, encoded or to be decoded, with a checkpoint after each chunk."""
    done = 0
    for document in encoded:
        yield document
        done += len(document) + _OVERHEAD
        if done >= DECODE_CHUNK:
            done = 0
            checkpoint()
