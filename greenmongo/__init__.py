"""A MongoDB driver for greenlets and threads, with PyMongo's API; `bridge` is its async face.

All that can be imported from `pymongo` can be imported from here, and so can all of `bridge`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymongo import get_version_string, has_c, version, version_tuple
from pymongo.collection import ReturnDocument
from pymongo.operations import (
    DeleteMany,
    DeleteOne,
    IndexModel,
    InsertOne,
    ReplaceOne,
    UpdateMany,
    UpdateOne,
)
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from greenmongo._api.change_stream import ChangeStream
from greenmongo._api.client import MongoClient
from greenmongo._api.client_session import ClientSession
from greenmongo._api.collection import Collection
from greenmongo._api.command_cursor import CommandCursor
from greenmongo._api.cursor import Cursor
from greenmongo._api.database import Database
from greenmongo._api.raw_batches import RawBatchCommandCursor, RawBatchCursor
from greenmongo._api.request import Request
from greenmongo._core.constants import (
    ASCENDING,
    DESCENDING,
    GEO2D,
    GEOSPHERE,
    HASHED,
    TEXT,
    CursorType,
)
from greenmongo._core.sdam.compatibility import MAX_WIRE_VERSION as MAX_SUPPORTED_WIRE_VERSION
from greenmongo._core.sdam.compatibility import MIN_WIRE_VERSION as MIN_SUPPORTED_WIRE_VERSION
from greenmongo._core.version import VERSION as __version__
from greenmongo._lazy_names import lazy_names as _lazy_names
from greenmongo._net.time_limit import timeout
from greenmongo.hub import run

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
    )
    from greenmongo._api.gridfs.bucket import GridFSBucket
    from greenmongo._api.gridfs.cursor import GridOutCursor
    from greenmongo._api.gridfs.filesystem import GridFS
    from greenmongo._api.gridfs.grid_in import GridIn
    from greenmongo._api.gridfs.grid_out import GridOut
    from greenmongo._legacy.connection import Connection
    from greenmongo._legacy.replica_set_connection import (
        MongoReplicaSetClient,
        ReplicaSetConnection,
    )
else:
    _ASYNC = (
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
    )
    __getattr__ = _lazy_names(
        __name__,
        {
            **dict.fromkeys(_ASYNC, "bridge"),
            "Connection": "greenmongo._legacy.connection",
            "GridFS": "greenmongo._api.gridfs.filesystem",
            "GridFSBucket": "greenmongo._api.gridfs.bucket",
            "GridIn": "greenmongo._api.gridfs.grid_in",
            "GridOut": "greenmongo._api.gridfs.grid_out",
            "GridOutCursor": "greenmongo._api.gridfs.cursor",
            "MongoReplicaSetClient": "greenmongo._legacy.replica_set_connection",
            "ReplicaSetConnection": "greenmongo._legacy.replica_set_connection",
        },
    )


__all__ = [
    "ASCENDING",
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
    "ChangeStream",
    "ClientSession",
    "Collection",
    "CommandCursor",
    "Connection",
    "Cursor",
    "CursorType",
    "DESCENDING",
    "Database",
    "DeleteMany",
    "DeleteOne",
    "GEO2D",
    "GEOSPHERE",
    "GridFS",
    "GridFSBucket",
    "GridIn",
    "GridOut",
    "GridOutCursor",
    "HASHED",
    "IndexModel",
    "InsertOne",
    "MAX_SUPPORTED_WIRE_VERSION",
    "MIN_SUPPORTED_WIRE_VERSION",
    "MongoClient",
    "MongoReplicaSetClient",
    "RawBatchCommandCursor",
    "RawBatchCursor",
    "ReadConcern",
    "ReadPreference",
    "ReplaceOne",
    "ReplicaSetConnection",
    "Request",
    "ReturnDocument",
    "TEXT",
    "UpdateMany",
    "UpdateOne",
    "WriteConcern",
    "__version__",
    "block_on",
    "get_version_string",
    "has_c",
    "run",
    "timeout",
    "version",
    "version_tuple",
]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
