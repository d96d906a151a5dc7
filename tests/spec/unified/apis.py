"""The two APIs of the driver that the same test is played on: blocking, and for event loops."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

from bridge import AsyncMongoClient
from greenmongo import MongoClient
from tests.support.loop_actor import AsyncioActor, Blocking

__all__ = ["APIS", "AsyncApi", "BlockingApi", "Api"]


class Api(ABC):
    """Makes clients, and lets blocking code use them from one thread or task.

    A test keeps the objects themselves, and calls methods of their faces.
    """

    name: str

    @abstractmethod
    def connect(self, uri: str, **options: Any) -> Any:
        """Return a client that has started to connect."""

    @abstractmethod
    def face(self, it: Any) -> Any:
        """Return an object with the blocking methods of `it`."""

    @abstractmethod
    def enter(self, block: AbstractContextManager[None]) -> AbstractContextManager[None]:
        """Return a block that is entered where the calls are made."""

    @abstractmethod
    def another(self) -> Api:
        """Return an API of the same kind for a concurrent thread or task."""

    @abstractmethod
    def close(self) -> None:
        """Give back what the API itself holds."""


class BlockingApi(Api):
    """`greenmongo` from ordinary threads."""

    name = "blocking"

    def connect(self, uri: str, **options: Any) -> Any:
        return MongoClient(uri, **options)

    def face(self, it: Any) -> Any:
        return it

    def enter(self, block: AbstractContextManager[None]) -> AbstractContextManager[None]:
        return block

    def another(self) -> Api:
        return self

    def close(self) -> None:
        """Do nothing: nothing is held."""


class AsyncApi(Api):
    """`bridge`, from a task of an asyncio loop."""

    name = "async"

    def __init__(self) -> None:
        self._actor = AsyncioActor()

    def connect(self, uri: str, **options: Any) -> Any:
        client: AsyncMongoClient[Any] = AsyncMongoClient(uri, **options)
        self._actor.call(client.aconnect)
        return client

    def face(self, it: Any) -> Any:
        return Blocking(self._actor, it)

    @contextmanager
    def enter(self, block: AbstractContextManager[None]) -> Iterator[None]:
        self._actor.call(block.__enter__)
        try:
            yield
        finally:
            self._actor.call(partial(block.__exit__, None, None, None))

    def another(self) -> Api:
        return AsyncApi()

    def close(self) -> None:
        self._actor.stop()


APIS: dict[str, type[Api]] = {api.name: api for api in (BlockingApi, AsyncApi)}
