"""The async cursors. Documents that are here are handed out here; only fetching more crosses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from bridge._delegate import Facade, awaits, chains
from greenmongo import CommandCursor, Cursor
from greenmongo.hub import is_open

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import TracebackType

    from typing_extensions import Self

    from bridge._collection import AsyncCollection
    from bridge._lane import Door
    from greenmongo.hub import Address, SessionLike

__all__ = ["AsyncCommandCursor", "AsyncCursor", "command_cursor_of", "cursor_of"]

DocT = TypeVar("DocT", bound=Mapping[str, Any])
OtherT = TypeVar("OtherT", bound=Mapping[str, Any])
CursorT_co = TypeVar("CursorT_co", bound="Cursor[Any] | CommandCursor[Any]", covariant=True)


class _Buffered(Facade[CursorT_co], Generic[CursorT_co, DocT]):
    """What both kinds of async cursor share.

    One that is collected unread is closed on the server, as its blocking half goes with it.
    """

    @property
    def alive(self) -> bool:
        """Whether this cursor may still return documents."""
        return self._it.alive

    @property
    def cursor_id(self) -> int | None:
        """The server's id of this cursor; None before the first batch, 0 after the last."""
        return self._it.cursor_id

    @property
    def address(self) -> Address | None:
        """The server that holds this cursor, or None before the first batch."""
        return self._it.address

    @property
    def session(self) -> SessionLike | None:
        """The session that was passed when this cursor was created, or None."""
        return self._it.session

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> DocT:
        it = self._it
        buffer = it._buffer
        while not buffer:
            if not it.alive or not await self._door.call(it._refill):
                raise StopAsyncIteration
        document: DocT = buffer.popleft()
        return document

    async def next(self) -> DocT:
        """Return the next document.

        Raises:
            StopAsyncIteration: there is none.
        """
        return await self.__anext__()

    async def to_list(self, length: int | None = None) -> list[DocT]:
        """Return the next `length` documents, or all the rest.

        Raises:
            ValueError: `length` is less than 1.
        """
        it = self._it
        if it._killed:
            # All there is has arrived.
            return it.to_list(length)
        return await self._door.call(it.to_list, length)

    async def close(self) -> None:
        """Close this cursor, on the server as well."""
        it = self._it
        if it._killed or not is_open(self._door.client):
            it.close()
        else:
            await self._door.call_surely(it.close)

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
            self._it._abandon()
        else:
            await self.close()


class AsyncCursor(_Buffered[Cursor[DocT], DocT], Generic[DocT]):
    """The documents of one query, fetched in batches as they are needed: `async for` them.

    Created by `AsyncCollection.find`. The methods that set options return the cursor itself and
    are refused once the query has been sent; `rewind` makes it new again.
    """

    def __init__(self, collection: AsyncCollection[DocT], *args: Any, **kwargs: Any) -> None:
        """Make an unread cursor over a collection; the other arguments are those of `find`."""
        self._door = collection._door
        self._it = collection._it.find(*args, **kwargs)
        self._collection: AsyncCollection[Any] = collection

    @property
    def collection(self) -> AsyncCollection[DocT]:
        """The collection that is searched."""
        return self._collection

    @property
    def retrieved(self) -> int:
        """How many documents have arrived so far."""
        return self._it.retrieved

    @overload
    def __getitem__(self, index: int) -> Coroutine[Any, Any, DocT]: ...

    @overload
    def __getitem__(self, index: slice) -> Self: ...

    def __getitem__(self, index: int | slice) -> Coroutine[Any, Any, DocT] | Self:
        """Limit this cursor to a slice; `await cursor[5]` is one document by its position."""
        if isinstance(index, slice):
            self._it[index]  # it changes the blocking cursor and returns it
            return self
        return self._door.call(self._it.__getitem__, index)

    async def rewind(self) -> Self:
        """Return this cursor to the state it had before its first document was read."""
        await self.close()
        self._it.rewind()
        return self

    def clone(self) -> AsyncCursor[DocT]:
        """Return an unread cursor with the same options."""
        return cursor_of(self._collection, self._it.clone())

    def __copy__(self) -> AsyncCursor[DocT]:
        return cursor_of(self._collection, self._it.__copy__())

    def __deepcopy__(self, memo: dict[int, Any]) -> AsyncCursor[DocT]:
        return cursor_of(self._collection, self._it.__deepcopy__(memo))

    async def add_option(self, mask: int) -> Self:
        """Set query flags by their bits."""
        self._it.add_option(mask)
        return self

    distinct = awaits(Cursor[DocT].distinct)
    explain = awaits(Cursor[DocT].explain)

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


class AsyncCommandCursor(_Buffered[CommandCursor[DocT], DocT], Generic[DocT]):
    """What `aggregate`, `list_indexes` and their kin return: the first batch is already here."""

    def __init__(self, door: Door, it: CommandCursor[DocT]) -> None:
        self._door = door
        self._it = it

    batch_size = chains(CommandCursor[DocT].batch_size)
    try_next = awaits(CommandCursor[DocT].try_next)


def cursor_of(parent: AsyncCollection[Any], it: Cursor[OtherT]) -> AsyncCursor[OtherT]:
    """Give a blocking cursor its async face."""
    face: AsyncCursor[OtherT] = AsyncCursor.__new__(AsyncCursor)
    face._door, face._it, face._collection = parent._door, it, parent
    return face


def command_cursor_of(parent: Facade[Any], it: CommandCursor[OtherT]) -> AsyncCommandCursor[OtherT]:
    """Give a blocking command cursor its async face."""
    return AsyncCommandCursor(parent._door, it)
