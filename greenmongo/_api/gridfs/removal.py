"""What a bucket does with files that are stored: delete, rename, drop. No user's code runs here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gridfs.errors import NoFile

from greenmongo._api.gridfs.roots import refuse_transaction
from greenmongo._core.gridfs.layout import by_id, chunks_of

if TYPE_CHECKING:
    from greenmongo._api.collection import Collection
    from greenmongo._core.sessions.client_session import SessionLike

__all__ = ["BucketChanges"]


class BucketChanges:
    """A bucket whose files can be deleted and renamed."""

    _files: Collection[Any]
    _chunks: Collection[Any]

    def delete(self, file_id: Any, session: SessionLike | None = None) -> None:
        """Delete a file.

        Args:
            file_id: the `_id` of the file.
            session: the session to run in.

        Raises:
            NoFile: there is none. Its chunks, if there are any, were deleted.
        """
        refuse_transaction(session)
        with self._files._executor.as_one_operation():
            # GridFS, "File Deletion": in this order, and without a look first.
            result = self._files.delete_one(by_id(file_id), session=session)
            self._chunks.delete_many(chunks_of(file_id), session=session)
        if not result.deleted_count:
            raise NoFile(f"no file could be deleted because none matched {file_id}")

    def delete_by_name(self, filename: str, session: SessionLike | None = None) -> None:
        """Delete all revisions of a file.

        Args:
            filename: the name of the file.
            session: the session to run in.

        Raises:
            NoFile: there is none.
        """
        refuse_transaction(session)
        with self._files._executor.as_one_operation():
            found = self._files.find({"filename": filename}, {"_id": 1}, session=session)
            ids = [file["_id"] for file in found]
            result = self._files.delete_many({"_id": {"$in": ids}}, session=session)
            self._chunks.delete_many({"files_id": {"$in": ids}}, session=session)
        if not result.deleted_count:
            raise NoFile(f"no file could be deleted because none matched filename {filename!r}")

    def rename(self, file_id: Any, new_filename: str, session: SessionLike | None = None) -> None:
        """Give a file another name.

        Args:
            file_id: the `_id` of the file.
            new_filename: the new name.
            session: the session to run in.

        Raises:
            NoFile: there is none.
        """
        refuse_transaction(session)
        change = {"$set": {"filename": new_filename}}
        result = self._files.update_one(by_id(file_id), change, session=session)
        if not result.matched_count:
            raise NoFile(
                f"no files could be renamed {new_filename!r} because none matched file_id {file_id}"
            )

    def rename_by_name(
        self, filename: str, new_filename: str, session: SessionLike | None = None
    ) -> None:
        """Give all revisions of a file another name.

        Args:
            filename: the name of the file.
            new_filename: the new name.
            session: the session to run in.

        Raises:
            NoFile: there is none.
        """
        refuse_transaction(session)
        change = {"$set": {"filename": new_filename}}
        result = self._files.update_many({"filename": filename}, change, session=session)
        if not result.matched_count:
            raise NoFile(
                f"no files could be renamed {new_filename!r} "
                f"because none matched filename {filename!r}"
            )

    def drop(self, session: SessionLike | None = None) -> None:
        """Drop the whole bucket: all files, and the indexes. PyMongo's has no such method.

        Args:
            session: the session to run in.
        """
        refuse_transaction(session)
        with self._files._executor.as_one_operation():
            self._files.drop(session)
            self._chunks.drop(session)
        self._forget_indexes()

    def _forget_indexes(self) -> None:
        """Note that the indexes are gone."""
