"""Command cursors, under the name of PyMongo's module."""

from __future__ import annotations

from greenmongo._api.command_cursor import CommandCursor
from greenmongo._api.raw_batches import RawBatchCommandCursor

__all__ = ["CommandCursor", "RawBatchCommandCursor"]
