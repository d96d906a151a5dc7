"""GridOut: a file that is being read."""

from __future__ import annotations

import functools
import io
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, NoReturn, ParamSpec, TypeVar

from greenmongo._api.collection import Collection
from greenmongo._api.gridfs.download import Download
from greenmongo._api.gridfs.fields import grid_out_field
from greenmongo._api.gridfs.roots import refuse_transaction, root_of
from greenmongo._api.session_blocks import is_leaving

if TYPE_CHECKING:
    import datetime
    from collections.abc import Mapping
    from types import TracebackType

    from typing_extensions import Self

    from greenmongo._core.gridfs.reader import ReadSteps
    from greenmongo._core.sessions.client_session import SessionLike

__all__ = ["GridOut"]


P = ParamSpec("P")
T = TypeVar("T")
GridOutT = TypeVar("GridOutT", bound="GridOut")


def blocking(
    steps: Callable[Concatenate[GridOutT, P], ReadSteps[T]],
) -> Callable[Concatenate[GridOutT, P], T]:
    """Make a method that blocks of one whose steps are to be driven, once the file is open."""

    @functools.wraps(steps)
    def method(self: GridOutT, /, *args: P.args, **kwargs: P.kwargs) -> T:
        self._download.open()
        return self._download.run(steps(self, *args, **kwargs))

    method.__dict__["_steps"] = steps
    return method


class GridOut(io.IOBase):
    """A stored file, to be read like any other that was opened with `"rb"`.

    Its chunks are fetched as they are needed; `seek` fetches nothing, and what lies between is
    never read. Other attributes are fields of the file's document.
    """

    _download: Download

    def __init__(
        self,
        root_collection: Collection[Any],
        file_id: Any | None = None,
        file_document: Any | None = None,
        session: SessionLike | None = None,
    ) -> None:
        """Name a file. Nothing is sent before something of it is asked for.

        Args:
            root_collection: the collection `fs`, of a bucket of this name.
            file_id: the `_id` of the file.
            file_document: its document, if that is known.
            session: the session to run in.

        Raises:
            TypeError: `root_collection` is no collection.
            InvalidOperation: the session is in a transaction.
        """
        if not isinstance(root_collection, Collection):
            raise TypeError(
                f"root_collection must be an instance of Collection, not {type(root_collection)}"
            )
        refuse_transaction(session)
        super().__init__()
        self._download = Download(root_of(root_collection), file_id, file_document, session)

    def _stored(self) -> Mapping[str, Any]:
        self._download.open()
        return self._download.file or {}

    _id: Any = grid_out_field("_id", "The `_id` of this file.")
    filename: str = grid_out_field("filename", "The name of this file.")
    name: str = grid_out_field("filename", "The name of this file.")
    content_type: str | None = grid_out_field(
        "contentType", "The MIME type of this file. Deprecated.", deprecated=True
    )
    length: int = grid_out_field("length", "The bytes of this file.")
    chunk_size: int = grid_out_field("chunkSize", "The size of its chunks.")
    upload_date: datetime.datetime = grid_out_field("uploadDate", "When this file was stored.")
    aliases: list[str] | None = grid_out_field(
        "aliases", "Other names of this file. Deprecated.", deprecated=True
    )
    metadata: Mapping[str, Any] | None = grid_out_field("metadata", "What was stored with it.")
    md5: str | None = grid_out_field(
        "md5", "A checksum that older drivers stored. Deprecated.", deprecated=True
    )

    def __getattr__(self, name: str) -> Any:
        # Not for what this lacks itself, as it is being made or taken apart.
        if name != "_download" and not name.startswith("__"):
            file = self._stored()
            if name in file:
                return file[name]
        raise AttributeError(f"GridOut object has no attribute {name!r}")

    def open(self) -> None:
        """Get the file's document now rather than when it is needed.

        Raises:
            NoFile: there is none.
        """
        self._download.open()

    @blocking
    def read(self, size: int = -1) -> ReadSteps[bytes]:
        """Read up to `size` bytes, or all the rest.

        Raises:
            CorruptGridFile: chunks are missing, too many, or of a wrong size.
        """
        return self._download.reader.steps(size)

    @blocking
    def readline(self, size: int | None = -1) -> ReadSteps[bytes]:
        """Read up to the end of the line, but no more than `size` bytes."""
        return self._download.reader.steps(-1 if size is None else size, is_line=True)

    @blocking
    def readlines(self, size: int | None = -1) -> ReadSteps[list[bytes]]:
        """Read all lines, or as many as have `size` bytes together."""
        return self._download.reader.lines_steps(-1 if size is None else size)

    @blocking
    def readchunk(self) -> ReadSteps[bytes]:
        """Read the rest of the chunk that the position is in; nothing at the end."""
        return self._download.reader.chunk_steps()

    def __next__(self) -> bytes:
        if line := self.readline():
            return line
        raise StopIteration

    def tell(self) -> int:
        """Return the position in the file."""
        return self._download.reader.position if self._download.is_open else 0

    def seek(self, pos: int, whence: int = os.SEEK_SET) -> int:
        """Move the position, and return it. Nothing is fetched.

        Args:
            pos: where to.
            whence: where from: `os.SEEK_SET`, `os.SEEK_CUR` or `os.SEEK_END`.

        Raises:
            OSError: there is no such position.
        """
        self.open()
        return self._download.reader.seek(pos, whence)

    def close(self) -> None:
        """Close this file, and its cursor on the server."""
        self._download.close()
        super().close()

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def writable(self) -> bool:
        """Return False."""
        return False

    def isatty(self) -> bool:
        """Return False."""
        return False

    def flush(self) -> None:
        """Do nothing: this is not written."""

    def write(self, value: Any) -> NoReturn:
        """Refuse: this is for reading."""
        raise io.UnsupportedOperation("write")

    def writelines(self, lines: Any) -> NoReturn:
        """Refuse: this is for reading."""
        raise io.UnsupportedOperation("writelines")

    def truncate(self, size: int | None = None) -> NoReturn:
        """Refuse: this is for reading."""
        raise io.UnsupportedOperation("truncate")

    def fileno(self) -> NoReturn:
        """Refuse: there is none."""
        raise io.UnsupportedOperation("fileno")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if is_leaving(exc):
            self._download.abandon()
        self.close()

    def __del__(self) -> None:
        """Not what `IOBase` does, which may block; the cursor goes with its own object."""
