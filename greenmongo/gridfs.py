"""GridFS, under the name of PyMongo's package."""

from __future__ import annotations

from gridfs.errors import CorruptGridFile, FileExists, GridFSError, NoFile

from greenmongo._api.gridfs.bucket import GridFSBucket
from greenmongo._api.gridfs.cursor import GridOutCursor
from greenmongo._api.gridfs.filesystem import GridFS
from greenmongo._api.gridfs.grid_in import GridIn
from greenmongo._api.gridfs.grid_out import GridOut
from greenmongo._core.gridfs.layout import DEFAULT_CHUNK_SIZE

__all__ = [
    "DEFAULT_CHUNK_SIZE",
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
