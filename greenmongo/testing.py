"""Fixtures for pytest: a server for the session, a client for the session, a database for a test.

The plugin is found by itself; `-p no:greenmongo` leaves it out. Override `greenmongo_uri` in your
conftest.py to use a server of your own. The fixtures for asyncio and trio are in `bridge.testing`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from greenmongo._api.client import MongoClient
from greenmongo._api.database import Database
from greenmongo.embedded import MongoServer

__all__ = [
    "greenmongo_client",
    "greenmongo_database",
    "greenmongo_server",
    "greenmongo_uri",
]


@pytest.fixture(scope="session")
def greenmongo_server() -> Iterator[MongoServer]:
    """A replica set of one member, started by the first test that asks and stopped at the end."""
    with MongoServer() as server:
        yield server


@pytest.fixture(scope="session")
def greenmongo_uri(greenmongo_server: MongoServer) -> str:
    """The connection string of the server that the other fixtures use."""
    return greenmongo_server.uri


@pytest.fixture(scope="session")
def greenmongo_client(greenmongo_uri: str) -> Iterator[MongoClient[dict[str, Any]]]:
    """One client for all tests of the session."""
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
