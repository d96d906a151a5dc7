"""The same as `greenmongo.database`, under the name of PyMongo's module."""

from __future__ import annotations

from greenmongo.database import Database

__all__ = ["Database"]
