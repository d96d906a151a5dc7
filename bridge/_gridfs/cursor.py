"""AsyncGridOutCursor: the async face of the files that a query finds."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, NoReturn, overload

from bridge._cursor import AsyncCursor
from bridge._gridfs.grid_out import AsyncGridOut
from greenmongo import GridOutCursor
from greenmongo.lowlevel import file_of, internals_of

if TYPE_CHECKING:
    from typing_extensions import Self

    from bridge._collection import AsyncCollection
    from bridge._delegate import Facade

__all__ = ["AsyncGridOutCursor"]


def _itself(face: object, result: Any) -> Any:
    return result


class AsyncGridOutCursor(AsyncCursor[Any]):
    """The files that a query finds, each as an `AsyncGridOut`. `find` of a bucket makes it."""

    _sync: GridOutCursor

    if TYPE_CHECKING:

        @classmethod
        def _wrap(cls, parent: Facade[Any], sync: Any) -> AsyncGridOutCursor: ...

    def __init__(self, collection: AsyncCollection[Any], *args: Any, **kwargs: Any) -> None:
        """Make an unread cursor; the arguments are those of `GridOutCursor`."""
        self._dispatcher, self._parent = collection._dispatcher, collection
        self._sync = GridOutCursor(collection._sync, *args, **kwargs)
        self._internals = internals_of(self._sync)

    @property
    def collection(self) -> AsyncCollection[Any]:
        """The collection that is searched: that of the files' documents."""
        parent: Any = self._parent
        searched = self._sync.collection
        database = parent if hasattr(parent, "list_collections") else parent.database
        found: AsyncCollection[Any] = database[searched.name]
        return found

    async def __anext__(self) -> AsyncGridOut:
        document = await super().__anext__()
        return AsyncGridOut._wrap(self, file_of(self._sync, document))

    async def next(self) -> AsyncGridOut:
        """Return the next file.

        Raises:
            StopAsyncIteration: there is none.
        """
        return await self.__anext__()

    async def to_list(self, length: int | None = None) -> list[Any]:
        """Return the next `length` files, or all the rest.

        Raises:
            ValueError: `length` is less than 1.
        """
        documents = await self._documents(length)
        return [AsyncGridOut._wrap(self, file_of(self._sync, each)) for each in documents]

    @overload
    def __getitem__(self, index: int) -> Coroutine[Any, Any, AsyncGridOut]: ...

    @overload
    def __getitem__(self, index: slice) -> Self: ...

    def __getitem__(self, index: int | slice) -> Coroutine[Any, Any, AsyncGridOut] | Self:
        """Limit this cursor to a slice; `await cursor[5]` is one file by its position."""
        if isinstance(index, slice):
            self._sync[index]
            return self
        return self._one(index)

    async def _one(self, index: int) -> AsyncGridOut:
        found: Any = await self._dispatcher.call(self._sync.__getitem__, index)
        return AsyncGridOut._wrap(self, found)

    def add_option(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: there are none for files."""
        self._sync.add_option(*args, **kwargs)

    def remove_option(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: there are none for files."""
        self._sync.remove_option(*args, **kwargs)
