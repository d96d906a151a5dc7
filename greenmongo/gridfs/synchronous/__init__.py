"""Blocking GridFS, under the name of PyMongo's package."""

from __future__ import annotations

from greenmongo.gridfs import (
    DEFAULT_CHUNK_SIZE,
    GridFS,
    GridFSBucket,
    GridIn,
    GridOut,
    GridOutCursor,
    NoFile,
)

__all__ = [
    "DEFAULT_CHUNK_SIZE",
    "GridFS",
    "GridFSBucket",
    "GridIn",
    "GridOut",
    "GridOutCursor",
    "NoFile",
]
