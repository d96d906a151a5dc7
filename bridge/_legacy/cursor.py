"""AsyncLegacyCursor: the async face of a cursor of PyMongo 2.x."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from bridge._cursor import AsyncCursor
from bridge._delegate import awaits, chains, mirrors_property, of_subclass
from greenmongo.legacy import LegacyCursor

if TYPE_CHECKING:
    from bridge._delegate import Facade
    from bridge._legacy.collection import AsyncLegacyCollection
    from greenmongo import Cursor

__all__ = ["AsyncLegacyCursor"]

DocT = TypeVar("DocT", bound=Mapping[str, Any])
OtherT = TypeVar("OtherT", bound=Mapping[str, Any])


class AsyncLegacyCursor(AsyncCursor[DocT], Generic[DocT]):
    """An `AsyncCursor` with what PyMongo 2.x had besides."""

    if TYPE_CHECKING:

        @classmethod
        def _wrap(cls, parent: Facade[Any], sync: Cursor[OtherT]) -> AsyncLegacyCursor[OtherT]: ...

    @property
    def collection(self) -> AsyncLegacyCollection[DocT]:
        """The collection that is searched."""
        return cast("AsyncLegacyCollection[DocT]", self._parent)

    conn_id = mirrors_property(LegacyCursor, "conn_id")
    count = awaits(of_subclass(LegacyCursor[DocT].count))
    max_scan = chains(of_subclass(LegacyCursor[DocT].max_scan))
