"""GridIn: a file that is being written."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NoReturn

from greenmongo._api.collection import Collection
from greenmongo._api.gridfs.fields import grid_in_field
from greenmongo._api.gridfs.roots import Indexes, check_acknowledged, refuse_transaction, root_of
from greenmongo._api.gridfs.sources import pieces_of
from greenmongo._api.gridfs.upload import Upload, add_context, new_file
from greenmongo._api.session_blocks import is_leaving
from greenmongo._core.gridfs.layout import DEFAULT_CHUNK_SIZE

if TYPE_CHECKING:
    import datetime
    from types import TracebackType

    from typing_extensions import Self

    from greenmongo._core.sessions.client_session import SessionLike

__all__ = ["GridIn"]


class GridIn:
    """A file that is being written. It is there when this is closed, and not before.

    Leave its `with` block, or call `close`. After an error, or when it is dropped unclosed, what
    has been stored of it is removed. Other attributes are fields of the file's document.
    """

    _upload: Upload

    def __init__(
        self,
        root_collection: Collection[Any],
        session: SessionLike | None = None,
        **kwargs: Any,
    ) -> None:
        """Begin a file. Nothing is sent before there is enough to fill a message.

        Args:
            root_collection: the collection `fs`, of a bucket of this name.
            session: the session to run in.
            **kwargs: fields of the file's document: `_id`, `filename`, `contentType` or
                `content_type`, `chunkSize` or `chunk_size`, `encoding` for the text that is
                written, and any other.

        Raises:
            TypeError: `root_collection` is no collection.
            ConfigurationError: its write concern is not acknowledged.
            InvalidOperation: the session is in a transaction.
        """
        if not isinstance(root_collection, Collection):
            raise TypeError(
                f"root_collection must be an instance of Collection, not {type(root_collection)}"
            )
        check_acknowledged(root_collection.write_concern, "root_collection")
        refuse_transaction(session)
        file, is_id_given = new_file(kwargs, DEFAULT_CHUNK_SIZE)
        root = root_of(root_collection)
        upload = Upload(root, file, session, is_id_given=is_id_given)
        object.__setattr__(self, "_upload", upload)

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
        "md5",
        "A checksum that older drivers stored. Deprecated.",
        closed_only=True,
        deprecated=True,
    )

    @property
    def closed(self) -> bool:
        """Whether this file can no more be written to."""
        return self._upload.is_closed

    def __getattr__(self, name: str) -> Any:
        if name != "_upload" and name in self._upload.file:
            return self._upload.file[name]
        raise AttributeError(f"GridIn object has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if hasattr(type(self), name):
            object.__setattr__(self, name, value)
        else:
            self.set(name, value)

    def set(self, name: str, value: Any) -> None:
        """Set a field of the file's document; on the server, if this is closed."""
        self._upload.file[name] = value
        if self._upload.is_closed:
            self._set_late(name, value)

    def _set_late(self, name: str, value: Any) -> None:
        self._upload.set_late(name, value)

    def write(self, data: Any) -> None:
        """Write bytes, text if there is an `encoding`, or what a file object or iterable gives.

        A source is read here, in the thread or greenlet that calls. If that fails, what has been
        stored of the file is removed.

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
            for piece in pieces:
                rest: bytes | memoryview | None = piece
                while rest is not None and (rest := upload.add(rest)) is not None:
                    upload.send()
        except BaseException as error:
            _end_upload(upload, error)
            raise

    def writelines(self, sequence: Iterable[Any]) -> None:
        """Write one thing after another, with nothing between them."""
        for line in sequence:
            self.write(line)

    def close(self) -> None:
        """Store the file. Idempotent.

        Raises:
            FileExists: there is a file with this `_id`.
        """
        upload = self._upload
        if upload.is_closed:
            return
        try:
            upload.finish()
        except BaseException as error:
            _end_upload(upload, error)
            raise

    def abort(self) -> None:
        """Remove what has been stored of this file, and close it."""
        self._upload.abort()

    def writeable(self) -> bool:
        """Return True."""
        return True

    def readable(self) -> bool:
        """Return False."""
        return False

    def seekable(self) -> bool:
        """Return False."""
        return False

    def read(self, size: int = -1) -> NoReturn:
        """Refuse: this is for writing."""
        raise io.UnsupportedOperation("read")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc is None:
            self.close()
        else:
            _end_upload(self._upload, exc)


def _end_upload(upload: Upload, error: BaseException) -> None:
    """Remove what is stored of a file after an error, which the caller goes on to raise."""
    if is_leaving(error):
        upload.leave()
    elif not upload.is_closed:
        try:
            upload.abort()
        except Exception as abort_error:
            add_context(error, abort_error)
        except BaseException:
            upload.leave()
            raise


def begin(
    root: Collection[Any],
    indexes: Indexes,
    /,
    session: SessionLike | None = None,
    **options: Any,
) -> GridIn:
    """Return a new file of a bucket, which sees to its indexes but once."""
    grid_in = GridIn(root, session, **options)
    grid_in._upload.indexes = indexes
    return grid_in
