"""Sessions, under the name of PyMongo's module."""

from __future__ import annotations

from greenmongo._api.client_session import ClientSession
from greenmongo._core.sessions.options import SessionOptions, TransactionOptions

__all__ = ["ClientSession", "SessionOptions", "TransactionOptions"]
