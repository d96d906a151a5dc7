"""The same as `greenmongo.command_cursor`, under the name of PyMongo's module."""

from __future__ import annotations

from greenmongo.command_cursor import CommandCursor, RawBatchCommandCursor

__all__ = ["CommandCursor", "RawBatchCommandCursor"]
