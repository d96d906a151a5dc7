"""Motor's names and habits on the classes of the bridge, for asyncio: change one import line.

Methods return futures that are under way already, whether they are awaited or not. Properties of
the client tell what is known, and never wait. A client belongs to no loop: `io_loop` is only where
what no running loop has called is run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from bridge._change_stream import (
    AsyncChangeStream,
    AsyncClusterChangeStream,
    AsyncCollectionChangeStream,
    AsyncDatabaseChangeStream,
)
from bridge._client import AsyncMongoClient
from bridge._collection import AsyncCollection
from bridge._cursor import (
    AsyncCommandCursor,
    AsyncCursor,
)
from bridge._database import AsyncDatabase
from bridge._delegate import Facade, wraps_awaited, wraps_call, wraps_result
from bridge._gridfs.cursor import AsyncGridOutCursor
from bridge._gridfs.grid_in import AsyncGridIn
from bridge._gridfs.grid_out import AsyncGridOut
from bridge._motor.gridfs import (
    AsyncIOMotorGridFSBucket,
    AsyncIOMotorGridIn,
    AsyncIOMotorGridOut,
    AsyncIOMotorGridOutCursor,
)
from bridge._motor.habits import EagerTasks, MotorCursor
from bridge._session import AsyncClientSession
from greenmongo import (
    ChangeStream,
    ClientSession,
    Collection,
    CommandCursor,
    Cursor,
    Database,
    MongoClient,
)
from greenmongo.encryption import ClientEncryption

if TYPE_CHECKING:
    from greenmongo.lowlevel import Address

__all__ = [
    "AsyncIOMotorChangeStream",
    "AsyncIOMotorClient",
    "AsyncIOMotorClientEncryption",
    "AsyncIOMotorClientSession",
    "AsyncIOMotorCollection",
    "AsyncIOMotorCommandCursor",
    "AsyncIOMotorCursor",
    "AsyncIOMotorDatabase",
    "AsyncIOMotorGridFSBucket",
    "AsyncIOMotorGridIn",
    "AsyncIOMotorGridOut",
    "AsyncIOMotorGridOutCursor",
]

DocT = TypeVar("DocT", bound=Mapping[str, Any])
OtherT = TypeVar("OtherT", bound=Mapping[str, Any])


if TYPE_CHECKING:
    # The exact types of what the classes below inherit. A borrowed function with overloads keeps
    # them only if its first name is not a base class's, hence the names with an underscore.

    def _sibling_collection(
        face: AsyncIOMotorCollection[Any], sync: Collection[OtherT]
    ) -> AsyncIOMotorCollection[OtherT]: ...

    def _sibling_database(
        face: AsyncIOMotorDatabase[Any], sync: Database[OtherT]
    ) -> AsyncIOMotorDatabase[OtherT]: ...


class AsyncIOMotorCursor(MotorCursor, AsyncCursor[DocT], Generic[DocT]):
    """The documents of one query."""

    if TYPE_CHECKING:

        @classmethod
        def _wrap(cls, parent: Facade[Any], sync: Cursor[OtherT]) -> AsyncIOMotorCursor[OtherT]: ...

    @property
    def collection(self) -> AsyncIOMotorCollection[DocT]:
        """The collection that is searched."""
        return cast("AsyncIOMotorCollection[DocT]", self._parent)


class AsyncIOMotorCommandCursor(MotorCursor, AsyncCommandCursor[DocT], Generic[DocT]):
    """What `aggregate`, `list_indexes` and their kin return, awaited or not."""

    if TYPE_CHECKING:

        @classmethod
        def _wrap_later(
            cls, parent: Facade[Any], open_sync: Callable[[], CommandCursor[OtherT]]
        ) -> AsyncIOMotorCommandCursor[OtherT]: ...


class AsyncIOMotorChangeStream(EagerTasks[ChangeStream[DocT]], AsyncChangeStream[DocT]):
    """Changes, one after another, for as long as it is open."""

    if TYPE_CHECKING:

        @classmethod
        def _wrap_later(
            cls, parent: Facade[Any], open_sync: Callable[[], ChangeStream[OtherT]]
        ) -> AsyncIOMotorChangeStream[OtherT]: ...


class AsyncIOMotorCollection(EagerTasks[Collection[DocT]], AsyncCollection[DocT], Generic[DocT]):
    """A collection of a client with Motor's habits."""

    @property
    def database(self) -> AsyncIOMotorDatabase[DocT]:
        """The database this collection is in."""
        return cast("AsyncIOMotorDatabase[DocT]", self._parent)

    if TYPE_CHECKING:

        @classmethod
        def _wrap(
            cls, parent: Facade[Any], sync: Collection[OtherT]
        ) -> AsyncIOMotorCollection[OtherT]: ...

        _with_options = wraps_result(_sibling_collection)(Collection[DocT].with_options)
        with_options = _with_options
        find = wraps_result(AsyncIOMotorCursor._wrap)(Collection[DocT].find)
        aggregate = wraps_call(AsyncIOMotorCommandCursor._wrap_later)(Collection[DocT].aggregate)
        list_indexes = wraps_call(AsyncIOMotorCommandCursor._wrap_later)(
            Collection[DocT].list_indexes
        )
        watch = wraps_call(AsyncIOMotorChangeStream._wrap_later)(Collection[DocT].watch)

    def __getattr__(self, name: str) -> AsyncIOMotorCollection[DocT]:
        return cast("AsyncIOMotorCollection[DocT]", super().__getattr__(name))

    def __getitem__(self, name: str) -> AsyncIOMotorCollection[DocT]:
        return self._wrap(self, self._sync[name])


class AsyncIOMotorDatabase(EagerTasks[Database[DocT]], AsyncDatabase[DocT], Generic[DocT]):
    """A database of a client with Motor's habits."""

    @property
    def client(self) -> AsyncIOMotorClient[DocT]:
        """The client this database was reached through."""
        return cast("AsyncIOMotorClient[DocT]", self._parent)

    if TYPE_CHECKING:

        @classmethod
        def _wrap(
            cls, parent: Facade[Any], sync: Database[OtherT]
        ) -> AsyncIOMotorDatabase[OtherT]: ...

        _with_options = wraps_result(_sibling_database)(Database[DocT].with_options)
        with_options = _with_options
        _get_collection = wraps_result(AsyncIOMotorCollection._wrap)(Database[DocT].get_collection)
        get_collection = _get_collection
        create_collection = wraps_awaited(AsyncIOMotorCollection._wrap)(
            Database[DocT].create_collection
        )
        aggregate = wraps_call(AsyncIOMotorCommandCursor._wrap_later)(Database[DocT].aggregate)
        cursor_command = wraps_call(AsyncIOMotorCommandCursor._wrap_later)(
            Database[DocT].cursor_command
        )
        list_collections = wraps_call(AsyncIOMotorCommandCursor._wrap_later)(
            Database[DocT].list_collections
        )
        watch = wraps_call(AsyncIOMotorChangeStream._wrap_later)(Database[DocT].watch)

    def __getattr__(self, name: str) -> AsyncIOMotorCollection[DocT]:
        return cast("AsyncIOMotorCollection[DocT]", super().__getattr__(name))

    def __getitem__(self, name: str) -> AsyncIOMotorCollection[DocT]:
        return AsyncIOMotorCollection._wrap(self, self._sync[name])


class AsyncIOMotorClientSession(EagerTasks[ClientSession], AsyncClientSession):
    """A session of a client with Motor's habits."""

    @property
    def client(self) -> AsyncIOMotorClient[Any]:
        """The client that this session was started by."""
        return cast("AsyncIOMotorClient[Any]", self._parent)


class AsyncIOMotorClientEncryption(ClientEncryption):
    """What Motor encrypts with. Here it can be named, but not made."""


class AsyncIOMotorClient(EagerTasks[MongoClient[DocT]], AsyncMongoClient[DocT], Generic[DocT]):
    """A deployment, with the constructor and the properties of Motor's client."""

    def __init__(
        self, *args: Any, io_loop: asyncio.AbstractEventLoop | None = None, **kwargs: Any
    ) -> None:
        """Name a deployment, with the arguments of `AsyncMongoClient`.

        Args:
            *args: as there.
            io_loop: where futures belong that are made while no loop runs.
            **kwargs: as there.

        Raises:
            TypeError: `io_loop` is no asyncio event loop.
        """
        if io_loop is not None and not isinstance(io_loop, asyncio.AbstractEventLoop):
            raise TypeError(f"io_loop must be an event loop of asyncio, not {io_loop!r}")
        super().__init__(*args, **kwargs)
        self._io_loop = io_loop

    @property
    def io_loop(self) -> asyncio.AbstractEventLoop:
        """The loop that runs, or else the one that the client was given."""
        try:
            return asyncio.get_running_loop()
        except RuntimeError:
            return self._io_loop or asyncio.get_event_loop()

    def get_io_loop(self) -> asyncio.AbstractEventLoop:
        """Return `io_loop`."""
        return self.io_loop

    # What is known now: nothing here waits.

    def _of_kind(self, kind: str) -> set[Address]:
        servers = self.topology_description.servers.values()
        return {server.address for server in servers if server.kind.name == kind}

    def _writable(self) -> list[Address]:
        servers = self.topology_description.servers.values()
        return [server.address for server in servers if server.is_writable]

    @property
    def address(self) -> Address | None:  # type: ignore[override] # not awaited
        """The address of the standalone, primary or mongos, None while there is none."""
        found = self._writable()
        return found[0] if len(found) == 1 else None

    @property
    def primary(self) -> Address | None:  # type: ignore[override] # not awaited
        """The address of the replica set's primary, None while there is none."""
        return next(iter(self._of_kind("RS_PRIMARY")), None)

    @property
    def secondaries(self) -> set[Address]:  # type: ignore[override] # not awaited
        """The addresses of the replica set's secondaries."""
        return self._of_kind("RS_SECONDARY")

    @property
    def arbiters(self) -> set[Address]:  # type: ignore[override] # not awaited
        """The addresses of the replica set's arbiters."""
        return self._of_kind("RS_ARBITER")

    @property
    def is_primary(self) -> bool:  # type: ignore[override] # not awaited
        """Whether there is a server that takes writes."""
        return bool(self._writable())

    @property
    def is_mongos(self) -> bool:  # type: ignore[override] # not awaited
        """Whether the deployment is reached through a mongos."""
        return bool(self._of_kind("MONGOS"))

    if TYPE_CHECKING:
        _get_database = wraps_result(AsyncIOMotorDatabase._wrap)(MongoClient[DocT].get_database)
        get_database = _get_database
        get_default_database = wraps_result(AsyncIOMotorDatabase._wrap)(
            MongoClient[DocT].get_default_database
        )
        list_databases = wraps_call(AsyncIOMotorCommandCursor._wrap_later)(
            MongoClient[DocT].list_databases
        )
        watch = wraps_call(AsyncIOMotorChangeStream._wrap_later)(MongoClient[DocT].watch)

    def __getattr__(self, name: str) -> AsyncIOMotorDatabase[DocT]:
        return cast("AsyncIOMotorDatabase[DocT]", super().__getattr__(name))

    def __getitem__(self, name: str) -> AsyncIOMotorDatabase[DocT]:
        return AsyncIOMotorDatabase._wrap(self, self._sync[name])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._sync!r})"


EagerTasks._family = {
    AsyncDatabase: AsyncIOMotorDatabase,
    AsyncCollection: AsyncIOMotorCollection,
    AsyncCursor: AsyncIOMotorCursor,
    AsyncCommandCursor: AsyncIOMotorCommandCursor,
    AsyncChangeStream: AsyncIOMotorChangeStream,
    AsyncClusterChangeStream: AsyncIOMotorChangeStream,
    AsyncCollectionChangeStream: AsyncIOMotorChangeStream,
    AsyncDatabaseChangeStream: AsyncIOMotorChangeStream,
    AsyncClientSession: AsyncIOMotorClientSession,
    AsyncGridIn: AsyncIOMotorGridIn,
    AsyncGridOut: AsyncIOMotorGridOut,
    AsyncGridOutCursor: AsyncIOMotorGridOutCursor,
}
