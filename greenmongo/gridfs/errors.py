"""The errors of GridFS: PyMongo's classes."""

from __future__ import annotations

from gridfs.errors import CorruptGridFile, FileExists, GridFSError, NoFile

__all__ = ["CorruptGridFile", "FileExists", "GridFSError", "NoFile"]
