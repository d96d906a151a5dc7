"""The same as `greenmongo.cursor`, under the name of PyMongo's module."""

from __future__ import annotations

from greenmongo.cursor import Cursor, CursorType, RawBatchCursor

__all__ = ["Cursor", "CursorType", "RawBatchCursor"]
