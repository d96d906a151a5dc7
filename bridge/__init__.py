"""greenmongo for asyncio and trio: the same client, with `await`."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
from bridge._request import AsyncRequest
from bridge._run import run
from bridge._session import AsyncClientSession
from greenmongo.lowlevel import lazy_names as _lazy_names

if TYPE_CHECKING:
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
else:
    __getattr__ = _lazy_names(
        __name__,
        {
            "AsyncBulkOperationBuilder": "bridge._legacy.bulk",
            "AsyncConnection": "bridge._legacy.client",
            "AsyncGridFS": "bridge._gridfs.filesystem",
            "AsyncGridFSBucket": "bridge._gridfs.bucket",
            "AsyncGridIn": "bridge._gridfs.grid_in",
            "AsyncGridOut": "bridge._gridfs.grid_out",
            "AsyncGridOutCursor": "bridge._gridfs.cursor",
            "AsyncLegacyCollection": "bridge._legacy.collection",
            "AsyncLegacyCursor": "bridge._legacy.cursor",
            "AsyncLegacyDatabase": "bridge._legacy.database",
            "AsyncLegacyGridFS": "bridge._legacy.gridfs",
            "AsyncReplicaSetConnection": "bridge._legacy.client",
        },
    )

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


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
