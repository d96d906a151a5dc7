"""AsyncDatabase: the async face of a database, borrowed method by method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from bridge._change_stream import AsyncDatabaseChangeStream
from bridge._collection import AsyncCollection
from bridge._configured import ConfiguredFacade
from bridge._cursor import AsyncCommandCursor
from bridge._delegate import awaits, wraps_awaited, wraps_call, wraps_result
from greenmongo import Database
from greenmongo.lowlevel import WithoutTruth, not_callable

if TYPE_CHECKING:
    from bson.codec_options import CodecOptions
    from pymongo.read_concern import ReadConcern
    from pymongo.write_concern import WriteConcern

    from bridge._client import AsyncMongoClient
    from bridge._delegate import Facade
    from greenmongo.lowlevel import ReadMode

__all__ = ["AsyncDatabase"]

DocT = TypeVar("DocT", bound=Mapping[str, Any])
OtherT = TypeVar("OtherT", bound=Mapping[str, Any])


def sibling(face: AsyncDatabase[Any], sync: Database[OtherT]) -> AsyncDatabase[OtherT]:
    """Give a blocking database of the same client its async face."""
    return face._wrap(face, sync)


class AsyncDatabase(WithoutTruth, ConfiguredFacade[Database[DocT]], Generic[DocT]):
    """A database. Creating one does no I/O; `database.name` is its collection `name`."""

    _noun = "database"

    if TYPE_CHECKING:

        @classmethod
        def _wrap(cls, parent: Facade[Any], sync: Database[OtherT]) -> AsyncDatabase[OtherT]: ...

    def __init__(
        self,
        client: AsyncMongoClient[DocT],
        name: str,
        codec_options: CodecOptions[DocT] | None = None,
        read_preference: ReadMode | None = None,
        write_concern: WriteConcern | None = None,
        read_concern: ReadConcern | None = None,
    ) -> None:
        self._dispatcher = client._dispatcher
        self._sync = Database(
            client._sync, name, codec_options, read_preference, write_concern, read_concern
        )
        self._parent = client

    @property
    def client(self) -> AsyncMongoClient[DocT]:
        """The client this database was reached through."""
        client: AsyncMongoClient[DocT] = self._parent
        return client

    @property
    def name(self) -> str:
        """The name of this database."""
        return self._sync.name

    with_options = wraps_result(sibling)(Database[DocT].with_options)
    get_collection = wraps_result(AsyncCollection._wrap)(Database[DocT].get_collection)

    create_collection = wraps_awaited(AsyncCollection._wrap)(Database[DocT].create_collection)
    drop_collection = awaits(Database[DocT].drop_collection)
    validate_collection = awaits(Database[DocT].validate_collection)
    list_collections = wraps_call(AsyncCommandCursor._wrap_later)(Database[DocT].list_collections)
    list_collection_names = awaits(Database[DocT].list_collection_names)

    watch = wraps_call(AsyncDatabaseChangeStream._wrap_later)(Database[DocT].watch)
    aggregate = wraps_call(AsyncCommandCursor._wrap_later)(Database[DocT].aggregate)
    command = awaits(Database[DocT].command)
    cursor_command = wraps_call(AsyncCommandCursor._wrap_later)(Database[DocT].cursor_command)
    dereference = awaits(Database[DocT].dereference)

    def __getattr__(self, name: str) -> AsyncCollection[DocT]:
        if name.startswith("_"):
            raise AttributeError(
                f"{type(self).__name__} has no attribute {name!r}. To access the {name} "
                f"collection, use database[{name!r}]."
            )
        return self[name]

    def __getitem__(self, name: str) -> AsyncCollection[DocT]:
        return AsyncCollection._wrap(self, self._sync[name])

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Explain that there is no such method: what was called is a database."""
        raise TypeError(not_callable(type(self), self.name, type(self._parent)))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._parent!r}, {self.name!r})"
