"""Databases, under the name of PyMongo's module."""

from __future__ import annotations

from greenmongo._api.database import Database

__all__ = ["Database"]
