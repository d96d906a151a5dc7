"""The same as `greenmongo.change_stream`, under the name of PyMongo's module."""

from __future__ import annotations

from greenmongo.change_stream import (
    ChangeStream,
    ClusterChangeStream,
    CollectionChangeStream,
    DatabaseChangeStream,
)

__all__ = ["ChangeStream", "ClusterChangeStream", "CollectionChangeStream", "DatabaseChangeStream"]
