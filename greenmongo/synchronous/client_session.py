"""The same as `greenmongo.client_session`, under the name of PyMongo's module."""

from __future__ import annotations

from greenmongo.client_session import ClientSession, SessionOptions, TransactionOptions

__all__ = ["ClientSession", "SessionOptions", "TransactionOptions"]
