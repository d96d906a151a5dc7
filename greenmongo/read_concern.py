"""Read concerns: PyMongo's class."""

from __future__ import annotations

from pymongo.read_concern import ReadConcern

__all__ = ["ReadConcern"]
