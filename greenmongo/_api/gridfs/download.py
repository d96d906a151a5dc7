"""A file that is being read: its document, and a cursor over the chunks from some number on.

Whoever reads drives the steps of `FileReader` in his own place, and takes what is here with `take`;
`open`, `fetch` and `close` block, and run on any side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from gridfs.errors import NoFile
from pymongo.errors import CursorNotFound

from greenmongo._api.gridfs.roots import chunks_in, files_in, refuse_transaction
from greenmongo._core.gridfs.layout import by_id, chunks_from
from greenmongo._core.gridfs.reader import FileReader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from greenmongo._api.collection import Collection
    from greenmongo._api.cursor import Cursor
    from greenmongo._core.gridfs.reader import Chunk, ReadSteps
    from greenmongo._core.sessions.client_session import SessionLike

__all__ = ["Download"]

T = TypeVar("T")

WINDOW = 8 * 1024 * 1024
"""Bytes that are fetched at once, at most."""


class Download:
    """One file that is being read.

    Args:
        root: the collection that the two of the bucket are named after.
        file_id: the file's `_id`, if its document is not known.
        file: its document.
        session: the session to run in.
    """

    def __init__(
        self,
        root: Collection[Any],
        file_id: Any,
        file: Mapping[str, Any] | None,
        session: SessionLike | None,
    ) -> None:
        self._files = files_in(root)
        self._chunks = chunks_in(root)
        self._file_id = file_id
        self.file = file
        self._session = session
        self._reader: FileReader | None = None
        self._cursor: Cursor[Any] | None = None
        self._next = 0
        """The number of the chunk that the cursor gives next."""
        self._batch = 0

    @property
    def is_open(self) -> bool:
        """Whether the file's document is here."""
        return bool(self.file)

    @property
    def has_cursor(self) -> bool:
        """Whether there is a cursor, which the server may hold."""
        return self._cursor is not None and self._cursor.alive

    @property
    def reader(self) -> FileReader:
        """The position in the file, which must be open."""
        if self._reader is None:
            file = self.file or {}
            # Drivers of old have stored numbers of other types.
            self._reader = FileReader(int(file.get("length", 0)), int(file.get("chunkSize", 0)))
        return self._reader

    def open(self) -> None:
        """Get the file's document, unless it is here. Any side.

        Raises:
            NoFile: there is none.
        """
        if self.file:
            return
        refuse_transaction(self._session)
        self.file = self._files.find_one(by_id(self._file_id), session=self._session)
        if not self.file:
            raise NoFile(f"no file in gridfs collection {self._files!r} with _id {self._file_id!r}")

    # ---- chunks ------------------------------------------------------------------------------

    def knows(self, n: int) -> bool:
        """Tell whether chunk `n` is here, or known not to be anywhere. Never blocks."""
        cursor = self._cursor
        if cursor is None or n < self._next:
            return False
        buffer = cursor._buffer
        while True:
            while buffer and buffer[0]["n"] < n:
                self._next = buffer.popleft()["n"] + 1
            if buffer:
                return True
            if not cursor._undecoded:
                return n == self._next and not cursor.alive
            self._decode(cursor)

    def _decode(self, cursor: Cursor[Any]) -> None:
        """Decode some of the batch that is here: where it is read, rather than on the hub."""
        assert cursor._undecoded is not None
        try:
            cursor._undecoded.decode_some(cursor._receive)
        except BaseException:
            self.abandon()
            raise

    def take(self) -> Chunk | None:
        """Take the chunk that is here, None if there are no more."""
        cursor = self._cursor
        if cursor is None:
            return None
        if cursor._undecoded and not cursor._buffer:
            self._decode(cursor)
        if not cursor._buffer:
            return None
        chunk: Chunk = cursor._buffer.popleft()
        self._next = chunk["n"] + 1
        return chunk

    def fetch(self, n: int, ahead: int) -> None:
        """Fetch chunks from number `n` on. Any side.

        Args:
            n: the first that is needed.
            ahead: how many are needed.
        """
        refuse_transaction(self._session)
        most = max(1, WINDOW // int((self.file or {}).get("chunkSize", WINDOW)))
        cursor = self._cursor
        if cursor is not None and n == self._next:
            # Who reads on gets more at once each time.
            self._batch = min(most, max(ahead, self._batch * 2))
            cursor._plan.batch_size = self._batch
            try:
                self._refill(cursor)
            except CursorNotFound:
                # Two reads may lie further apart than a cursor lives.
                self._open_cursor(n, self._batch)
        else:
            self._open_cursor(n, min(most, ahead))

    def _open_cursor(self, n: int, batch: int) -> None:
        self.close()
        query = chunks_from((self.file or {})["_id"], n)
        self._batch, self._next = batch, n
        self._cursor = cursor = self._chunks.find(
            query, sort=[("n", 1)], batch_size=batch, session=self._session
        )
        self._refill(cursor)

    def _refill(self, cursor: Cursor[Any]) -> None:
        try:
            cursor._refill()
        except BaseException:
            # Another read begins with another cursor, or may have begun already.
            if self._cursor is cursor:
                self._cursor = None
            cursor._abandon()
            raise

    def run(self, steps: ReadSteps[T]) -> T:
        """Drive steps, and block where a chunk has to be fetched; return their result."""
        try:
            n, ahead = next(steps)
            while True:
                if not self.knows(n):
                    self.fetch(n, ahead)
                n, ahead = steps.send(self.take())
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            steps.close()

    def close(self) -> None:
        """Close the cursor, on the server as well. Any side."""
        cursor, self._cursor = self._cursor, None
        if cursor is not None:
            cursor.close()

    def abandon(self) -> None:
        """Forget the cursor without waiting for the server to know. Neither blocks nor raises."""
        cursor, self._cursor = self._cursor, None
        if cursor is not None:
            cursor._abandon()
