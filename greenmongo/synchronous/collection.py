"""The same as `greenmongo.collection`, under the name of PyMongo's module."""

from __future__ import annotations

from greenmongo.collection import Collection, ReturnDocument

__all__ = ["Collection", "ReturnDocument"]
