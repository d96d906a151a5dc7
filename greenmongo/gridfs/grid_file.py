"""Blocking GridFS, under the name of PyMongo's module."""

from __future__ import annotations

from greenmongo.gridfs import GridFS, GridFSBucket, GridIn, GridOut, GridOutCursor

__all__ = ["GridFS", "GridFSBucket", "GridIn", "GridOut", "GridOutCursor"]
