"""A MongoDB driver for greenlets and threads, with PyMongo's API; `bridge` is its async face."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
from greenmongo._core.version import VERSION as __version__
from greenmongo._lazy_names import lazy_names as _lazy_names
from greenmongo._net.time_limit import timeout
from greenmongo.hub import run

if TYPE_CHECKING:
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
    __getattr__ = _lazy_names(
        __name__,
        {
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
    "DESCENDING",
    "GEO2D",
    "GEOSPHERE",
    "HASHED",
    "TEXT",
    "ClientSession",
    "ChangeStream",
    "Collection",
    "CommandCursor",
    "Connection",
    "Cursor",
    "CursorType",
    "Database",
    "DeleteMany",
    "DeleteOne",
    "GridFS",
    "GridFSBucket",
    "GridIn",
    "GridOut",
    "GridOutCursor",
    "IndexModel",
    "InsertOne",
    "MongoClient",
    "MongoReplicaSetClient",
    "RawBatchCommandCursor",
    "RawBatchCursor",
    "ReadConcern",
    "ReadPreference",
    "ReplaceOne",
    "Request",
    "ReplicaSetConnection",
    "ReturnDocument",
    "UpdateMany",
    "UpdateOne",
    "WriteConcern",
    "__version__",
    "run",
    "timeout",
]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
