"""AsyncLegacyCursor: the async face of a cursor of PyMongo 2.x."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from bridge._cursor import AsyncCursor
from bridge._delegate import awaits, chains, own, reflects
from greenmongo.legacy import LegacyCursor
from greenmongo.lowlevel import internals_of

if TYPE_CHECKING:
    from bridge._legacy.collection import AsyncLegacyCollection

__all__ = ["AsyncLegacyCursor", "legacy_cursor_of"]

DocT = TypeVar("DocT", bound=Mapping[str, Any])


class AsyncLegacyCursor(AsyncCursor[DocT], Generic[DocT]):
    """An `AsyncCursor` with what PyMongo 2.x had besides."""

    @property
    def collection(self) -> AsyncLegacyCollection[DocT]:
        """The collection that is searched."""
        return cast("AsyncLegacyCollection[DocT]", self._collection)

    conn_id = reflects(LegacyCursor, "conn_id")
    count = awaits(own(LegacyCursor[DocT].count))
    max_scan = chains(own(LegacyCursor[DocT].max_scan))


def legacy_cursor_of(parent: AsyncLegacyCollection[Any], it: Any) -> AsyncLegacyCursor[Any]:
    """Give a blocking cursor its async face."""
    face: AsyncLegacyCursor[Any] = AsyncLegacyCursor.__new__(AsyncLegacyCursor)
    face._door, face._it, face._collection = parent._door, it, parent
    face._internals = internals_of(it)
    return face
