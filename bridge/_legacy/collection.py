"""AsyncLegacyCollection: the async face of a collection of PyMongo 2.x."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

from bridge._collection import AsyncCollection
from bridge._cursor import AsyncCommandCursor, AsyncCursor
from bridge._delegate import Facade, awaits, of_subclass, wraps_awaited, wraps_result
from bridge._feeding import lists
from bridge._legacy.bulk import AsyncBulkOperationBuilder
from bridge._legacy.cursor import AsyncLegacyCursor
from bridge._legacy.settings import LegacySettings
from greenmongo import Collection, CommandCursor
from greenmongo.legacy import LegacyCollection, LegacyCursor

if TYPE_CHECKING:
    from bridge._legacy.database import AsyncLegacyDatabase

__all__ = ["AsyncLegacyCollection"]

DocT = TypeVar("DocT", bound=Mapping[str, Any])
OtherT = TypeVar("OtherT", bound=Mapping[str, Any])


def cursors_of(
    parent: AsyncLegacyCollection[Any], them: list[LegacyCursor[Any]]
) -> list[AsyncLegacyCursor[Any]]:
    """Give blocking cursors their async faces."""
    return [AsyncLegacyCursor._wrap(parent, each) for each in them]


def result_of(parent: AsyncLegacyCollection[Any], result: Any) -> Any:
    """Give a result its async face if it is an object that needs one."""
    if isinstance(result, CommandCursor):
        return AsyncCommandCursor._wrap(parent, result)
    if isinstance(result, LegacyCollection):
        database = parent.database.client[result.database.name]
        return AsyncLegacyCollection._wrap(database, result)
    return result


def sibling(
    face: AsyncLegacyCollection[Any], sync: LegacyCollection[OtherT]
) -> AsyncLegacyCollection[OtherT]:
    """Give a blocking collection of the same database its async face."""
    return face._wrap(face, sync)


class AsyncLegacyCollection(LegacySettings, AsyncCollection[DocT], Generic[DocT]):
    """An `AsyncCollection` that also has what collections of PyMongo 2.x had, awaitable."""

    _family: ClassVar[Mapping[type, type]] = {AsyncCursor: AsyncLegacyCursor}

    if TYPE_CHECKING:

        @classmethod
        def _wrap(
            cls, parent: Facade[Any], sync: Collection[OtherT]
        ) -> AsyncLegacyCollection[OtherT]: ...

    @property
    def database(self) -> AsyncLegacyDatabase[DocT]:
        """The database this collection is in."""
        return cast("AsyncLegacyDatabase[DocT]", self._parent)

    with_options = wraps_result(  # type: ignore[assignment] # one for two overloads
        sibling
    )(of_subclass(LegacyCollection[DocT].with_options))

    # Reads

    find = wraps_result(AsyncLegacyCursor._wrap)(of_subclass(LegacyCollection[DocT].find))
    find_one = awaits(of_subclass(LegacyCollection[DocT].find_one))
    aggregate = wraps_awaited(  # type: ignore[assignment] # a document, unless a cursor is asked
        result_of
    )(of_subclass(LegacyCollection[DocT].aggregate))
    count = awaits(of_subclass(LegacyCollection[DocT].count))
    group = awaits(of_subclass(LegacyCollection[DocT].group))
    inline_map_reduce = awaits(of_subclass(LegacyCollection[DocT].inline_map_reduce))
    map_reduce = wraps_awaited(result_of)(of_subclass(LegacyCollection[DocT].map_reduce))
    parallel_scan = wraps_awaited(cursors_of)(of_subclass(LegacyCollection[DocT].parallel_scan))

    # Writes

    find_and_modify = awaits(of_subclass(LegacyCollection[DocT].find_and_modify))
    insert = lists(of_subclass(LegacyCollection[DocT].insert))
    initialize_ordered_bulk_op = wraps_result(AsyncBulkOperationBuilder._wrap)(
        of_subclass(LegacyCollection[DocT].initialize_ordered_bulk_op)
    )
    initialize_unordered_bulk_op = wraps_result(AsyncBulkOperationBuilder._wrap)(
        of_subclass(LegacyCollection[DocT].initialize_unordered_bulk_op)
    )
    remove = awaits(of_subclass(LegacyCollection[DocT].remove))
    save = awaits(of_subclass(LegacyCollection[DocT].save))
    update = awaits(of_subclass(LegacyCollection[DocT].update))

    # Indexes, and the collection as a whole

    create_index = awaits(of_subclass(LegacyCollection[DocT].create_index))
    drop = awaits(of_subclass(LegacyCollection[DocT].drop))
    drop_index = awaits(of_subclass(LegacyCollection[DocT].drop_index))
    ensure_index = awaits(of_subclass(LegacyCollection[DocT].ensure_index))
    reindex = awaits(of_subclass(LegacyCollection[DocT].reindex))

    def __getattr__(self, name: str) -> AsyncLegacyCollection[DocT]:
        return cast("AsyncLegacyCollection[DocT]", super().__getattr__(name))

    def __getitem__(self, name: str) -> AsyncLegacyCollection[DocT]:
        return self._wrap(self, self._sync[name])

    def __bool__(self) -> bool:  # type: ignore[override] # true, as in PyMongo 2.x
        return True
