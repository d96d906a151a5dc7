"""The clients of PyMongo 2.x for tasks: a connection for each, and nothing is retried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

from bridge._client import AsyncMongoClient
from bridge._lane import Door
from greenmongo import Connection, ReplicaSetConnection

__all__ = ["AsyncConnection", "AsyncReplicaSetConnection"]

DocT = TypeVar("DocT", bound=Mapping[str, Any])


class AsyncConnection(AsyncMongoClient[DocT], Generic[DocT]):
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
        self._connection = Connection(
            host, port, max_pool_size, network_timeout, document_class, tz_aware, False, **kwargs
        )
        self._it = self._connection
        self._door = Door(self._it)

    async def disconnect(self) -> None:
        """Close the connections; the next operation opens new ones, requests go on."""
        await self._door.call(self._connection.disconnect)


class AsyncReplicaSetConnection(AsyncMongoClient[DocT], Generic[DocT]):
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
        self._connection = ReplicaSetConnection(
            hosts_or_uri, max_pool_size, document_class, tz_aware, **{**kwargs, "connect": False}
        )
        self._it = self._connection
        self._door = Door(self._it)

    async def disconnect(self) -> None:
        """Close the primary's connections; the next operation opens new ones, requests go on."""
        await self._door.call(self._connection.disconnect)
