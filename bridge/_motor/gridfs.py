"""GridFS with Motor's habits."""

from __future__ import annotations

import asyncio
import os
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bridge._database import AsyncDatabase
from bridge._gridfs.bucket import AsyncGridFSBucket
from bridge._gridfs.cursor import AsyncGridOutCursor
from bridge._gridfs.grid_in import AsyncGridIn
from bridge._gridfs.grid_out import AsyncGridOut
from bridge._motor.habits import EagerTasks, MotorCursor
from greenmongo import GridFSBucket, GridIn, GridOut
from greenmongo.gridfs import DEFAULT_CHUNK_SIZE
from greenmongo.lowlevel import file_of

if TYPE_CHECKING:
    from pymongo.write_concern import WriteConcern
    from typing_extensions import Self

    from greenmongo.lowlevel import ReadMode

__all__ = [
    "AsyncIOMotorGridFSBucket",
    "AsyncIOMotorGridIn",
    "AsyncIOMotorGridOut",
    "AsyncIOMotorGridOutCursor",
]


class AsyncIOMotorGridIn(EagerTasks[GridIn], AsyncGridIn):
    """A file that is being written, of a bucket with Motor's habits."""


class AsyncIOMotorGridOut(EagerTasks[GridOut], AsyncGridOut):
    """A stored file to be read, of a bucket with Motor's habits: it iterates over chunks."""

    if TYPE_CHECKING:
        # With Motor these are no coroutine functions.
        open: Any
        seek: Any
        close: Any

    else:

        def open(self) -> asyncio.Task[Self]:
            """Get the file's document, unless it is here; return a future of this file.

            Raises:
                NoFile: there is none.
            """
            return self._start(self._itself_opened())

        def seek(self, pos: int, whence: int = os.SEEK_SET) -> int:
            """Move the position, and return it. The file must be open.

            Raises:
                OSError: there is no such position.
                InvalidOperation: the file is not open.
            """
            self._stored("position")
            return self._sync.seek(pos, whence)

        def close(self) -> None:
            """Close this file, and its cursor on the server, in the background."""
            self._is_closed = True
            self._download.abandon()

    async def _itself_opened(self) -> Self:
        await self._open()
        return self

    async def __anext__(self) -> bytes:
        if chunk := await self.readchunk():
            return chunk
        raise StopAsyncIteration

    async def stream_to_handler(self, request_handler: Any) -> None:
        """Write the file to a `RequestHandler` of Tornado, and flush after each chunk."""
        while chunk := await self.readchunk():
            request_handler.write(chunk)
            request_handler.flush()


class AsyncIOMotorGridOutCursor(MotorCursor, AsyncGridOutCursor):
    """The files that a query finds, each as an `AsyncIOMotorGridOut`; in lists as documents."""

    def next_object(self) -> Any:
        """Return a file that has been fetched, None if all were taken. Deprecated."""
        document: Mapping[str, Any] | None = super().next_object()
        if document is None:
            return None
        return AsyncGridOut._wrap(self, file_of(self._sync, document))


class AsyncIOMotorGridFSBucket(EagerTasks[GridFSBucket], AsyncGridFSBucket):
    """Files in a database, with Motor's habits."""

    def __init__(
        self,
        database: AsyncDatabase[Any],
        bucket_name: str = "fs",
        chunk_size_bytes: int = DEFAULT_CHUNK_SIZE,
        write_concern: WriteConcern | None = None,
        read_preference: ReadMode | None = None,
        collection: str | None = None,
    ) -> None:
        """Name a bucket; the arguments are those of `GridFSBucket`. Nothing is sent.

        Args:
            database: a database with Motor's habits.
            bucket_name: as there.
            chunk_size_bytes: as there.
            write_concern: as there.
            read_preference: as there.
            collection: an older name of `bucket_name`. Deprecated.

        Raises:
            TypeError: `database` is none.
            ConfigurationError: the write concern is not acknowledged.
        """
        if collection is not None:
            warnings.warn(
                'the "collection" parameter is deprecated, use "bucket_name" instead',
                DeprecationWarning,
                stacklevel=2,
            )
            bucket_name = collection
        if not isinstance(database, EagerTasks):
            raise TypeError(
                f"First argument to {type(self)} must be  MotorDatabase, not {database!r}"
            )
        super().__init__(database, bucket_name, chunk_size_bytes, write_concern, read_preference)
