"""Who a database is: its name, its client and the options it inherits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, cast

from greenmongo._api.collection import Collection
from greenmongo._api.configured import Configured, WithoutTruth
from greenmongo._core.commands.arguments import check_database_name
from greenmongo._core.types import DocT

if TYPE_CHECKING:
    from bson.codec_options import CodecOptions
    from pymongo.read_concern import ReadConcern
    from pymongo.write_concern import WriteConcern

    from greenmongo._api.client import MongoClient
    from greenmongo._api.configured import CommandExecutor
    from greenmongo._api.database import Database
    from greenmongo._core.types import ReadMode

__all__ = ["DatabaseBase"]


class DatabaseBase(WithoutTruth, Configured, Generic[DocT]):
    """The identity that commands are built from, and the way to its collections."""

    _collection_class: ClassVar[type[Collection[Any]]] = Collection
    """What `database[name]` makes; a subclass of `Database` may name a subclass."""

    _noun = "database"

    _executor: CommandExecutor

    def __init__(
        self,
        client: MongoClient[Any],
        name: str,
        codec_options: CodecOptions[Any] | None = None,
        read_preference: ReadMode | None = None,
        write_concern: WriteConcern | None = None,
        read_concern: ReadConcern | None = None,
    ) -> None:
        if not hasattr(type(client), "get_database"):
            raise TypeError(f"MongoClient required but given {type(client).__name__}")
        inherited = client._namespace.overridden(
            codec_options, read_preference, write_concern, read_concern
        )
        super().__init__(inherited._replace(db=name))
        check_database_name(name)
        self._client: MongoClient[DocT] = client
        self._name = name
        self._executor = client._executor

    @property
    def client(self) -> MongoClient[DocT]:
        """The client this database was reached through."""
        return self._client

    @property
    def name(self) -> str:
        """The name of this database."""
        return self._name

    def _collection(
        self,
        name: str,
        codec_options: CodecOptions[Any] | None = None,
        read_preference: ReadMode | None = None,
        write_concern: WriteConcern | None = None,
        read_concern: ReadConcern | None = None,
    ) -> Collection[Any]:
        # Only ever a part of a database.
        whole = cast("Database[Any]", self)
        return self._collection_class(
            whole, name, codec_options, read_preference, write_concern, read_concern
        )

    def __eq__(self, other: object) -> bool:
        if isinstance(other, DatabaseBase):
            return self._client == other._client and self._name == other._name
        return NotImplemented

    def __hash__(self) -> int:
        return hash((self._client, self._name))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._client!r}, {self._name!r})"
