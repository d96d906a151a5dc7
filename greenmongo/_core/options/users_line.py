"""Which line of the user's a warning is about."""

from __future__ import annotations

import sys

__all__ = ["users_stacklevel"]

_PASSED = ("greenmongo.", "bridge.", "typing.")
"""Beside ours, that which calls the class in `MongoClient[Movie](...)`."""


def users_stacklevel() -> int:
    """Return the `stacklevel` of a warning that blames the line which called into the driver."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and f"{frame.f_globals.get('__name__')}.".startswith(_PASSED):
        level, frame = level + 1, frame.f_back
    return level
