"""Collections, under the name of PyMongo's module."""

from __future__ import annotations

from pymongo.collection import ReturnDocument

from greenmongo._api.collection import Collection

__all__ = ["Collection", "ReturnDocument"]
