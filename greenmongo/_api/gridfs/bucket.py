"""GridFSBucket: files that are stored under ids and names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pymongo.errors import ConfigurationError

from greenmongo._api.database import Database
from greenmongo._api.gridfs.cursor import GridOutCursor
from greenmongo._api.gridfs.grid_in import begin
from greenmongo._api.gridfs.grid_out import GridOut
from greenmongo._api.gridfs.removal import BucketChanges
from greenmongo._api.gridfs.roots import Indexes, chunks_in, files_in, root_of
from greenmongo._api.gridfs.streaming import all_of, find_revision
from greenmongo._core.commands.arguments import require_string
from greenmongo._core.gridfs.layout import DEFAULT_CHUNK_SIZE

if TYPE_CHECKING:
    from bson.objectid import ObjectId
    from pymongo.write_concern import WriteConcern

    from greenmongo._api.gridfs.grid_in import GridIn
    from greenmongo._core.sessions.client_session import SessionLike
    from greenmongo._core.types import ReadMode

__all__ = ["GridFSBucket"]


class GridFSBucket(BucketChanges):
    """Files in a database, under ids and names. Several may have one name: its revisions.

    Revision 0 of a name is what was stored first, 1 what came next; -1 is the last, -2 the last
    but one.
    """

    def __init__(
        self,
        db: Database[Any],
        bucket_name: str = "fs",
        chunk_size_bytes: int = DEFAULT_CHUNK_SIZE,
        write_concern: WriteConcern | None = None,
        read_preference: ReadMode | None = None,
    ) -> None:
        """Name a bucket. Nothing is sent.

        Args:
            db: the database.
            bucket_name: what the collections `fs.files` and `fs.chunks` are named after.
            chunk_size_bytes: the size of the chunks that files are stored in.
            write_concern: when a write counts as done; that of the database by default.
            read_preference: which servers may answer reads; that of the database by default.

        Raises:
            TypeError: `db` is no database.
            ConfigurationError: the write concern is not acknowledged.
        """
        if not isinstance(db, Database):
            raise TypeError(f"database must be an instance of Database, not {type(db)}")
        concern = db.write_concern if write_concern is None else write_concern
        if not concern.acknowledged:
            raise ConfigurationError("write concern must be acknowledged")
        self._root = root_of(db)[bucket_name].with_options(
            write_concern=write_concern, read_preference=read_preference
        )
        self._files, self._chunks = files_in(self._root), chunks_in(self._root)
        self._chunk_size = chunk_size_bytes
        self._indexes = Indexes()

    # Writing

    def open_upload_stream(
        self,
        filename: str,
        chunk_size_bytes: int | None = None,
        metadata: Mapping[str, Any] | None = None,
        session: SessionLike | None = None,
    ) -> GridIn:
        """Return a new file to be written, which is there when it is closed.

        Args:
            filename: its name.
            chunk_size_bytes: the size of its chunks; that of the bucket by default.
            metadata: a document to be stored with it.
            session: the session to run in.

        Raises:
            TypeError: `filename` is no string.
        """
        options = self._options(filename, chunk_size_bytes, metadata)
        return begin(self._root, self._indexes, session, **options)

    def open_upload_stream_with_id(
        self,
        file_id: Any,
        filename: str,
        chunk_size_bytes: int | None = None,
        metadata: Mapping[str, Any] | None = None,
        session: SessionLike | None = None,
    ) -> GridIn:
        """Return a new file to be written, with an `_id` of your choice.

        Args:
            file_id: its `_id`.
            filename: its name.
            chunk_size_bytes: the size of its chunks; that of the bucket by default.
            metadata: a document to be stored with it.
            session: the session to run in.

        Raises:
            TypeError: `filename` is no string.
        """
        options = self._options(filename, chunk_size_bytes, metadata)
        return begin(self._root, self._indexes, session, _id=file_id, **options)

    def _options(
        self, filename: str, chunk_size: int | None, metadata: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        require_string("filename", filename)
        size = self._chunk_size if chunk_size is None else chunk_size
        options: dict[str, Any] = {"filename": filename, "chunkSize": size}
        if metadata is not None:
            options["metadata"] = metadata
        return options

    def upload_from_stream(
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
            source: bytes, a file object, or an iterable of bytes; it is read here, in the thread
                or greenlet that calls.
            chunk_size_bytes: the size of its chunks; that of the bucket by default.
            metadata: a document to be stored with it.
            session: the session to run in.

        Raises:
            TypeError: `filename` is no string, or `source` cannot be written.
        """
        with (
            self._files._executor.as_one_operation(),
            self.open_upload_stream(filename, chunk_size_bytes, metadata, session) as grid_in,
        ):
            grid_in.write(source)
        file_id: ObjectId = grid_in._id
        return file_id

    def upload_from_stream_with_id(
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
            source: bytes, a file object, or an iterable of bytes; it is read here, in the thread
                or greenlet that calls.
            chunk_size_bytes: the size of its chunks; that of the bucket by default.
            metadata: a document to be stored with it.
            session: the session to run in.

        Raises:
            FileExists: there is a file with this `_id`.
            TypeError: `filename` is no string, or `source` cannot be written.
        """
        with (
            self._files._executor.as_one_operation(),
            self.open_upload_stream_with_id(
                file_id, filename, chunk_size_bytes, metadata, session
            ) as grid_in,
        ):
            grid_in.write(source)

    # Reading

    def open_download_stream(self, file_id: Any, session: SessionLike | None = None) -> GridOut:
        """Return a stored file to be read.

        Args:
            file_id: its `_id`.
            session: the session to run in.

        Raises:
            NoFile: there is none.
        """
        grid_out = GridOut(self._root, file_id, session=session)
        grid_out.open()
        return grid_out

    def open_download_stream_by_name(
        self, filename: str, revision: int = -1, session: SessionLike | None = None
    ) -> GridOut:
        """Return a stored file to be read, by its name.

        Args:
            filename: its name.
            revision: which of those of this name; the last by default.
            session: the session to run in.

        Raises:
            NoFile: there is none.
            TypeError: `filename` is no string.
        """
        require_string("filename", filename)
        return find_revision(self._root, {"filename": filename}, filename, revision, session)

    def download_to_stream(
        self, file_id: Any, destination: Any, session: SessionLike | None = None
    ) -> None:
        """Write all of a stored file to a file object.

        Args:
            file_id: its `_id`.
            destination: has a `write` method, which is called here, in the thread or greenlet that
                calls. It is not closed.
            session: the session to run in.

        Raises:
            NoFile: there is none.
            CorruptGridFile: chunks are missing, too many, or of a wrong size.
        """
        with (
            self._files._executor.as_one_operation(),
            self.open_download_stream(file_id, session) as grid_out,
        ):
            _pour(grid_out, destination)

    def download_to_stream_by_name(
        self,
        filename: str,
        destination: Any,
        revision: int = -1,
        session: SessionLike | None = None,
    ) -> None:
        """Write all of a stored file to a file object, by its name.

        Args:
            filename: its name.
            destination: has a `write` method, which is called here, in the thread or greenlet that
                calls. It is not closed.
            revision: which of those of this name; the last by default.
            session: the session to run in.

        Raises:
            NoFile: there is none.
            CorruptGridFile: chunks are missing, too many, or of a wrong size.
        """
        with (
            self._files._executor.as_one_operation(),
            self.open_download_stream_by_name(filename, revision, session) as grid_out,
        ):
            _pour(grid_out, destination)

    def find(self, *args: Any, **kwargs: Any) -> GridOutCursor:
        """Return a cursor over the files whose documents match a query.

        Args:
            *args: `filter`, `skip`, `limit`, `no_cursor_timeout`, `sort`, `batch_size`, `session`.
            **kwargs: the same by name.
        """
        return GridOutCursor(self._root, *args, **kwargs)

    def _forget_indexes(self) -> None:
        self._indexes = Indexes()


def _pour(grid_out: GridOut, destination: Any) -> None:
    for data in all_of(grid_out._download):
        destination.write(data)
