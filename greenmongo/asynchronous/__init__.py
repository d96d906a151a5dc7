"""The async classes and functions of `bridge`, and PyMongo's names of their modules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenmongo._bridge_door import names_of_bridge

if TYPE_CHECKING:
    from bridge import (
        AsyncBulkOperationBuilder,
        AsyncChangeStream,
        AsyncClientSession,
        AsyncCollection,
        AsyncCommandCursor,
        AsyncConnection,
        AsyncCursor,
        AsyncDatabase,
        AsyncGridFS,
        AsyncGridFSBucket,
        AsyncGridIn,
        AsyncGridOut,
        AsyncGridOutCursor,
        AsyncLegacyCollection,
        AsyncLegacyCursor,
        AsyncLegacyDatabase,
        AsyncLegacyGridFS,
        AsyncMongoClient,
        AsyncRawBatchCommandCursor,
        AsyncRawBatchCursor,
        AsyncReplicaSetConnection,
        AsyncRequest,
        block_on,
        run,
    )
else:
    __getattr__, __dir__ = names_of_bridge(__name__)

__all__ = [
    "AsyncBulkOperationBuilder",
    "AsyncChangeStream",
    "AsyncClientSession",
    "AsyncCollection",
    "AsyncCommandCursor",
    "AsyncConnection",
    "AsyncCursor",
    "AsyncDatabase",
    "AsyncGridFS",
    "AsyncGridFSBucket",
    "AsyncGridIn",
    "AsyncGridOut",
    "AsyncGridOutCursor",
    "AsyncLegacyCollection",
    "AsyncLegacyCursor",
    "AsyncLegacyDatabase",
    "AsyncLegacyGridFS",
    "AsyncMongoClient",
    "AsyncRawBatchCommandCursor",
    "AsyncRawBatchCursor",
    "AsyncReplicaSetConnection",
    "AsyncRequest",
    "block_on",
    "run",
]
