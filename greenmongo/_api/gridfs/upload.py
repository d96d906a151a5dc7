"""A file under way to the server: its chunks as they fill up, its document at the end.

Whoever writes it cuts it into chunks in his own place, with `add`; `send`, `finish` and `abort`
block, and run on any side. Nothing of the user's runs in them but what encodes his document, which
has places of its own.
"""

from __future__ import annotations

import datetime
import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from bson.int64 import Int64
from bson.objectid import ObjectId
from gridfs.errors import FileExists
from pymongo.errors import DuplicateKeyError
from pymongo.read_preferences import ReadPreference

from greenmongo._api.gridfs.roots import Indexes, chunks_in, files_in, refuse_transaction
from greenmongo._core.bulk.batches import DEFAULT_LIMITS, check_sizes
from greenmongo._core.commands.write import insert
from greenmongo._core.gridfs.cutter import Cutter
from greenmongo._core.gridfs.layout import by_id, chunks_of
from greenmongo._net.bound_session import BOUND_SESSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenmongo._api.client_session import ClientSession
    from greenmongo._api.collection import Collection
    from greenmongo._core.sessions.client_session import SessionLike

__all__ = ["Upload", "add_context", "new_file"]


class Upload:
    """One file that is being written.

    Args:
        root: the collection that the two of the bucket are named after.
        file: the file's document.
        session: the session to run in.
        is_id_given: whether the `_id` is the user's choice, and may be that of another file.
        indexes: sees to them before the first write.
    """

    def __init__(
        self,
        root: Collection[Any],
        file: dict[str, Any],
        session: SessionLike | None,
        *,
        is_id_given: bool,
        indexes: Indexes | None = None,
    ) -> None:
        root = root.with_options(read_preference=ReadPreference.PRIMARY)
        self.files = files_in(root)
        self._chunks = chunks_in(root)
        self.file = file
        self.is_closed = False
        self.indexes = indexes or Indexes()
        self._is_id_given = is_id_given
        self._cutter = Cutter(file["_id"], file["chunkSize"], root.codec_options)
        self._session = session or BOUND_SESSION.get()
        self._own_session: ClientSession | None = None
        self._has_sent = False
        self._unsure: list[ObjectId] = []
        """The `_id`s of chunks that may have been stored, or not."""
        self._first: ObjectId | None = None
        """The `_id` of the first chunk: all of this file's are higher."""
        self._has_document = False
        """Whether the file's document may have been stored."""
        self._md5: Any = None
        self._is_settled = False
        """Whether what was stored stays, or is gone: nothing is left to be done about it."""
        self._is_removed = False

    def __del__(self) -> None:
        # The constructor may have failed.
        if "_is_removed" in self.__dict__:
            self.leave()

    @property
    def _in_session(self) -> SessionLike:
        # One is always used: who leaves an operation finds it by its session.
        if self._session is not None:
            return self._session
        if self._own_session is None:
            client = self.files.database.client
            self._own_session = client.start_session(causal_consistency=False)
        return cast("SessionLike", self._own_session)

    # ---- in the place of whoever writes ------------------------------------------------------

    def wants(self) -> int:
        """Return how many bytes to read from a source."""
        return self._cutter.wants()

    def add(self, data: bytes | memoryview) -> memoryview | None:
        """Write bytes; return what is left of them when it is time to `send`."""
        rest = self._cutter.add(data)
        if self._md5 is not None:
            self._md5.update(data if rest is None else memoryview(data)[: -len(rest) or None])
        return rest

    def sum_up(self) -> None:
        """Store an MD5 sum with the file; not where those are forbidden (FIPS)."""
        with suppress(ValueError):
            self._md5 = hashlib.md5(usedforsecurity=False)

    # ---- on any side -------------------------------------------------------------------------

    def send(self) -> None:
        """Store the chunks that are complete.

        Raises:
            FileExists: there is a file with this `_id`.
        """
        self._run(self._send)

    def finish(self) -> None:
        """Store the rest of the chunks and the file's document.

        Raises:
            FileExists: there is a file with this `_id`.
        """
        self._run(self._finish)
        self._settle()

    def abort(self) -> None:
        """Remove what has been stored of the file. Idempotent."""
        if self._is_removed:
            return
        self.is_closed, self._is_settled = True, False
        remove = self._removal()
        try:
            remove(self._session)
            self._is_removed = True
        except Exception:
            self._settle()
            raise
        self._settle()

    def set_late(self, name: str, value: Any) -> None:
        """Change a field of the document that has been stored."""
        self.files.update_one(by_id(self.file["_id"]), {"$set": {name: value}})

    def leave(self) -> None:
        """Have what was stored removed in the background. Neither blocks nor raises.

        What was left under way comes to its end before.
        """
        if self._is_settled:
            return
        self.is_closed = self._is_settled = self._is_removed = True
        session = self._session or self._own_session
        if session is not None and (self._has_sent or self._unsure or self._has_document):
            remove, name = self._removal(), self.files.full_name
            failure = f"could not remove a file that was left from {name}: {self.file['_id']!r}"
            executor = self.files.database.client._executor
            executor.do_afterwards(session._state, lambda: remove(None), failure)
        if self._own_session is not None:
            self._own_session._leave()

    def _run(self, step: Callable[[], None]) -> None:
        try:
            step()
        except DuplicateKeyError as error:
            self._settle()
            raise FileExists(f"file with _id {self.file['_id']!r} already exists") from error
        except Exception:
            # GridFS, "Operation Failure": orphaned chunks are left as they are.
            self._settle()
            raise

    def _settle(self) -> None:
        self.is_closed = self._is_settled = True
        if self._own_session is not None:
            self._own_session.end_session()

    def _send(self) -> None:
        session = self._in_session
        refuse_transaction(session)
        self.indexes.ensure(self.files, self._chunks, session)
        ids, documents = self._cutter.ids, self._cutter.take()
        if not documents:
            return
        chunks = self._chunks
        if max(map(len, documents)) > DEFAULT_LIMITS.max_bson_size:
            check_sizes(documents, chunks._executor.limits(), acknowledged=True)
        self._unsure, self._first = ids, self._first or ids[0]
        chunks._write(insert(chunks._namespace, documents, chunks.write_concern), session)
        self._unsure, self._has_sent = [], True

    def _finish(self) -> None:
        file = self.file
        # GridFS, "length": SHOULD be an Int64.
        file["length"] = Int64(self._cutter.finish())
        self._send()
        if self._md5 is not None:
            file["md5"] = self._md5.hexdigest()
        file["uploadDate"] = datetime.datetime.now(tz=datetime.timezone.utc)
        self._has_document = True
        try:
            self.files.insert_one(file, session=self._in_session)
        except DuplicateKeyError:
            self._has_document = False
            raise

    def _removal(self) -> Callable[[SessionLike | None], None]:
        """Return what removes all that may have been stored, and nothing of another file's."""
        files, chunks, file = self.files, self._chunks, self.file
        of_file = {**by_id(file["_id"]), "uploadDate": file.get("uploadDate")}
        of_chunks = chunks_of(file["_id"])
        if self._is_id_given:
            # Another file may have this id: nobody has said yet that it has not, and without the
            # unique index nobody ever does.
            of_chunks["_id"] = {"$gte": self._first} if self._has_sent else {"$in": self._unsure}
        has_document, has_chunks = self._has_document, self._has_sent or bool(self._unsure)

        def remove(session: SessionLike | None) -> None:
            # In this order, as when a file is deleted.
            if has_document:
                files.delete_one(of_file, session=session)
            if has_chunks:
                chunks.delete_many(of_chunks, session=session)

        return remove


def new_file(options: dict[str, Any], default_chunk_size: int) -> tuple[dict[str, Any], bool]:
    """Make a file's document of the options of `GridIn`; also tell whether the id was given."""
    if "content_type" in options:
        options["contentType"] = options.pop("content_type")
    if "chunk_size" in options:
        options["chunkSize"] = options.pop("chunk_size")
    is_id_given = "_id" in options
    if not is_id_given:
        options["_id"] = ObjectId()
    options.setdefault("chunkSize", default_chunk_size)
    return options, is_id_given


def add_context(error: BaseException, abort_error: BaseException) -> None:
    """Keep with the error that ended an upload that it could not be aborted either.

    GridFS, "Aborting an upload": the original error should be raised.
    """
    abort_error.__context__ = error.__context__
    error.__context__ = abort_error
