"""GridFS, under the name of PyMongo's package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gridfs.errors import CorruptGridFile, FileExists, GridFSError, NoFile

from greenmongo._api.gridfs.bucket import GridFSBucket
from greenmongo._api.gridfs.cursor import GridOutCursor
from greenmongo._api.gridfs.filesystem import GridFS
from greenmongo._api.gridfs.grid_in import GridIn
from greenmongo._api.gridfs.grid_out import GridOut
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
    "DEFAULT_CHUNK_SIZE",
    "AsyncGridFS",
    "AsyncGridFSBucket",
    "AsyncGridIn",
    "AsyncGridOut",
    "AsyncGridOutCursor",
    "CorruptGridFile",
    "FileExists",
    "GridFS",
    "GridFSBucket",
    "GridFSError",
    "GridIn",
    "GridOut",
    "GridOutCursor",
    "NoFile",
]
