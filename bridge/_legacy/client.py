"""The clients of PyMongo 2.x for tasks: a connection for each, and nothing is retried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar, cast

from bridge._client import AsyncMongoClient
from bridge._crossing.dispatcher import HubDispatcher
from bridge._database import AsyncDatabase
from bridge._delegate import awaits, mirrors_property, of_subclass, wraps_result
from bridge._legacy.database import AsyncLegacyDatabase
from bridge._legacy.settings import LegacySettings
from greenmongo import Connection, ReplicaSetConnection

__all__ = ["AsyncConnection", "AsyncLegacyClient", "AsyncReplicaSetConnection"]

DocT = TypeVar("DocT", bound=Mapping[str, Any])


class AsyncLegacyClient(LegacySettings, AsyncMongoClient[DocT], Generic[DocT]):
    """What the two classes have in common. The attributes tell what the last hello told."""

    _family: ClassVar[Mapping[type, type]] = {AsyncDatabase: AsyncLegacyDatabase}

    alive = awaits(of_subclass(Connection[DocT].alive))

    document_class = mirrors_property(Connection, "document_class")
    max_bson_size = mirrors_property(Connection, "max_bson_size")
    max_message_size = mirrors_property(Connection, "max_message_size")
    max_pool_size = mirrors_property(Connection, "max_pool_size")
    max_wire_version = mirrors_property(Connection, "max_wire_version")
    max_write_batch_size = mirrors_property(Connection, "max_write_batch_size")
    min_wire_version = mirrors_property(Connection, "min_wire_version")
    secondary_acceptable_latency_ms = mirrors_property(
        Connection, "secondary_acceptable_latency_ms"
    )
    tz_aware = mirrors_property(Connection, "tz_aware")

    get_database = wraps_result(AsyncLegacyDatabase._wrap)(  # type: ignore[assignment] # one for three overloads
        of_subclass(Connection[DocT].get_database)
    )
    get_default_database = wraps_result(AsyncLegacyDatabase._wrap)(
        of_subclass(Connection[DocT].get_default_database)
    )
    copy_database = awaits(of_subclass(Connection[DocT].copy_database))
    database_names = awaits(of_subclass(Connection[DocT].database_names))
    drop_database = awaits(of_subclass(Connection[DocT].drop_database))

    close_cursor = awaits(of_subclass(Connection[DocT].close_cursor))
    fsync = awaits(of_subclass(Connection[DocT].fsync))
    kill_cursors = awaits(of_subclass(Connection[DocT].kill_cursors))
    unlock = awaits(of_subclass(Connection[DocT].unlock))

    @property
    async def is_locked(self) -> bool:
        """Whether the server is locked against writes."""
        sync: Any = self._sync
        return await self._dispatcher.call(lambda: bool(sync.is_locked))

    def __getattr__(self, name: str) -> AsyncLegacyDatabase[DocT]:
        return cast("AsyncLegacyDatabase[DocT]", super().__getattr__(name))

    def __getitem__(self, name: str) -> AsyncLegacyDatabase[DocT]:
        return AsyncLegacyDatabase._wrap(self, self._sync[name])


class AsyncConnection(AsyncLegacyClient[DocT], Generic[DocT]):
    """`greenmongo.Connection` for tasks. It connects with the first operation."""

    def __init__(
        self,
        host: str | Sequence[str] | None = None,
        port: int | None = None,
        max_pool_size: int | None = None,
        network_timeout: float | None = None,
        document_class: type[DocT] | None = None,
        tz_aware: bool | None = None,
        **kwargs: Any,
    ) -> None:
        """Name a deployment, with the arguments of `greenmongo.Connection`.

        Raises:
            ConfigurationError: an option is unknown, or has no such value.
        """
        self._sync = Connection(
            host, port, max_pool_size, network_timeout, document_class, tz_aware, False, **kwargs
        )
        self._dispatcher = HubDispatcher(self._sync)

    disconnect = awaits(of_subclass(Connection[DocT].disconnect))
    host = mirrors_property(Connection, "host")
    port = mirrors_property(Connection, "port")


class AsyncReplicaSetConnection(AsyncLegacyClient[DocT], Generic[DocT]):
    """`greenmongo.ReplicaSetConnection` for tasks. It connects with the first operation."""

    def __init__(
        self,
        hosts_or_uri: str | None = None,
        max_pool_size: int | None = None,
        document_class: type[DocT] | None = None,
        tz_aware: bool | None = None,
        **kwargs: Any,
    ) -> None:
        """Name a replica set, with the arguments of `greenmongo.ReplicaSetConnection`.

        Raises:
            ConfigurationError: an option is unknown, has no such value, or `replicaSet` is missing.
        """
        self._sync = ReplicaSetConnection(
            hosts_or_uri, max_pool_size, document_class, tz_aware, **{**kwargs, "connect": False}
        )
        self._dispatcher = HubDispatcher(self._sync)

    disconnect = awaits(of_subclass(ReplicaSetConnection[DocT].disconnect))
    refresh = awaits(of_subclass(ReplicaSetConnection[DocT].refresh))
    hosts = mirrors_property(ReplicaSetConnection, "hosts")
    seeds = mirrors_property(ReplicaSetConnection, "seeds")
