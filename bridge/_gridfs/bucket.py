"""AsyncGridFSBucket: the async face of a bucket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bridge._database import AsyncDatabase
from bridge._delegate import Facade, awaits, wraps_awaited, wraps_result
from bridge._gridfs.cursor import AsyncGridOutCursor
from bridge._gridfs.grid_in import AsyncGridIn
from bridge._gridfs.grid_out import AsyncGridOut
from bridge._gridfs.sources import writer_of
from greenmongo import GridFSBucket
from greenmongo.gridfs import DEFAULT_CHUNK_SIZE
from greenmongo.lowlevel import one_operation_of

if TYPE_CHECKING:
    from bson.objectid import ObjectId
    from pymongo.write_concern import WriteConcern

    from greenmongo.lowlevel import ReadMode, SessionLike

__all__ = ["AsyncGridFSBucket"]


class AsyncGridFSBucket(Facade[GridFSBucket]):
    """Files in a database, under ids and names. Several may have one name: its revisions.

    Revision 0 of a name is what was stored first, 1 what came next; -1 is the last, -2 the last
    but one.
    """

    def __init__(
        self,
        db: AsyncDatabase[Any],
        bucket_name: str = "fs",
        chunk_size_bytes: int = DEFAULT_CHUNK_SIZE,
        write_concern: WriteConcern | None = None,
        read_preference: ReadMode | None = None,
    ) -> None:
        """Name a bucket; the arguments are those of `GridFSBucket`. Nothing is sent.

        Raises:
            TypeError: `db` is no async database.
            ConfigurationError: the write concern is not acknowledged.
        """
        if not isinstance(db, AsyncDatabase):
            raise TypeError(f"database must be an instance of AsyncDatabase, not {type(db)}")
        self._dispatcher, self._parent = db._dispatcher, db
        self._sync = GridFSBucket(
            db._sync, bucket_name, chunk_size_bytes, write_concern, read_preference
        )

    open_upload_stream = wraps_result(AsyncGridIn._wrap)(GridFSBucket.open_upload_stream)
    open_upload_stream_with_id = wraps_result(AsyncGridIn._wrap)(
        GridFSBucket.open_upload_stream_with_id
    )

    async def upload_from_stream(
        self,
        filename: str,
        source: Any,
        chunk_size_bytes: int | None = None,
        metadata: Mapping[str, Any] | None = None,
        session: SessionLike | None = None,
    ) -> ObjectId:
        """Store a new file and return its `_id`.

        Args:
            filename: its name.
            source: what `AsyncGridIn.write` takes.
            chunk_size_bytes: the size of its chunks; that of the bucket by default.
            metadata: a document to be stored with it.
            session: the session to run in.

        Raises:
            TypeError: `filename` is no string, or `source` cannot be written.
        """
        with one_operation_of(self._sync):
            async with self.open_upload_stream(
                filename, chunk_size_bytes, metadata, session
            ) as grid_in:
                await grid_in.write(source)
        file_id: ObjectId = grid_in._id
        return file_id

    async def upload_from_stream_with_id(
        self,
        file_id: Any,
        filename: str,
        source: Any,
        chunk_size_bytes: int | None = None,
        metadata: Mapping[str, Any] | None = None,
        session: SessionLike | None = None,
    ) -> None:
        """Store a new file with an `_id` of your choice.

        Args:
            file_id: its `_id`.
            filename: its name.
            source: what `AsyncGridIn.write` takes.
            chunk_size_bytes: the size of its chunks; that of the bucket by default.
            metadata: a document to be stored with it.
            session: the session to run in.

        Raises:
            FileExists: there is a file with this `_id`.
            TypeError: `filename` is no string, or `source` cannot be written.
        """
        with one_operation_of(self._sync):
            async with self.open_upload_stream_with_id(
                file_id, filename, chunk_size_bytes, metadata, session
            ) as grid_in:
                await grid_in.write(source)

    open_download_stream = wraps_awaited(AsyncGridOut._wrap)(GridFSBucket.open_download_stream)
    open_download_stream_by_name = wraps_awaited(AsyncGridOut._wrap)(
        GridFSBucket.open_download_stream_by_name
    )

    async def download_to_stream(
        self, file_id: Any, destination: Any, session: SessionLike | None = None
    ) -> None:
        """Write all of a stored file to a file object.

        Args:
            file_id: its `_id`.
            destination: has a `write` method. If that is a coroutine function it is awaited here;
                if not it is called in a worker thread. It is not closed.
            session: the session to run in.

        Raises:
            NoFile: there is none.
            CorruptGridFile: chunks are missing, too many, or of a wrong size.
        """
        with one_operation_of(self._sync):
            async with await self.open_download_stream(file_id, session) as grid_out:
                await grid_out._pour(writer_of(destination))

    async def download_to_stream_by_name(
        self,
        filename: str,
        destination: Any,
        revision: int = -1,
        session: SessionLike | None = None,
    ) -> None:
        """Write all of a stored file to a file object, by its name.

        Args:
            filename: its name.
            destination: has a `write` method. If that is a coroutine function it is awaited here;
                if not it is called in a worker thread. It is not closed.
            revision: which of those of this name; the last by default.
            session: the session to run in.

        Raises:
            NoFile: there is none.
            CorruptGridFile: chunks are missing, too many, or of a wrong size.
        """
        with one_operation_of(self._sync):
            async with await self.open_download_stream_by_name(
                filename, revision, session
            ) as grid_out:
                await grid_out._pour(writer_of(destination))

    find = wraps_result(AsyncGridOutCursor._wrap)(GridFSBucket.find)

    delete = awaits(GridFSBucket.delete)
    delete_by_name = awaits(GridFSBucket.delete_by_name)
    rename = awaits(GridFSBucket.rename)
    rename_by_name = awaits(GridFSBucket.rename_by_name)
    drop = awaits(GridFSBucket.drop)
