"""The exceptions: PyMongo's own classes, and the few that greenmongo adds.

    PyMongoError
    ├── ConnectionFailure
    │   ├── WaitQueueTimeoutError
    │   └── AutoReconnect
    │       ├── NetworkTimeout
    │       ├── NotPrimaryError
    │       ├── ServerSelectionTimeoutError
    │       └── RequestBroken               a strict request lost its connection
    ├── OperationFailure
    │   ├── CursorNotFound
    │   ├── ExecutionTimeout
    │   ├── WriteError
    │   │   └── DuplicateKeyError
    │   ├── WriteConcernError
    │   │   └── WTimeoutError
    │   ├── BulkWriteError
    │   ├── ClientBulkWriteException
    │   └── RemovedFromServer               what legacy methods no longer can do
    ├── InvalidOperation
    │   ├── HubClosed                       the hub thread has stopped
    │   ├── LoopClosed                      the event loop of `block_on` was closed
    │   └── MisuseError                     the driver used as it cannot be; says where
    │       └── ConcurrentSessionUse        by two at once; says where both are
    ├── ConfigurationError
    │   └── InvalidURI
    ├── CollectionInvalid
    ├── EncryptionError
    │   └── EncryptedCollectionError
    ├── ExceededMaxWaiters                  waitQueueMultiple
    ├── InvalidName
    └── ProtocolError

`written_before` tells what a bulk write had written before it ended with an error.

`RemovedFromServer` is a `NotImplementedError` too; `DocumentTooLarge` derives from
`bson.errors.InvalidDocument`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bson.errors import InvalidDocument
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ClientBulkWriteException,
    CollectionInvalid,
    ConfigurationError,
    ConnectionFailure,
    CursorNotFound,
    DocumentTooLarge,
    DuplicateKeyError,
    EncryptedCollectionError,
    EncryptionError,
    ExecutionTimeout,
    InvalidName,
    InvalidOperation,
    InvalidURI,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    ProtocolError,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WriteConcernError,
    WriteError,
    WTimeoutError,
)

from greenmongo._core.bulk.partial import written_before
from greenmongo._core.requests.errors import ExceededMaxWaiters, RequestBroken
from greenmongo._hub.errors import HubClosed, MisuseError
from greenmongo._lazy_names import lazy_names as _lazy_names
from greenmongo._net.session_use import ConcurrentSessionUse

if TYPE_CHECKING:
    from bridge.errors import LoopClosed
    from greenmongo._legacy.removed import RemovedFromServer
else:
    __getattr__ = _lazy_names(
        __name__,
        {"LoopClosed": "bridge.errors", "RemovedFromServer": "greenmongo._legacy.removed"},
    )

__all__ = [
    "AutoReconnect",
    "BulkWriteError",
    "ClientBulkWriteException",
    "CollectionInvalid",
    "ConcurrentSessionUse",
    "ConfigurationError",
    "ConnectionFailure",
    "CursorNotFound",
    "DocumentTooLarge",
    "DuplicateKeyError",
    "EncryptedCollectionError",
    "EncryptionError",
    "ExceededMaxWaiters",
    "ExecutionTimeout",
    "HubClosed",
    "InvalidDocument",
    "InvalidName",
    "InvalidOperation",
    "InvalidURI",
    "LoopClosed",
    "MisuseError",
    "NetworkTimeout",
    "NotPrimaryError",
    "OperationFailure",
    "ProtocolError",
    "PyMongoError",
    "RemovedFromServer",
    "RequestBroken",
    "ServerSelectionTimeoutError",
    "WTimeoutError",
    "WaitQueueTimeoutError",
    "WriteConcernError",
    "WriteError",
    "written_before",
]
