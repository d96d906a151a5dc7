"""The same as `greenmongo.mongo_client`, under the name of PyMongo's module."""

from __future__ import annotations

from greenmongo.mongo_client import MongoClient

__all__ = ["MongoClient"]
