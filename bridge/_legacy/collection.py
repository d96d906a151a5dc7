"""AsyncLegacyCollection: the async face of a collection of PyMongo 2.x."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from bridge._collection import AsyncCollection
from bridge._cursor import opened_cursor_of
from bridge._delegate import awaits, derives, derives_awaited, own
from bridge._legacy.cursor import legacy_cursor_of
from bridge._legacy.settings import LegacySettings
from greenmongo import CommandCursor
from greenmongo.legacy import LegacyCollection, LegacyCursor

if TYPE_CHECKING:
    from bridge._legacy.cursor import AsyncLegacyCursor
    from bridge._legacy.database import AsyncLegacyDatabase

__all__ = ["AsyncLegacyCollection", "legacy_collection_of", "legacy_sibling_of"]

DocT = TypeVar("DocT", bound=Mapping[str, Any])
OtherT = TypeVar("OtherT", bound=Mapping[str, Any])


def legacy_collection_of(
    parent: AsyncLegacyDatabase[Any], it: LegacyCollection[OtherT]
) -> AsyncLegacyCollection[OtherT]:
    """Give a blocking collection its async face."""
    face: AsyncLegacyCollection[OtherT] = AsyncLegacyCollection.__new__(AsyncLegacyCollection)
    face._door, face._it, face._database = parent._door, it, parent
    return face


def legacy_sibling_of(
    parent: AsyncLegacyCollection[Any], it: LegacyCollection[OtherT]
) -> AsyncLegacyCollection[OtherT]:
    """Give a blocking collection of the same database its async face."""
    return legacy_collection_of(parent.database, it)


def cursors_of(
    parent: AsyncLegacyCollection[Any], them: list[LegacyCursor[Any]]
) -> list[AsyncLegacyCursor[Any]]:
    """Give blocking cursors their async faces."""
    return [legacy_cursor_of(parent, it) for it in them]


def result_of(parent: AsyncLegacyCollection[Any], result: Any) -> Any:
    """Give a result its async face if it is an object that needs one."""
    if isinstance(result, CommandCursor):
        return opened_cursor_of(parent, result)
    if isinstance(result, LegacyCollection):
        database = parent.database.client[result.database.name]
        return legacy_collection_of(database, result)
    return result


class AsyncLegacyCollection(LegacySettings, AsyncCollection[DocT], Generic[DocT]):
    """An `AsyncCollection` that also has what collections of PyMongo 2.x had, awaitable."""

    @property
    def database(self) -> AsyncLegacyDatabase[DocT]:
        """The database this collection is in."""
        return cast("AsyncLegacyDatabase[DocT]", self._database)

    with_options = derives(  # type: ignore[assignment] # one for two overloads
        legacy_sibling_of
    )(own(LegacyCollection[DocT].with_options))

    # Reads

    find = derives(legacy_cursor_of)(  # type: ignore[mutable-override] # a method, never set
        own(LegacyCollection[DocT].find)
    )
    find_one = awaits(own(LegacyCollection[DocT].find_one))
    aggregate = derives_awaited(  # type: ignore[assignment] # a document, unless a cursor is asked
        result_of
    )(own(LegacyCollection[DocT].aggregate))
    count = awaits(own(LegacyCollection[DocT].count))
    group = awaits(own(LegacyCollection[DocT].group))
    inline_map_reduce = awaits(own(LegacyCollection[DocT].inline_map_reduce))
    map_reduce = derives_awaited(result_of)(own(LegacyCollection[DocT].map_reduce))
    parallel_scan = derives_awaited(cursors_of)(own(LegacyCollection[DocT].parallel_scan))

    # Writes

    find_and_modify = awaits(own(LegacyCollection[DocT].find_and_modify))
    insert = awaits(own(LegacyCollection[DocT].insert))
    remove = awaits(own(LegacyCollection[DocT].remove))
    save = awaits(own(LegacyCollection[DocT].save))
    update = awaits(own(LegacyCollection[DocT].update))

    # Indexes, and the collection as a whole

    create_index = awaits(own(LegacyCollection[DocT].create_index))
    drop = awaits(own(LegacyCollection[DocT].drop))
    drop_index = awaits(own(LegacyCollection[DocT].drop_index))
    ensure_index = awaits(own(LegacyCollection[DocT].ensure_index))
    reindex = awaits(own(LegacyCollection[DocT].reindex))

    def __getattr__(self, name: str) -> AsyncLegacyCollection[DocT]:
        return cast("AsyncLegacyCollection[DocT]", super().__getattr__(name))

    def __getitem__(self, name: str) -> AsyncLegacyCollection[DocT]:
        return legacy_sibling_of(self, cast("LegacyCollection[DocT]", self._it[name]))

    def __bool__(self) -> bool:  # type: ignore[override] # true, as in PyMongo 2.x
        return True
