"""greenmongo for asyncio and trio: the same client, with `await`."""

from __future__ import annotations

from bridge._change_stream import AsyncChangeStream
from bridge._client import AsyncMongoClient
from bridge._collection import AsyncCollection
from bridge._crossing.block_on import block_on
from bridge._cursor import (
    AsyncCommandCursor,
    AsyncCursor,
    AsyncRawBatchCommandCursor,
    AsyncRawBatchCursor,
)
from bridge._database import AsyncDatabase
from bridge._gridfs.bucket import AsyncGridFSBucket
from bridge._gridfs.cursor import AsyncGridOutCursor
from bridge._gridfs.filesystem import AsyncGridFS
from bridge._gridfs.grid_in import AsyncGridIn
from bridge._gridfs.grid_out import AsyncGridOut
from bridge._legacy.bulk import AsyncBulkOperationBuilder
from bridge._legacy.client import AsyncConnection, AsyncReplicaSetConnection
from bridge._legacy.collection import AsyncLegacyCollection
from bridge._legacy.cursor import AsyncLegacyCursor
from bridge._legacy.database import AsyncLegacyDatabase
from bridge._legacy.gridfs import AsyncLegacyGridFS
from bridge._request import AsyncRequest
from bridge._run import run
from bridge._session import AsyncClientSession

__all__ = [
    "AsyncMongoClient",
    "AsyncDatabase",
    "AsyncCollection",
    "AsyncCursor",
    "AsyncCommandCursor",
    "AsyncRawBatchCursor",
    "AsyncRawBatchCommandCursor",
    "AsyncGridFS",
    "AsyncGridFSBucket",
    "AsyncGridIn",
    "AsyncGridOut",
    "AsyncGridOutCursor",
    "AsyncRequest",
    "AsyncClientSession",
    "AsyncChangeStream",
    "AsyncConnection",
    "AsyncReplicaSetConnection",
    "AsyncLegacyDatabase",
    "AsyncLegacyCollection",
    "AsyncLegacyCursor",
    "AsyncLegacyGridFS",
    "AsyncBulkOperationBuilder",
    "block_on",
    "run",
]
