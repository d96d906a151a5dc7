"""What both faces of GridFS share, under the name of PyMongo's module."""

from __future__ import annotations

from greenmongo._core.gridfs.layout import DEFAULT_CHUNK_SIZE

__all__ = ["DEFAULT_CHUNK_SIZE"]
