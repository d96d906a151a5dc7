"""Fixtures for pytest, for tests on asyncio and trio: the async faces of `greenmongo.testing`'s.

They are ordinary fixtures, not coroutines: a client belongs to no loop. So pytest-asyncio may give
every test a loop of its own, and anyio's plugin may run it on asyncio and trio in turn.
`-p no:greenmongo_bridge` leaves the plugin out.
"""

from __future__ import annotations

from typing import Any

import pytest

from bridge._client import AsyncMongoClient
from bridge._database import AsyncDatabase
from greenmongo import Database, MongoClient

__all__ = ["greenmongo_async_client", "greenmongo_async_database"]


@pytest.fixture(scope="session")
def greenmongo_async_client(
    greenmongo_client: MongoClient[dict[str, Any]],
) -> AsyncMongoClient[dict[str, Any]]:
    """The async face of `greenmongo_client`, for the tests of all loops."""
    return AsyncMongoClient.from_client(greenmongo_client)


@pytest.fixture
def greenmongo_async_database(
    greenmongo_async_client: AsyncMongoClient[dict[str, Any]],
    greenmongo_database: Database[dict[str, Any]],
) -> AsyncDatabase[dict[str, Any]]:
    """The async face of `greenmongo_database`: empty, and dropped after the test."""
    return greenmongo_async_client[greenmongo_database.name]
