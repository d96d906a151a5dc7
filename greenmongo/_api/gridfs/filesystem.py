"""GridFS: the older class for files in a database; the specification has `GridFSBucket`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pymongo.errors import ConfigurationError

from greenmongo._api.database import Database
from greenmongo._api.gridfs.cursor import GridOutCursor
from greenmongo._api.gridfs.grid_in import begin
from greenmongo._api.gridfs.grid_out import GridOut
from greenmongo._api.gridfs.roots import (
    Indexes,
    chunks_in,
    files_in,
    refuse_transaction,
    root_of,
)
from greenmongo._api.gridfs.streaming import find_revision
from greenmongo._core.gridfs.layout import by_id, chunks_of

if TYPE_CHECKING:
    from greenmongo._api.gridfs.grid_in import GridIn
    from greenmongo._core.sessions.client_session import SessionLike

__all__ = ["GridFS"]


class GridFS:
    """Files in a database. Their documents may have any fields, and be found by them."""

    def __init__(self, database: Database[Any], collection: str = "fs") -> None:
        """Name a bucket. Nothing is sent.

        Args:
            database: the database.
            collection: what the collections `fs.files` and `fs.chunks` are named after.

        Raises:
            TypeError: `database` is no database.
            ConfigurationError: its write concern is not acknowledged.
        """
        if not isinstance(database, Database):
            raise TypeError(f"database must be an instance of Database, not {type(database)}")
        if not database.write_concern.acknowledged:
            raise ConfigurationError("database must use acknowledged write_concern")
        self._root = root_of(database)[collection]
        self._files, self._chunks = files_in(self._root), chunks_in(self._root)
        self._indexes = Indexes()

    def new_file(self, /, **kwargs: Any) -> GridIn:
        """Return a new file to be written, which is there when it is closed.

        Args:
            **kwargs: the arguments of `GridIn`.
        """
        return begin(self._root, self._indexes, **kwargs)

    def put(self, data: Any, **kwargs: Any) -> Any:
        """Store a new file and return its `_id`.

        Args:
            data: what `GridIn.write` takes.
            **kwargs: the arguments of `GridIn`.

        Raises:
            FileExists: there is a file with this `_id`.
        """
        with self.new_file(**kwargs) as grid_in:
            grid_in.write(data)
        return grid_in._id

    def get(self, file_id: Any, session: SessionLike | None = None) -> GridOut:
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

    def get_version(
        self,
        /,
        filename: str | None = None,
        version: int | None = -1,
        session: SessionLike | None = None,
        **kwargs: Any,
    ) -> GridOut:
        """Return a stored file to be read, by its name or other fields.

        Args:
            filename: its name.
            version: 0 for what was stored first, 1 for what came next, -1 for the last.
            session: the session to run in.
            **kwargs: fields of its document.

        Raises:
            NoFile: there is none.
        """
        query = dict(kwargs)
        if filename is not None:
            query["filename"] = filename
        return find_revision(
            self._root, query, filename, -1 if version is None else version, session
        )

    def get_last_version(
        self, /, filename: str | None = None, session: SessionLike | None = None, **kwargs: Any
    ) -> GridOut:
        """Return the last stored file of a name, or with other fields, to be read.

        Args:
            filename: its name.
            session: the session to run in.
            **kwargs: fields of its document.

        Raises:
            NoFile: there is none.
        """
        return self.get_version(filename, session=session, **kwargs)

    def delete(self, file_id: Any, session: SessionLike | None = None) -> None:
        """Delete a file, if there is one.

        Args:
            file_id: its `_id`.
            session: the session to run in.
        """
        refuse_transaction(session)
        self._files.delete_one(by_id(file_id), session=session)
        self._chunks.delete_many(chunks_of(file_id), session=session)

    def list(self, session: SessionLike | None = None) -> list[str]:
        """Return the names of all files, each once.

        Args:
            session: the session to run in.
        """
        refuse_transaction(session)
        names = self._files.distinct("filename", session=session)
        return [name for name in names if name is not None]

    def find_one(
        self,
        filter: Any | None = None,
        session: SessionLike | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> GridOut | None:
        """Return the first file that matches, or None.

        Args:
            filter: a query on the files' documents; anything else is taken for the value of `_id`.
            session: the session to run in.
            *args: the other arguments of `find`.
            **kwargs: the same by name.
        """
        if filter is not None and not isinstance(filter, Mapping):
            filter = by_id(filter)
        refuse_transaction(session)
        with self.find(filter, *args, session=session, **kwargs) as found:
            return next(found, None)

    def find(self, *args: Any, **kwargs: Any) -> GridOutCursor:
        """Return a cursor over the files whose documents match a query.

        Args:
            *args: `filter`, `skip`, `limit`, `no_cursor_timeout`, `sort`, `batch_size`, `session`.
            **kwargs: the same by name.
        """
        return GridOutCursor(self._root, *args, **kwargs)

    def exists(
        self,
        /,
        document_or_id: Any | None = None,
        session: SessionLike | None = None,
        **kwargs: Any,
    ) -> bool:
        """Tell whether there is a file that matches.

        Args:
            document_or_id: a query on the files' documents, or the `_id` of a file.
            session: the session to run in.
            **kwargs: a query, in place of the other.
        """
        refuse_transaction(session)
        query = kwargs or document_or_id
        if query is not None and not isinstance(query, Mapping):
            query = by_id(query)
        return self._files.find_one(query, ["_id"], session=session) is not None
