"""The async cursors. Documents that are here are decoded here; only fetching more crosses.

Cursors may be awaited, which gives the cursor itself. That matters for those of a command, as
PyMongo sends it when its method is awaited, and Motor when the cursor is first used.
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar, cast, overload

from pymongo.errors import InvalidOperation

from bridge._delegate import Facade, Pending, awaits, chains, optionally_awaited
from greenmongo import CommandCursor, Cursor
from greenmongo.errors import MisuseError
from greenmongo.lowlevel import CursorInternals, internals_of, is_open

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from types import TracebackType

    from typing_extensions import Self

    from bridge._collection import AsyncCollection
    from bridge._crossing.dispatcher import HubDispatcher
    from greenmongo.lowlevel import Address, SessionLike

__all__ = [
    "AsyncCommandCursor",
    "AsyncCursor",
    "AsyncRawBatchCommandCursor",
    "AsyncRawBatchCursor",
]

DocT = TypeVar("DocT", bound=Mapping[str, Any])
OtherT = TypeVar("OtherT", bound=Mapping[str, Any])
CursorT_co = TypeVar("CursorT_co", bound="Cursor[Any] | CommandCursor[Any]", covariant=True)

TURN = 0.001
"""Seconds that a task decodes documents before others of its loop have their turn."""


class _Buffered(Facade[CursorT_co], Pending[Any], Generic[CursorT_co, DocT]):
    """What both kinds of async cursor share.

    One that is collected unread is closed on the server, as its blocking half goes with it.
    """

    _internals: CursorInternals
    """The inside of `_sync`."""

    if TYPE_CHECKING:

        def __await__(self) -> Generator[Any, Any, Self]: ...

    _is_unopened = False
    _turn_ends = 0.0
    """When other tasks of the loop shall have their turn."""

    @classmethod
    def _wrap(cls, parent: Facade[Any], sync: Any) -> Any:
        face = super()._wrap(parent, sync)
        face._internals = internals_of(sync)
        return face

    async def _when_awaited(self) -> Self:
        await self._opened()
        return self

    async def _opened(self) -> CursorInternals:
        """Return the inside of the cursor, having sent the command that makes it if need be."""
        return self._internals

    @property
    def alive(self) -> bool:
        """Whether this cursor may still return documents."""
        return self._sync.alive

    @property
    def cursor_id(self) -> int | None:
        """The server's id of this cursor; None before the first batch, 0 after the last."""
        return self._sync.cursor_id

    @property
    def address(self) -> Address | None:
        """The server that holds this cursor, or None before the first batch."""
        return self._sync.address

    @property
    def session(self) -> SessionLike | None:
        """The session that was passed when this cursor was created, or None."""
        return self._sync.session

    def __aiter__(self) -> Self:
        return self

    if not TYPE_CHECKING:
        # Python would iterate by __getitem__, endlessly. Not None in its place, which cannot say
        # what to write; the type checkers see neither, and refuse `for`.
        def __iter__(self) -> NoReturn:
            raise TypeError(f"'{type(self).__name__}' object is not iterable: use `async for`")

    async def __anext__(self) -> DocT:
        internals = await self._opened() if self._is_unopened else self._internals
        buffer = internals.buffer
        while buffer or (self._sync.alive and await self._has_more(internals.refill)):
            try:
                document: DocT = buffer.popleft()
            except IndexError:  # another reader was quicker
                continue
            return document
        internals.check_whole()
        raise StopAsyncIteration

    async def _has_more(self, refill: Callable[[], bool]) -> bool:
        """Decode some of what is here, or else fetch something with `refill`; False at the end.

        After True there may still be no document: then it is to be asked again.
        """
        if self._internals.decode_here():
            if perf_counter() >= self._turn_ends:
                # Few programs come here, and none waits for it before.
                from anyio.lowlevel import checkpoint

                await checkpoint()
                self._turn_ends = perf_counter() + TURN
            return True
        has_more = await self._dispatcher.call(refill)
        self._turn_ends = perf_counter() + TURN
        return has_more

    async def _documents(self, length: int | None) -> list[DocT]:
        """Return the next `length` documents, or all the rest."""
        if length is not None and length < 1:
            raise ValueError("to_list() length must be greater than 0")
        internals = await self._opened()
        buffer = internals.buffer
        result: list[DocT] = []
        while buffer or (self._sync.alive and await self._has_more(internals.refill_list)):
            internals.take_into(result, length)
            if len(result) == length:
                return result
        internals.check_whole()
        return result

    async def next(self) -> DocT:
        """Return the next document.

        Raises:
            StopAsyncIteration: there is none.
            MisuseError: documents were lost, as whoever asked for them did not wait for them.
        """
        return await self.__anext__()

    async def to_list(self, length: int | None = None) -> list[DocT]:
        """Return the next `length` documents, or all the rest.

        Raises:
            ValueError: `length` is less than 1.
        """
        return await self._documents(length)

    async def close(self) -> None:
        """Close this cursor, on the server as well."""
        if self._internals.is_closed or not is_open(self._dispatcher.client):
            self._sync.close()
        else:
            await self._dispatcher.call_exactly_once(self._sync.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(exc, GeneratorExit):
            # The coroutine is being thrown away and may wait for nothing.
            self._internals.abandon()
        else:
            await self.close()


class AsyncCursor(_Buffered[Cursor[DocT], DocT], Generic[DocT]):
    """The documents of one query, fetched in batches as they are needed: `async for` them.

    Created by `AsyncCollection.find`. The methods that set options return the cursor itself and
    are refused once the query has been sent; `rewind` makes it new again.
    """

    if TYPE_CHECKING:

        @classmethod
        def _wrap(cls, parent: Facade[Any], sync: Cursor[OtherT]) -> AsyncCursor[OtherT]: ...

    def __init__(self, collection: AsyncCollection[DocT], *args: Any, **kwargs: Any) -> None:
        """Make an unread cursor over a collection; the other arguments are those of `find`."""
        self._dispatcher = collection._dispatcher
        self._sync = collection._sync.find(*args, **kwargs)
        self._internals = internals_of(self._sync)
        self._parent = collection

    @property
    def collection(self) -> AsyncCollection[DocT]:
        """The collection that is searched."""
        collection: AsyncCollection[DocT] = self._parent
        return collection

    @property
    def retrieved(self) -> int:
        """How many documents have arrived so far."""
        return self._sync.retrieved

    @overload
    def __getitem__(self, index: int) -> Coroutine[Any, Any, DocT]: ...

    @overload
    def __getitem__(self, index: slice) -> Self: ...

    def __getitem__(self, index: int | slice) -> Coroutine[Any, Any, DocT] | Self:
        """Limit this cursor to a slice; `await cursor[5]` is one document by its position."""
        if isinstance(index, slice):
            self._sync[index]  # it changes the blocking cursor and returns it
            return self
        return self._dispatcher.call(self._sync.__getitem__, index)

    @optionally_awaited
    def rewind(self) -> Self:
        """Return this cursor to the state it had before its first document was read."""
        # The server is told in the background, so that nobody needs to wait.
        self._internals.abandon()
        self._sync.rewind()
        return self

    def clone(self) -> Self:
        """Return an unread cursor with the same options."""
        return cast("Self", self._wrap(self, self._sync.clone()))

    def __copy__(self) -> Self:
        return cast("Self", self._wrap(self, self._sync.__copy__()))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return cast("Self", self._wrap(self, self._sync.__deepcopy__(memo)))

    distinct = awaits(Cursor[DocT].distinct)
    explain = awaits(Cursor[DocT].explain)

    add_option = optionally_awaited(chains(Cursor[DocT].add_option))
    allow_disk_use = chains(Cursor[DocT].allow_disk_use)
    batch_size = chains(Cursor[DocT].batch_size)
    collation = chains(Cursor[DocT].collation)
    comment = chains(Cursor[DocT].comment)
    hint = chains(Cursor[DocT].hint)
    limit = chains(Cursor[DocT].limit)
    max = chains(Cursor[DocT].max)
    max_await_time_ms = chains(Cursor[DocT].max_await_time_ms)
    max_scan = chains(Cursor[DocT].max_scan)
    max_time_ms = chains(Cursor[DocT].max_time_ms)
    min = chains(Cursor[DocT].min)
    remove_option = chains(Cursor[DocT].remove_option)
    skip = chains(Cursor[DocT].skip)
    sort = chains(Cursor[DocT].sort)
    where = chains(Cursor[DocT].where)


class _Unopened:
    """Stands in for the blocking half of a cursor whose command has not been sent."""

    cursor_id = None
    address = None
    session = None
    is_closed = False

    def __init__(self) -> None:
        self.buffer: deque[Any] = deque()

    @property
    def alive(self) -> bool:
        return not self.is_closed

    @property
    def is_complete(self) -> bool:
        return self.is_closed

    def refill(self) -> bool:
        return False

    refill_list = decode_here = refill

    def take_into(self, _result: list[Any], _length: int | None) -> None:
        return

    def check_whole(self) -> None:
        return

    def waits_for_more(self) -> bool:
        return False

    def abandon(self) -> None:
        self.close()

    def close(self) -> None:
        self.is_closed = True


class AsyncCommandCursor(_Buffered[CommandCursor[DocT], DocT], Generic[DocT]):
    """What `aggregate`, `list_indexes` and their kin return, awaited or not.

    The command is sent by `await`, or else when the first document is asked for.
    """

    if TYPE_CHECKING:

        @classmethod
        def _wrap(
            cls, parent: Facade[Any], sync: CommandCursor[OtherT]
        ) -> AsyncCommandCursor[OtherT]: ...

    _batch_size: int | None = None

    def __init__(
        self, dispatcher: HubDispatcher, open_sync: Callable[[], CommandCursor[DocT]]
    ) -> None:
        """Make a cursor that `open_sync`, which blocks, will open."""
        self._dispatcher = dispatcher
        self._internals = unopened = _Unopened()
        self._sync = cast("CommandCursor[DocT]", unopened)
        self._is_unopened = True
        self._open_sync: Callable[[], CommandCursor[DocT]] | None = open_sync

    @classmethod
    def _wrap_later(
        cls, parent: Facade[Any], open_sync: Callable[[], CommandCursor[OtherT]]
    ) -> AsyncCommandCursor[OtherT]:
        """Return the async face of a blocking cursor that is still to be made."""
        made: Any = cls._class_for(parent)
        face = made(parent._dispatcher, open_sync)
        face._parent = parent
        return cast("AsyncCommandCursor[OtherT]", face)

    async def _opened(self) -> CursorInternals:
        if self._is_unopened and not self._internals.is_closed:
            open_sync, self._open_sync = self._open_sync, None
            if open_sync is None:
                raise MisuseError(
                    "this cursor cannot be used: its command failed, was cancelled, or is under "
                    "way in another task",
                    "call the method that made the cursor again",
                )
            self._sync = await self._dispatcher.call(open_sync)
            self._internals = internals_of(self._sync)
            self._is_unopened = False
            if self._batch_size is not None:
                self._sync.batch_size(self._batch_size)
        return self._internals

    def batch_size(self, batch_size: int) -> Self:
        """Fetch this many documents per round trip from now on; 0 leaves it to the server.

        The first batch comes with the command, whose own option `batchSize` is what counts there.
        """
        if self._is_unopened:
            self._batch_size = batch_size
        else:
            self._sync.batch_size(batch_size)
        return self

    async def try_next(self) -> DocT | None:
        """Return the next document, or None if one round trip brings none."""
        internals = await self._opened()
        if internals.is_complete and not internals.buffer:
            internals.check_whole()
            return None
        return await self._dispatcher.call(self._sync.try_next)

    async def close(self) -> None:
        """Close this cursor, on the server as well; a command that was not sent never will be."""
        if self._is_unopened:
            self._open_sync = None
            self._sync.close()
        else:
            await super().close()

    def __del__(self) -> None:
        if self._is_unopened and self._open_sync is not None:
            warnings.warn(
                f"a {type(self).__name__} was neither awaited nor read: its command was never sent",
                RuntimeWarning,
                stacklevel=2,
                source=self,
            )


class AsyncRawBatchCursor(AsyncCursor[Any]):
    """What `find_raw_batches` returns: batches of the query's documents, as `bytes`."""

    if TYPE_CHECKING:

        @classmethod
        def _wrap(cls, parent: Facade[Any], sync: Cursor[Any]) -> AsyncRawBatchCursor: ...
        async def __anext__(self) -> bytes: ...
        async def next(self) -> bytes: ...
        async def to_list(self, length: int | None = None) -> list[bytes]: ...

    def __init__(self, collection: AsyncCollection[Any], *args: Any, **kwargs: Any) -> None:
        """Make an unread cursor over a collection; the other arguments are those of `find`."""
        self._dispatcher = collection._dispatcher
        self._sync = collection._sync.find_raw_batches(*args, **kwargs)
        self._internals = internals_of(self._sync)
        self._parent = collection

    async def explain(self) -> Any:
        """Return how the server would run this query."""
        return await self._dispatcher.call(self._sync.explain)

    def __getitem__(self, index: object) -> NoReturn:
        raise InvalidOperation(f"Cannot call __getitem__ on {type(self).__name__}")


class AsyncRawBatchCommandCursor(AsyncCommandCursor[Any]):
    """What `aggregate_raw_batches` returns: batches of the pipeline's results, as `bytes`."""

    if TYPE_CHECKING:

        async def __anext__(self) -> bytes: ...
        async def next(self) -> bytes: ...
        async def to_list(self, length: int | None = None) -> list[bytes]: ...
        async def try_next(self) -> bytes | None: ...
        @classmethod
        def _wrap_later(
            cls, parent: Facade[Any], open_sync: Callable[[], CommandCursor[Any]]
        ) -> AsyncRawBatchCommandCursor: ...

    def __getitem__(self, index: object) -> NoReturn:
        raise InvalidOperation(f"Cannot call __getitem__ on {type(self).__name__}")
