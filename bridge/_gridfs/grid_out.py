"""AsyncGridOut: the async face of a file that is being read.

The caller's task takes what it reads from chunks that are here, and crosses when others have to be
fetched, once for each batch.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Concatenate, NoReturn, ParamSpec, TypeVar, cast

from pymongo.errors import InvalidOperation

from bridge._collection import AsyncCollection
from bridge._delegate import Facade, wraps_result
from bridge._signature import coroutine_of_steps, show
from greenmongo import GridOut
from greenmongo.lowlevel import (
    Download,
    download_of,
    grid_out_field,
    is_leaving,
    is_open,
    steps_of,
)

if TYPE_CHECKING:
    import datetime
    from types import TracebackType

    from typing_extensions import Self

    from greenmongo.lowlevel import ReadSteps, SessionLike

__all__ = ["AsyncGridOut"]

PIECE = 1024 * 1024
"""Bytes that are written to a sink at once: the way to a worker thread and back is long."""

P = ParamSpec("P")
T = TypeVar("T")


def _itself(face: object, result: Any) -> Any:
    return result


def reads(
    fn: Callable[Concatenate[GridOut, P], T],
) -> Callable[Concatenate[AsyncGridOut, P], Coroutine[Any, Any, T]]:
    """Borrow a method that reads: its steps are driven in the caller's task."""
    steps = steps_of(fn)

    @functools.wraps(fn)
    async def method(self: AsyncGridOut, /, *args: P.args, **kwargs: P.kwargs) -> T:
        await self._open()
        return await self._drive(steps(self._sync, *args, **kwargs))

    show(method, fn, coroutine_of_steps)
    return method


class AsyncGridOut(Facade[GridOut]):
    """A stored file, to be read like any other that was opened with `"rb"`, but awaited.

    Its chunks are fetched as they are needed; `seek` fetches nothing, and what lies between is
    never read. A read that is cancelled has not moved. Other attributes are fields of the file's
    document.
    """

    _download: Download

    if TYPE_CHECKING:

        @classmethod
        def _wrap(cls, parent: Facade[Any], sync: GridOut) -> AsyncGridOut: ...

    else:

        @classmethod
        def _wrap(cls, parent, sync):
            face = super()._wrap(parent, sync)
            face._download, face._is_closed = download_of(sync), False
            return face

    def __init__(
        self,
        root_collection: AsyncCollection[Any],
        file_id: Any | None = None,
        file_document: Any | None = None,
        session: SessionLike | None = None,
    ) -> None:
        """Name a file; the arguments are those of `GridOut`. `open` it before all else.

        Raises:
            TypeError: `root_collection` is no async collection.
        """
        if not isinstance(root_collection, AsyncCollection):
            raise TypeError(
                "root_collection must be an instance of AsyncCollection, "
                f"not {type(root_collection)}"
            )
        self._dispatcher, self._parent = root_collection._dispatcher, root_collection
        self._sync = GridOut(root_collection._sync, file_id, file_document, session)
        self._download, self._is_closed = download_of(self._sync), False

    def _stored(self, what: str = "its") -> Mapping[str, Any]:
        if not self._download.file:
            raise InvalidOperation(
                f"You must call AsyncGridOut.open() before accessing the {what} property"
            )
        return self._download.file

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

    @property
    def closed(self) -> bool:
        """Whether this file was closed."""
        return self._is_closed

    def __getattr__(self, name: str) -> Any:
        # Not for what this lacks itself, as it is being made or taken apart.
        if name not in ("_download", "_is_closed", "_sync") and not name.startswith("__"):
            file = self._stored(name)
            if name in file:
                return file[name]
        raise AttributeError(f"GridOut object has no attribute {name!r}")

    async def open(self) -> None:
        """Get the file's document, unless it is here.

        Raises:
            NoFile: there is none.
        """
        await self._open()

    async def _open(self) -> None:
        if not self._download.is_open:
            await self._dispatcher.call(self._download.open)

    async def _drive(self, steps: ReadSteps[T]) -> T:
        """Drive steps, and await what has to be fetched; return their result."""
        download = self._download
        try:
            n, ahead = next(steps)
            while True:
                if not download.knows(n):
                    await self._fetch(n, ahead)
                n, ahead = steps.send(download.take())
        except StopIteration as end:
            return cast("T", end.value)
        finally:
            steps.close()

    async def _pour(self, write: Callable[[bytes], Awaitable[object]]) -> None:
        """Read all that is left, and await `write` with each piece of it."""
        reader = self._download.reader
        while data := await self._drive(reader.steps(PIECE)):
            await write(data)

    async def _fetch(self, n: int, ahead: int) -> None:
        try:
            await self._dispatcher.call(self._download.fetch, n, ahead)
        except BaseException:
            # Here and now: another read may begin before the hub knows.
            self._download.abandon()
            raise

    read = reads(GridOut.read)
    readline = reads(GridOut.readline)
    readlines = reads(GridOut.readlines)
    readchunk = reads(GridOut.readchunk)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if line := await self.readline():
            return line
        raise StopAsyncIteration

    async def to_list(self) -> list[bytes]:
        """Return all lines that are left."""
        return await self.readlines()

    tell = wraps_result(_itself)(GridOut.tell)

    async def seek(self, pos: int, whence: int = os.SEEK_SET) -> int:
        """Move the position, and return it. Nothing is fetched.

        Args:
            pos: where to.
            whence: where from: `os.SEEK_SET`, `os.SEEK_CUR` or `os.SEEK_END`.

        Raises:
            OSError: there is no such position.
        """
        await self._open()
        return self._sync.seek(pos, whence)

    async def close(self) -> None:
        """Close this file, and its cursor on the server."""
        await self._close()

    async def _close(self) -> None:
        self._is_closed = True
        if self._download.has_cursor and is_open(self._dispatcher.client):
            await self._dispatcher.call_exactly_once(self._download.close)
        else:
            self._download.abandon()

    readable = wraps_result(_itself)(GridOut.readable)
    seekable = wraps_result(_itself)(GridOut.seekable)
    writable = wraps_result(_itself)(GridOut.writable)
    isatty = wraps_result(_itself)(GridOut.isatty)
    flush = wraps_result(_itself)(GridOut.flush)
    write = wraps_result(_itself)(GridOut.write)
    writelines = wraps_result(_itself)(GridOut.writelines)
    truncate = wraps_result(_itself)(GridOut.truncate)
    fileno = wraps_result(_itself)(GridOut.fileno)

    if not TYPE_CHECKING:

        def __iter__(self) -> NoReturn:
            raise TypeError(f"'{type(self).__name__}' object is not iterable: use `async for`")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if is_leaving(exc):
            self._is_closed = True
            self._download.abandon()
        else:
            await self._close()
