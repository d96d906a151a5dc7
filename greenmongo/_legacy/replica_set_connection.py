"""The replica set clients of PyMongo 2.x."""

from __future__ import annotations

from typing import Generic

from greenmongo._core.types import DocT
from greenmongo._legacy._client import LegacyClient
from greenmongo._legacy._replica_set import LegacyReplicaSetClient

__all__ = ["MongoReplicaSetClient", "ReplicaSetConnection"]


class ReplicaSetConnection(LegacyReplicaSetClient[DocT], LegacyClient[DocT], Generic[DocT]):
    """The replica set client of PyMongo before 2.4, with the methods of that time and today's.

    Each greenlet, thread or task gets a connection of its own to each member that it uses.
    Nothing is retried.
    """


class MongoReplicaSetClient(LegacyReplicaSetClient[DocT], Generic[DocT]):
    """A `MongoClient` with the constructor and the attributes of its namesake of 2.4 to 2.9.

    Methods, results and defaults are today's.
    """
