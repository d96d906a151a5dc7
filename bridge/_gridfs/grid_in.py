"""AsyncGridIn: the async face of a file that is being written."""

from __future__ import annotations

from collections.abc import Iterable
from time import perf_counter
from typing import TYPE_CHECKING, Any

from anyio.lowlevel import checkpoint
from pymongo.errors import InvalidOperation

from bridge._collection import AsyncCollection
from bridge._delegate import Facade, awaits, wraps_result
from bridge._gridfs.sources import pieces_of
from greenmongo import GridIn
from greenmongo.lowlevel import Upload, add_context, grid_in_field, is_leaving, upload_of

if TYPE_CHECKING:
    import datetime
    from types import TracebackType

    from typing_extensions import Self

    from greenmongo.lowlevel import SessionLike

__all__ = ["AsyncGridIn"]

OWN = {"_dispatcher", "_parent", "_sync", "_upload"}

TURN = 0.002
"""Seconds that a task cuts chunks before others of its loop have their turn."""


def _itself(face: object, result: Any) -> Any:
    return result


class AsyncGridIn(Facade[GridIn]):
    """A file that is being written. It is there when this is closed, and not before.

    Leave its `async with` block, or await `close`. After an error, when its task is cancelled, or
    when it is dropped unclosed, what has been stored of it is removed. Other attributes are fields
    of the file's document.
    """

    _upload: Upload

    if TYPE_CHECKING:

        @classmethod
        def _wrap(cls, parent: Facade[Any], sync: GridIn) -> AsyncGridIn: ...

    else:

        @classmethod
        def _wrap(cls, parent, sync):
            face = super()._wrap(parent, sync)
            face._upload = upload_of(sync)
            return face

    def __init__(
        self,
        root_collection: AsyncCollection[Any],
        session: SessionLike | None = None,
        **kwargs: Any,
    ) -> None:
        """Begin a file; the arguments are those of `GridIn`.

        Raises:
            TypeError: `root_collection` is no async collection.
        """
        if not isinstance(root_collection, AsyncCollection):
            raise TypeError(
                "root_collection must be an instance of AsyncCollection, "
                f"not {type(root_collection)}"
            )
        self._dispatcher, self._parent = root_collection._dispatcher, root_collection
        self._sync = GridIn(root_collection._sync, session, **kwargs)
        self._upload = upload_of(self._sync)

    _id: Any = grid_in_field("_id", "The `_id` of this file.", read_only=True)
    filename: str | None = grid_in_field("filename", "The name of this file.")
    name: str | None = grid_in_field("filename", "The name of this file.")
    content_type: str | None = grid_in_field(
        "contentType", "The MIME type of this file. Deprecated.", deprecated=True
    )
    length: int = grid_in_field("length", "The bytes of this file, once closed.", closed_only=True)
    chunk_size: int = grid_in_field("chunkSize", "The size of its chunks.", read_only=True)
    upload_date: datetime.datetime = grid_in_field(
        "uploadDate", "When this file was closed.", closed_only=True
    )
    md5: str | None = grid_in_field(
        "md5", "An old checksum of it. Deprecated.", closed_only=True, deprecated=True
    )

    @property
    def closed(self) -> bool:
        """Whether this file can no more be written to."""
        return self._upload.is_closed

    def __getattr__(self, name: str) -> Any:
        if name not in OWN and name in self._upload.file:
            return self._upload.file[name]
        raise AttributeError(f"GridIn object has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name in OWN or hasattr(type(self), name):
            object.__setattr__(self, name, value)
        elif self._upload.is_closed:
            raise AttributeError(
                "AsyncGridIn does not support __setattr__ after being closed(). "
                "Set the attribute before closing the file or use AsyncGridIn.set() instead"
            )
        else:
            self._upload.file[name] = value

    def _set_late(self, name: str, value: Any) -> None:
        raise InvalidOperation(
            "AsyncGridIn does not support __setattr__ after being closed(). "
            "Set the attribute before closing the file or use AsyncGridIn.set() instead"
        )

    set = awaits(GridIn.set)

    async def write(self, data: Any) -> None:
        """Write bytes, text if there is an `encoding`, or what a source gives.

        Sources are file objects, async ones, and iterables of both kinds. What is awaited is
        awaited here; a file object that blocks is read in a worker thread. If that fails, what
        has been stored of the file is removed.

        Args:
            data: what to write.

        Raises:
            ValueError: this is closed.
            TypeError: `data` cannot be written.
            FileExists: there is a file with this `_id`.
        """
        upload = self._upload
        if upload.is_closed:
            raise ValueError("cannot write to a closed file")
        pieces = pieces_of(data, upload.file.get("encoding"), upload.wants)
        try:
            turn_ends = perf_counter() + TURN
            async for piece in pieces:
                rest: bytes | memoryview | None = piece
                while rest is not None and (rest := upload.add(rest)) is not None:
                    await self._dispatcher.call(upload.send)
                if perf_counter() >= turn_ends:
                    await checkpoint()
                    turn_ends = perf_counter() + TURN
        except BaseException as error:
            await self._end(error)
            raise
        finally:
            # Trio warns of those that are left to the garbage collector.
            await pieces.aclose()

    async def writelines(self, sequence: Iterable[Any]) -> None:
        """Write one thing after another, with nothing between them."""
        for line in sequence:
            await self.write(line)

    async def close(self) -> None:
        """Store the file. Idempotent.

        Raises:
            FileExists: there is a file with this `_id`.
        """
        if self._upload.is_closed:
            return
        try:
            await self._dispatcher.call(self._upload.finish)
        except BaseException as error:
            await self._end(error)
            raise

    async def abort(self) -> None:
        """Remove what has been stored of this file, and close it."""
        try:
            await self._dispatcher.call(self._upload.abort)
        except BaseException as error:
            if is_leaving(error):
                self._upload.leave()
            raise

    async def _end(self, error: BaseException) -> None:
        """Remove what is stored of the file after an error, which the caller goes on to raise."""
        if is_leaving(error):
            self._upload.leave()
        elif not self._upload.is_closed:
            try:
                await self.abort()
            except Exception as abort_error:
                add_context(error, abort_error)

    writeable = wraps_result(_itself)(GridIn.writeable)
    readable = wraps_result(_itself)(GridIn.readable)
    seekable = wraps_result(_itself)(GridIn.seekable)
    read = wraps_result(_itself)(GridIn.read)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc is None:
            await self.close()
        else:
            await self._end(exc)
