"""AsyncChangeStream: the async face of a change stream."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar, cast

from bridge._delegate import Facade, Pending
from greenmongo import ChangeStream
from greenmongo.errors import MisuseError
from greenmongo.lowlevel import (
    abandon_changes,
    is_leaving,
    is_open,
    look_for_change,
    take_change,
    wait_for_change,
)

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import TracebackType

    from typing_extensions import Self

__all__ = [
    "AsyncChangeStream",
    "AsyncClusterChangeStream",
    "AsyncCollectionChangeStream",
    "AsyncDatabaseChangeStream",
]

DocT = TypeVar("DocT", bound=Mapping[str, Any])
OtherT = TypeVar("OtherT", bound=Mapping[str, Any])


class AsyncChangeStream(Facade[ChangeStream[DocT]], Pending[Any], Generic[DocT]):
    """Changes, one after another, for as long as it is open: `async for` them.

    Made by `watch`, which may be awaited and need not be: an `await` opens the stream, and so do
    `async with` and the first change that is asked for. A call that is cancelled loses nothing:
    the next one goes on behind the last change that was returned.
    """

    if TYPE_CHECKING:

        def __await__(self) -> Generator[Any, Any, Self]: ...

    _open_sync: Callable[[], ChangeStream[DocT]]
    _opened_sync: ChangeStream[DocT] | None = None
    _is_begun = False
    _is_opening = False
    _is_closed = False

    @classmethod
    def _wrap_later(
        cls, parent: Facade[Any], open_sync: Callable[[], ChangeStream[OtherT]]
    ) -> AsyncChangeStream[OtherT]:
        """Return the async face of a stream that `open_sync`, which blocks, will open."""
        face: Any = object.__new__(cls._class_for(parent))
        face._dispatcher, face._parent, face._open_sync = parent._dispatcher, parent, open_sync
        return cast("AsyncChangeStream[OtherT]", face)

    async def _when_awaited(self) -> Self:
        await self._opened()
        return self

    async def _opened(self) -> ChangeStream[DocT]:
        stream = self._opened_sync
        if stream is None:
            if self._is_opening:
                raise MisuseError(
                    "this change stream is being opened in another task",
                    "await watch() before several tasks use what it returns",
                )
            self._is_begun = self._is_opening = True
            try:
                stream = await self._dispatcher.call(self._open_sync)
            finally:
                self._is_opening = False
            self._sync = self._opened_sync = stream
            if self._is_closed:
                # While it was being opened.
                abandon_changes(stream)
        return stream

    async def next(self) -> DocT:
        """Return the next change; wait for it.

        Raises:
            StopAsyncIteration: the stream is closed, or what it watched is gone.
            PyMongoError: it could not be resumed. It may be tried again if it is still `alive`.
            InvalidBSON: the next change cannot be decoded; or what a decoder of your own raises.
                The stream is closed then, and `resume_token` says where: before that change.
        """
        if self._is_closed:
            raise StopAsyncIteration
        stream = await self._opened()
        while (change := take_change(stream)) is None:
            if not stream.alive or not await self._dispatcher.call(wait_for_change, stream):
                raise StopAsyncIteration
        return change

    async def __anext__(self) -> DocT:
        return await self.next()

    def __aiter__(self) -> Self:
        return self

    if not TYPE_CHECKING:

        def __iter__(self) -> NoReturn:
            raise TypeError(f"'{type(self).__name__}' object is not iterable: use `async for`")

    async def try_next(self) -> DocT | None:
        """Return the next change, or None if one round trip brings none.

        Look at `resume_token` afterwards even so: it moves on while nothing changes.
        """
        if self._is_closed:
            return None
        stream = await self._opened()
        change = take_change(stream)
        if change is None and stream.alive:
            await self._dispatcher.call(look_for_change, stream)
            change = take_change(stream)
        return change

    @property
    def alive(self) -> bool:
        """Whether there may be further changes."""
        stream = self._opened_sync
        return not self._is_closed and (stream is None or stream.alive)

    @property
    def resume_token(self) -> Mapping[str, Any] | None:
        """Where to go on behind the last change that was returned: `resume_after` of `watch`."""
        stream = self._opened_sync
        return None if stream is None else stream.resume_token

    async def close(self) -> None:
        """Close this stream, on the server as well. Whoever waits for a change gets none."""
        self._is_closed = True
        stream = self._opened_sync
        if stream is None:
            return
        if is_open(self._dispatcher.client):
            await self._dispatcher.call_exactly_once(stream.close)
        else:
            abandon_changes(stream)

    async def __aenter__(self) -> Self:
        await self._opened()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if is_leaving(exc):
            # Cancelled, or a coroutine that is being thrown away: it waits for nothing.
            self._is_closed = True
            if self._opened_sync is not None:
                abandon_changes(self._opened_sync)
        else:
            await self.close()

    def __del__(self) -> None:
        if not self._is_begun and not self._is_closed:
            warnings.warn(
                f"a {type(self).__name__} was neither awaited nor read: it was never opened",
                RuntimeWarning,
                stacklevel=2,
                source=self,
            )


class AsyncCollectionChangeStream(AsyncChangeStream[DocT]):
    """Changes in one collection."""


class AsyncDatabaseChangeStream(AsyncChangeStream[DocT]):
    """Changes in all collections of a database."""


class AsyncClusterChangeStream(AsyncChangeStream[DocT]):
    """Changes in all databases."""
