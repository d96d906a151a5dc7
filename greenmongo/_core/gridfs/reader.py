"""Where a reader is in a file, what it has of it, and which chunk it needs next.

What it does is written as *steps*: generators that yield the number of a chunk they need, and are
sent that chunk, or None if there is none. Whoever drives them fetches it, in his own way.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from io import SEEK_CUR, SEEK_END, SEEK_SET
from typing import Any, TypeAlias, TypeVar

from gridfs.errors import CorruptGridFile

from greenmongo._core.gridfs.layout import count_of_chunks, size_of_chunk

__all__ = ["Chunk", "FileReader", "ReadSteps"]

T = TypeVar("T")

Chunk: TypeAlias = Mapping[str, Any]
ReadSteps: TypeAlias = Generator[tuple[int, int], Chunk | None, T]
"""Yields the number of the chunk that is needed, and how many from there on will be."""

NEWLINE = b"\n"


class FileReader:
    """The position in a file, and the chunk that was read last.

    Args:
        length: the file's length.
        chunk_size: the size of its chunks.

    Raises:
        CorruptGridFile: no file can have such chunks.
    """

    def __init__(self, length: int, chunk_size: int) -> None:
        if length > 0 and chunk_size < 1:
            raise CorruptGridFile(f"a file of {length} bytes cannot have chunks of {chunk_size}")
        self._length = length
        self._chunk_size = chunk_size
        self._count = count_of_chunks(length, chunk_size) if length > 0 else 0
        self._n = -1
        self._data = b""
        self._has_read = False
        """Whether a chunk was fetched, so that those after the last are worth a look."""
        self.position = 0

    @property
    def is_at_end(self) -> bool:
        """Whether there is nothing more to read."""
        return self.position >= self._length

    @property
    def chunks_left(self) -> int:
        """How many chunks there are from the position on, at least one."""
        return max(1, self._count - self.position // self._chunk_size) if self._count else 1

    def end_steps(self) -> ReadSteps[None]:
        """Look for chunks behind the last, which there must not be, when all was read."""
        if self.is_at_end:
            yield from self._check_end()

    def seek(self, offset: int, whence: int) -> int:
        """Move the position and return it. What is here of the file stays here.

        Raises:
            OSError: there is no such position, or no such `whence`.
        """
        if whence == SEEK_CUR:
            offset += self.position
        elif whence == SEEK_END:
            offset += self._length
        elif whence != SEEK_SET:
            raise OSError(22, "Invalid value for `whence`")
        if offset < 0:
            raise OSError(22, "Invalid value for `pos` - must be positive")
        self.position = offset
        return offset

    def chunk_steps(self, ahead: int = 1) -> ReadSteps[bytes]:
        """Read the rest of the chunk that the position is in; no bytes at the end.

        Args:
            ahead: how many chunks there is a need for, one after another.
        """
        if self.is_at_end:
            return b""
        yield from self._have_chunk(ahead)
        data = self._data[self.position % self._chunk_size :]
        self.position += len(data)
        return data

    def steps(self, size: int, *, is_line: bool = False) -> ReadSteps[bytes]:
        """Read `size` bytes, or all if it is negative, or up to the end of the line.

        If it is given up, nothing was read.
        """
        start, remaining = self.position, max(0, self._length - self.position)
        wanted = remaining if size < 0 else min(size, remaining)
        pieces: list[memoryview] = []
        try:
            while wanted:
                ahead = count_of_chunks(self.position % self._chunk_size + wanted, self._chunk_size)
                yield from self._have_chunk(1 if is_line else ahead)
                piece, is_line_end = self._take(wanted, is_line=is_line)
                pieces.append(piece)
                wanted = 0 if is_line_end else wanted - len(piece)
            if remaining:
                yield from self.end_steps()
        except BaseException:
            self.position = start
            raise
        return b"".join(pieces)

    def lines_steps(self, size: int) -> ReadSteps[list[bytes]]:
        """Read lines, all of them or until they have more than `size` bytes together."""
        lines: list[bytes] = []
        total = 0
        while not self.is_at_end and not 0 < size < total:
            line = yield from self.steps(-1, is_line=True)
            lines.append(line)
            total += len(line)
        return lines

    def _take(self, size: int, *, is_line: bool) -> tuple[memoryview, bool]:
        """Take bytes of the chunk that is here; also tell whether a line ends with them."""
        start = self.position % self._chunk_size
        end = min(start + size, len(self._data))
        newline = self._data.find(NEWLINE, start, end) if is_line else -1
        if newline >= 0:
            end = newline + 1
        self.position += end - start
        return memoryview(self._data)[start:end], newline >= 0

    def _have_chunk(self, ahead: int) -> ReadSteps[None]:
        n = self.position // self._chunk_size
        if n == self._n:
            return
        # With the last also whatever is behind it, so that this costs no round trip of its own.
        chunk = yield n, ahead + 1 if n + ahead >= self._count else ahead
        self._data = self._checked(chunk, n)
        self._n = n
        self._has_read = True

    def _checked(self, chunk: Chunk | None, n: int) -> bytes:
        """Return a chunk's data (GridFS, "File Download": its number and size are checked)."""
        if chunk is None:
            raise CorruptGridFile(f"no chunk #{n}")
        if chunk["n"] != n:
            raise CorruptGridFile(
                f"Missing chunk: expected chunk #{n} but found chunk with n={chunk['n']}"
            )
        data = chunk.get("data")
        if not isinstance(data, bytes):
            raise CorruptGridFile(f"chunk #{n} has no data")
        expected = size_of_chunk(n, self._length, self._chunk_size)
        if len(data) != expected:
            raise CorruptGridFile(
                f"truncated chunk #{n}: expected chunk length to be {expected} but "
                f"found chunk with length {len(data)}"
            )
        return data

    def _check_end(self) -> ReadSteps[None]:
        """Look for chunks behind the last, once; empty ones do not count."""
        if not self._has_read:
            return
        self._has_read = False
        extra = yield self._count, 1
        if extra is not None and extra.get("data"):
            raise CorruptGridFile(
                f"Extra chunk found: expected {self._count} chunks but found "
                f"chunk with n={extra['n']}"
            )
