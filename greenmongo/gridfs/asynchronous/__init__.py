"""Async GridFS, under the name of PyMongo's package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gridfs.errors import NoFile

from greenmongo._bridge_door import names_of_bridge
from greenmongo._core.gridfs.layout import DEFAULT_CHUNK_SIZE

if TYPE_CHECKING:
    from bridge import (
        AsyncGridFS,
        AsyncGridFSBucket,
        AsyncGridIn,
        AsyncGridOut,
        AsyncGridOutCursor,
    )
else:
    __getattr__, __dir__ = names_of_bridge(__name__)

__all__ = [
    "AsyncGridFS",
    "AsyncGridFSBucket",
    "AsyncGridIn",
    "AsyncGridOut",
    "AsyncGridOutCursor",
    "DEFAULT_CHUNK_SIZE",
    "NoFile",
]
