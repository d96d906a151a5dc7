"""What a request, or the wait for a connection, can end with besides PyMongo's errors."""

from __future__ import annotations

from pymongo.errors import AutoReconnect, PyMongoError

__all__ = ["ExceededMaxWaiters", "RequestBroken"]


class RequestBroken(AutoReconnect):
    """A strict request lost its connection between two operations. Raised once per loss."""


class ExceededMaxWaiters(PyMongoError):
    """As many callers wait for a connection already as maxPoolSize and waitQueueMultiple allow."""
