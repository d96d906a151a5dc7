"""The public constants: index kinds and cursor types, with PyMongo's values."""

from __future__ import annotations

from typing import Final

__all__ = [
    "ASCENDING",
    "DESCENDING",
    "GEO2D",
    "GEOSPHERE",
    "HASHED",
    "TEXT",
    "CursorType",
    "QueryFlag",
]

ASCENDING: Final = 1
"""Ascending sort order."""
DESCENDING: Final = -1
"""Descending sort order."""
GEO2D: Final = "2d"
"""Index specifier for a 2-dimensional geospatial index."""
GEOSPHERE: Final = "2dsphere"
"""Index specifier for a spherical geospatial index."""
HASHED: Final = "hashed"
"""Index specifier for a hashed index."""
TEXT: Final = "text"
"""Index specifier for a text index."""


class QueryFlag:
    """The bits of a cursor's flags, numbered as in the retired OP_QUERY message."""

    TAILABLE: Final = 2
    OPLOG_REPLAY: Final = 8
    NO_TIMEOUT: Final = 16
    AWAIT_DATA: Final = 32
    EXHAUST: Final = 64
    PARTIAL: Final = 128


class CursorType:
    """What kind of cursor `find` opens."""

    NON_TAILABLE: Final = 0
    """The standard cursor type."""
    TAILABLE: Final = QueryFlag.TAILABLE
    """Stays open on a capped collection after its last document was read."""
    TAILABLE_AWAIT: Final = QueryFlag.TAILABLE | QueryFlag.AWAIT_DATA
    """A tailable cursor for which the server waits a few seconds for new documents."""
    EXHAUST: Final = QueryFlag.EXHAUST
    """Accepted for PyMongo's sake; batches are requested one by one as for other cursors."""
