"""greenmongo for asyncio and trio: the same client, with `await`."""

from __future__ import annotations

from bridge._client import AsyncMongoClient
from bridge._collection import AsyncCollection
from bridge._cursor import (
    AsyncCommandCursor,
    AsyncCursor,
    AsyncRawBatchCommandCursor,
    AsyncRawBatchCursor,
)
from bridge._database import AsyncDatabase
from bridge._errand import block_on
from bridge._legacy import AsyncConnection, AsyncReplicaSetConnection
from bridge._legacy_collection import AsyncLegacyCollection
from bridge._legacy_cursor import AsyncLegacyCursor
from bridge._legacy_database import AsyncLegacyDatabase
from bridge._request import AsyncRequest
from bridge._run import run

__all__ = [
    "AsyncMongoClient",
    "AsyncDatabase",
    "AsyncCollection",
    "AsyncCursor",
    "AsyncCommandCursor",
    "AsyncRawBatchCursor",
    "AsyncRawBatchCommandCursor",
    "AsyncRequest",
    "AsyncConnection",
    "AsyncReplicaSetConnection",
    "AsyncLegacyDatabase",
    "AsyncLegacyCollection",
    "AsyncLegacyCursor",
    "block_on",
    "run",
]
