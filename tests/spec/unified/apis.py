"""The APIs that the same test is played on: our blocking one, ours for event loops, PyMongo's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

import gridfs
import pymongo

import bridge
import greenmongo
from bridge import AsyncMongoClient
from greenmongo import MongoClient
from tests.spec.unified.outcomes import Unsupported
from tests.support.loop_actor import AsyncioActor, Blocking

__all__ = ["APIS", "Api", "AsyncApi", "BlockingApi", "PyMongoApi"]


class Api(ABC):
    """Makes clients, and lets blocking code use them from one thread or task.

    A test keeps the objects themselves, and calls methods of their faces.
    """

    name: str
    logger = "greenmongo"
    """The name that those of its loggers begin with."""
    is_ours = True

    @abstractmethod
    def connect(self, uri: str, **options: Any) -> Any:
        """Return a client that has started to connect."""

    @abstractmethod
    def bucket(self, database: Any, **options: Any) -> Any:
        """Return a GridFS bucket."""

    @abstractmethod
    def face(self, it: Any) -> Any:
        """Return an object with the blocking methods of `it`."""

    @abstractmethod
    def enter(self, block: AbstractContextManager[None]) -> AbstractContextManager[None]:
        """Return a block that is entered where the calls are made."""

    @abstractmethod
    def callback(self, fn: Callable[[], Any]) -> Callable[[Any], Any]:
        """Return what `with_transaction` can call, of a function that plays on this API."""

    @abstractmethod
    def another(self) -> Api:
        """Return an API of the same kind for a concurrent thread or task."""

    def timeout(self, seconds: float | None) -> AbstractContextManager[None]:
        """Return a block whose operations have a time limit."""
        return greenmongo.timeout(seconds)

    def transaction_state(self, session: Any) -> str:
        """Return the state of a session's transaction by the specification's name."""
        return str(session._state.transaction.state.name).lower()

    def pinned_address(self, session: Any) -> Any:
        """Return the address of the mongos that a session is pinned to, or None."""
        return session._state.transaction.pinned_address

    def is_dirty(self, session: Any) -> bool:
        """Tell whether a session's server session must not be used by another one."""
        return bool(session._state.server_session.is_dirty)

    @abstractmethod
    def close(self) -> None:
        """Give back what the API itself holds."""


class BlockingApi(Api):
    """`greenmongo` from ordinary threads."""

    name = "blocking"

    def connect(self, uri: str, **options: Any) -> Any:
        return MongoClient(uri, **options)

    def bucket(self, database: Any, **options: Any) -> Any:
        return _required(greenmongo, "GridFSBucket")(database, **options)

    def face(self, it: Any) -> Any:
        return it

    def enter(self, block: AbstractContextManager[None]) -> AbstractContextManager[None]:
        return block

    def callback(self, fn: Callable[[], Any]) -> Callable[[Any], Any]:
        return lambda session: fn()

    def another(self) -> Api:
        return self

    def close(self) -> None:
        """Do nothing: nothing is held."""


class PyMongoApi(BlockingApi):
    """PyMongo itself, with which the runner is tried: `GREENMONGO_SPEC_APIS=pymongo`."""

    name = "pymongo"
    logger = "pymongo"
    is_ours = False

    def connect(self, uri: str, **options: Any) -> Any:
        return pymongo.MongoClient(uri, **options)

    def bucket(self, database: Any, **options: Any) -> Any:
        return gridfs.GridFSBucket(database, **options)

    def timeout(self, seconds: float | None) -> AbstractContextManager[None]:
        return pymongo.timeout(seconds)

    def transaction_state(self, session: Any) -> str:
        names = {1: "none", 2: "starting", 3: "in_progress", 4: "committed", 5: "committed"}
        return names.get(session._transaction.state, "aborted")

    def pinned_address(self, session: Any) -> Any:
        return session._transaction.pinned_address

    def is_dirty(self, session: Any) -> bool:
        return bool(session._server_session.dirty)


class AsyncApi(Api):
    """`bridge`, from a task of an asyncio loop."""

    name = "async"

    def __init__(self) -> None:
        self._actor = AsyncioActor()

    def connect(self, uri: str, **options: Any) -> Any:
        client: AsyncMongoClient[Any] = AsyncMongoClient(uri, **options)
        self._actor.call(client.aconnect)
        return client

    def bucket(self, database: Any, **options: Any) -> Any:
        make = _required(bridge, "AsyncGridFSBucket")
        return self._actor.call(lambda: make(database, **options))

    def face(self, it: Any) -> Any:
        return Blocking(self._actor, it)

    @contextmanager
    def enter(self, block: AbstractContextManager[None]) -> Iterator[None]:
        self._actor.call(block.__enter__)
        try:
            yield
        finally:
            self._actor.call(partial(block.__exit__, None, None, None))

    def callback(self, fn: Callable[[], Any]) -> Callable[[Any], Any]:
        async def call_back(session: Any) -> Any:
            return await self._actor.call_back(fn)

        return call_back

    def another(self) -> Api:
        return AsyncApi()

    def close(self) -> None:
        self._actor.stop()


def _required(package: Any, name: str) -> Any:
    """Return a class of ours that may not be there."""
    found = getattr(package, name, None)
    if found is None:
        raise Unsupported(f"there is no {name}")
    return found


APIS: dict[str, type[Api]] = {api.name: api for api in (BlockingApi, AsyncApi, PyMongoApi)}
