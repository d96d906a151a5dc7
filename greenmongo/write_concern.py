"""Write concerns: PyMongo's class."""

from __future__ import annotations

from pymongo.write_concern import WriteConcern

__all__ = ["WriteConcern"]
