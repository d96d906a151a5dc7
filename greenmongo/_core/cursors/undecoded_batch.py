"""Many documents, to be decoded or encoded a chunk at a time."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.raw_bson import RawBSONDocument

from greenmongo._wire.cursor_batch import Chunk, as_document, documents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = [
    "DECODE_CHUNK",
    "DECODE_CHUNK_DOCUMENTS",
    "ENCODE_OVERHEAD",
    "UndecodedBatch",
    "with_checkpoints",
]

R = TypeVar("R")

DECODE_CHUNK = 128 * 1024
"""Bytes that are decoded, or encoded, in one go: about a millisecond's work."""

DECODE_CHUNK_DOCUMENTS = 1_000
"""Documents that are, however small they may be."""

_AS_IT_IS: CodecOptions[Any] = CodecOptions(
    document_class=RawBSONDocument,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
    unicode_decode_error_handler="replace",
)

ENCODE_OVERHEAD = 256
"""Bytes whose encoding takes as long as what else a document needs."""


class UndecodedBatch:
    """Documents to be decoded a chunk at a time. Its length is how many are left.

    The first that cannot be decoded is the last: those before it are handed over, then it raises.

    Args:
        options: how they are to be decoded.
        run: calls what decodes in the caller's place; None for here.
        is_always_run: do so with every chunk, as code of the user's decodes; otherwise only with
            one that is a single large document.
    """

    __slots__ = ("_chunks", "_count", "_fault", "_is_always_run", "_options", "_run")

    def __init__(
        self,
        options: CodecOptions[Any],
        run: Callable[[Callable[[], Any]], Any] | None = None,
        *,
        is_always_run: bool = False,
    ) -> None:
        self._options = options
        self._run = run
        self._is_always_run = is_always_run
        self._chunks: deque[Chunk] = deque()
        self._count = 0
        self._fault: Exception | None = None
        """Why the next document, which is the last, cannot be decoded."""

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Any]:
        while self:
            documents: list[Any] = []
            self.decode_some(documents.extend)
            yield from documents

    def add(self, chunk: Chunk) -> None:
        """Add documents at the end."""
        self._chunks.append(chunk)
        self._count += chunk[0]

    def decode_some(self, receive: Callable[[list[Any]], object]) -> None:
        """Hand the documents of the next chunk over.

        Whoever looks from another thread meanwhile sees them here or there, or both. Whoever is
        interrupted can begin again.

        Raises:
            Exception: the next one cannot be decoded. It, and all behind it, are gone.
        """
        if self._fault is not None:
            self._fail(self._fault)
        count, elements = self._chunks[0]
        try:
            documents = self._perform(partial(self._decode, elements), len(elements))
        except Exception:
            documents, fault = self._perform(partial(self._decode_singly, elements), len(elements))
            # None: what code of the user's refuses once, it may take when it is asked again.
            if fault is not None:
                if not documents:
                    self._fail(fault)
                receive(documents)
                self._chunks.clear()
                self._count, self._fault = 1, fault
                return
        receive(documents)
        self._chunks.popleft()
        self._count -= count

    def decode_all(self, checkpoint: Callable[[], object]) -> list[Any]:
        """Return all documents, with a checkpoint after each chunk.

        Raises:
            Exception: one of them cannot be decoded.
        """
        documents: list[Any] = []
        while self:
            self.decode_some(documents.extend)
            checkpoint()
        return documents

    def copy(self) -> UndecodedBatch:
        """Return another batch of the same documents."""
        other = UndecodedBatch(self._options, self._run, is_always_run=self._is_always_run)
        other._chunks, other._count, other._fault = self._chunks.copy(), self._count, self._fault
        return other

    def as_it_is(self) -> list[Any]:
        """Return all documents as views of their bytes, which cannot fail."""
        return [
            document
            for _, elements in self._chunks
            for document in bson.decode(as_document(elements), _AS_IT_IS)[""]
        ]

    def _perform(self, fn: Callable[[], R], size: int) -> R:
        if self._run is None or not (self._is_always_run or size > 2 * DECODE_CHUNK):
            return fn()
        result: R = self._run(fn)
        return result

    def _decode(self, elements: memoryview) -> list[Any]:
        documents: list[Any] = bson.decode(as_document(elements), self._options)[""]
        return documents

    def _decode_singly(self, elements: memoryview) -> tuple[list[Any], Exception | None]:
        """Decode documents up to the first that cannot be; return them and why it cannot."""
        decoded: list[Any] = []
        for document in documents(elements):
            try:
                decoded.append(bson.decode(document, self._options))
            except Exception as error:
                return decoded, error
        return decoded, None

    def _fail(self, fault: Exception) -> NoReturn:
        self._chunks.clear()
        self._count, self._fault = 0, None
        raise fault


def with_checkpoints(encoded: Iterable[bytes], checkpoint: Callable[[], object]) -> Iterator[bytes]:
    """Yield documents, encoded or to be decoded, with a checkpoint after each chunk."""
    done = 0
    for document in encoded:
        yield document
        done += len(document) + ENCODE_OVERHEAD
        if done >= DECODE_CHUNK:
            done = 0
            checkpoint()
