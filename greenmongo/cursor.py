"""Cursors, under the name of PyMongo's module."""

from __future__ import annotations

from greenmongo._api.cursor import Cursor
from greenmongo._api.raw_batches import RawBatchCursor
from greenmongo._core.constants import CursorType

__all__ = ["Cursor", "CursorType", "RawBatchCursor"]
