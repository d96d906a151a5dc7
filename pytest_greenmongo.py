"""The pytest plugin: a server for the session, a client for the session, a database for a test.

pytest loads it at every start, also for tests that use no database. So it is a module of its own
and imports the driver when a fixture is first asked for. The plugin is called `greenmongo`;
`-p no:greenmongo` leaves it out. Override `greenmongo_uri` in your conftest.py to use a server of
your own.

The async fixtures are ordinary ones, not coroutines: a client belongs to no loop. So pytest-asyncio
may give every test a loop of its own, and anyio's plugin may run it on asyncio and trio in turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from bridge import AsyncDatabase, AsyncMongoClient
    from greenmongo import Database, MongoClient
    from greenmongo.embedded import MongoServer

__all__ = [
    "greenmongo_async_client",
    "greenmongo_async_database",
    "greenmongo_client",
    "greenmongo_database",
    "greenmongo_server",
    "greenmongo_uri",
]


@pytest.fixture(scope="session")
def greenmongo_server() -> Iterator[MongoServer]:
    """A replica set of one member, started by the first test that asks and stopped at the end."""
    from greenmongo.embedded import MongoServer

    with MongoServer() as server:
        yield server


@pytest.fixture(scope="session")
def greenmongo_uri(greenmongo_server: MongoServer) -> str:
    """The connection string of the server that the other fixtures use."""
    return greenmongo_server.uri


@pytest.fixture(scope="session")
def greenmongo_client(greenmongo_uri: str) -> Iterator[MongoClient[dict[str, Any]]]:
    """One client for all tests of the session."""
    from greenmongo import MongoClient

    with MongoClient[dict[str, Any]](greenmongo_uri) as client:
        yield client


@pytest.fixture
def greenmongo_database(
    greenmongo_client: MongoClient[dict[str, Any]],
) -> Iterator[Database[dict[str, Any]]]:
    """An empty database of this test's own; it is dropped afterwards."""
    database = greenmongo_client[f"test_{uuid4().hex}"]
    yield database
    greenmongo_client.drop_database(database)


@pytest.fixture(scope="session")
def greenmongo_async_client(
    greenmongo_client: MongoClient[dict[str, Any]],
) -> AsyncMongoClient[dict[str, Any]]:
    """The async face of `greenmongo_client`, for the tests of all loops."""
    # Not from `bridge`: a module of the project under test may be called so.
    from greenmongo import AsyncMongoClient

    return AsyncMongoClient.from_client(greenmongo_client)


@pytest.fixture
def greenmongo_async_database(
    greenmongo_async_client: AsyncMongoClient[dict[str, Any]],
    greenmongo_database: Database[dict[str, Any]],
) -> AsyncDatabase[dict[str, Any]]:
    """The async face of `greenmongo_database`: empty, and dropped after the test."""
    return greenmongo_async_client[greenmongo_database.name]
