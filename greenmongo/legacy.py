"""What code written for PyMongo 2.x works with: the clients, and all that is got from them."""

from __future__ import annotations

from greenmongo._legacy.bulk import (
    BulkOperationBuilder,
    BulkUpsertOperation,
    BulkWriteOperation,
)
from greenmongo._legacy.collection import LegacyCollection
from greenmongo._legacy.connection import Connection
from greenmongo._legacy.cursor import LegacyCursor
from greenmongo._legacy.database import LegacyDatabase
from greenmongo._legacy.gridfs import GridFS
from greenmongo._legacy.javascript import SystemJS
from greenmongo._legacy.manipulators import (
    AutoReference,
    NamespaceInjector,
    ObjectIdInjector,
    ObjectIdShuffler,
    SONManipulator,
)
from greenmongo._legacy.removed import RemovedFromServer
from greenmongo._legacy.replica_set_connection import MongoReplicaSetClient, ReplicaSetConnection

__all__ = [
    "AutoReference",
    "BulkOperationBuilder",
    "BulkUpsertOperation",
    "BulkWriteOperation",
    "Connection",
    "GridFS",
    "LegacyCollection",
    "LegacyCursor",
    "LegacyDatabase",
    "MongoReplicaSetClient",
    "NamespaceInjector",
    "ObjectIdInjector",
    "ObjectIdShuffler",
    "RemovedFromServer",
    "ReplicaSetConnection",
    "SONManipulator",
    "SystemJS",
]
