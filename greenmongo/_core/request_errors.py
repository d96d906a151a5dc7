"""What a request can tell its owner."""

from __future__ import annotations

from pymongo.errors import AutoReconnect

__all__ = ["RequestBroken"]


class RequestBroken(AutoReconnect):
    """A strict request lost its connection between two operations. Raised once per loss."""
