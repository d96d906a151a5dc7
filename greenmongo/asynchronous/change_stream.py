"""Async change streams, under the name of PyMongo's module."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenmongo._bridge_door import names_of_bridge

if TYPE_CHECKING:
    from bridge._change_stream import (
        AsyncChangeStream,
        AsyncClusterChangeStream,
        AsyncCollectionChangeStream,
        AsyncDatabaseChangeStream,
    )
else:
    __getattr__, __dir__ = names_of_bridge(__name__, "._change_stream")

__all__ = [
    "AsyncChangeStream",
    "AsyncClusterChangeStream",
    "AsyncCollectionChangeStream",
    "AsyncDatabaseChangeStream",
]
