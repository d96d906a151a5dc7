"""Change streams, under the name of PyMongo's module."""

from __future__ import annotations

from greenmongo._api.change_stream import (
    ChangeStream,
    ClusterChangeStream,
    CollectionChangeStream,
    DatabaseChangeStream,
)

__all__ = [
    "ChangeStream",
    "ClusterChangeStream",
    "CollectionChangeStream",
    "DatabaseChangeStream",
]
