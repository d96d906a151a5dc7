"""Whose clients the callers use: ours, or PyMongo's, by which the verdicts themselves are tried."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

import pymongo
from pymongo.monitoring import (
    ConnectionCheckedInEvent,
    ConnectionCheckedOutEvent,
    ConnectionCheckOutFailedEvent,
    ConnectionCheckOutStartedEvent,
    ConnectionClosedEvent,
    ConnectionClosedReason,
    ConnectionCreatedEvent,
    ConnectionPoolListener,
    ConnectionReadyEvent,
    PoolClearedEvent,
    PoolClosedEvent,
    PoolCreatedEvent,
    PoolReadyEvent,
)

from bridge import AsyncMongoClient
from greenmongo import MongoClient

__all__ = ["Closings", "Driver", "Greenmongo", "PyMongo"]


Address = tuple[str, int | None]


class Closings(ConnectionPoolListener):
    """Remembers which connections were closed for an error, and which pools were cleared."""

    def __init__(self) -> None:
        self.broken: list[tuple[float, Address]] = []
        self.cleared: list[tuple[float, Address]] = []

    def connection_closed(self, event: ConnectionClosedEvent) -> None:
        """Remember."""
        if event.reason == ConnectionClosedReason.ERROR:
            self.broken.append((monotonic(), event.address))

    def pool_created(self, event: PoolCreatedEvent) -> None:
        """Ignore."""

    def pool_ready(self, event: PoolReadyEvent) -> None:
        """Ignore."""

    def pool_cleared(self, event: PoolClearedEvent) -> None:
        """Remember."""
        self.cleared.append((monotonic(), event.address))

    def pool_closed(self, event: PoolClosedEvent) -> None:
        """Ignore."""

    def connection_created(self, event: ConnectionCreatedEvent) -> None:
        """Ignore."""

    def connection_ready(self, event: ConnectionReadyEvent) -> None:
        """Ignore."""

    def connection_check_out_started(self, event: ConnectionCheckOutStartedEvent) -> None:
        """Ignore."""

    def connection_check_out_failed(self, event: ConnectionCheckOutFailedEvent) -> None:
        """Ignore."""

    def connection_checked_out(self, event: ConnectionCheckedOutEvent) -> None:
        """Ignore."""

    def connection_checked_in(self, event: ConnectionCheckedInEvent) -> None:
        """Ignore."""


class Driver(ABC):
    """A blocking client, and its async twin."""

    kinds: tuple[str, ...]
    """Callers that can use it."""
    has_requests: bool
    can_cancel: bool
    """Whether tasks may be cancelled at any time."""

    def __init__(self, uri: str, options: dict[str, Any]) -> None:
        self.closings = Closings()
        self.uri = uri
        self.options: dict[str, Any] = options | {"event_listeners": [self.closings]}
        self.client: Any = self._open()

    @abstractmethod
    def _open(self) -> Any:
        """Return a blocking client."""

    @abstractmethod
    def face(self) -> Any:
        """Return an async context manager of an async client, for one event loop."""


class Greenmongo(Driver):
    """One client for all."""

    kinds: tuple[str, ...] = ("greenlet", "thread", "asyncio", "trio")
    has_requests = True
    can_cancel = True

    def _open(self) -> MongoClient[dict[str, Any]]:
        return MongoClient(self.uri, **self.options)

    @asynccontextmanager
    async def face(self) -> AsyncIterator[AsyncMongoClient[dict[str, Any]]]:
        """Return the async face of the client, which stays open."""
        yield AsyncMongoClient.from_client(self.client)


class PyMongo(Driver):
    """One client for threads, and one for each event loop."""

    kinds: tuple[str, ...] = ("thread", "asyncio")
    has_requests = False
    # Tasks that are cancelled while they wait for its pool may hold it up for ever.
    can_cancel = False

    def _open(self) -> Any:
        return pymongo.MongoClient(self.uri, **self.options)

    @asynccontextmanager
    async def face(self) -> AsyncIterator[Any]:
        """Return a client of its own."""
        async with pymongo.AsyncMongoClient(self.uri, **self.options) as client:
            yield client
