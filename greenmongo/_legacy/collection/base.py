"""What the families of a legacy collection's methods build on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, cast

from greenmongo._api.collection import Collection
from greenmongo._core.types import DocT
from greenmongo._legacy._settings import Settings

if TYPE_CHECKING:
    from pymongo.write_concern import WriteConcern
    from typing_extensions import Self

    from greenmongo._legacy.database import LegacyDatabase

__all__ = ["LegacyCollectionBase"]


class LegacyCollectionBase(Settings, Collection[DocT], Generic[DocT]):
    """A `Collection` of a legacy database, with options that can be changed."""

    def _with_write_concern(self, write_concern: WriteConcern) -> Self:
        options = self._namespace.overridden(write_concern=write_concern).options
        return type(self)(self._database, self._name, *options)

    @property
    def database(self) -> LegacyDatabase[DocT]:
        """The database this collection is in."""
        return cast("LegacyDatabase[DocT]", self._database)
