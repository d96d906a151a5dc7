"""What the families of a legacy database's methods build on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, cast

from greenmongo._api.database import Database
from greenmongo._core.types import DocT
from greenmongo._legacy._settings import Settings

if TYPE_CHECKING:
    from greenmongo._legacy._client import LegacyClient

__all__ = ["LegacyDatabaseBase"]


class LegacyDatabaseBase(Settings, Database[DocT], Generic[DocT]):
    """A `Database` of a legacy client, with options that can be changed."""

    @property
    def client(self) -> LegacyClient[DocT]:
        """The client this database was reached through."""
        return cast("LegacyClient[DocT]", self._client)

    @property
    def connection(self) -> LegacyClient[DocT]:
        """The client this database was reached through."""
        return self.client
