"""The options of sessions and transactions that callers give: PyMongo's own classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # Where they are defined; PyMongo's public module passes them on without telling checkers.
    from pymongo.client_session_shared import SessionOptions, TransactionOptions
else:
    from pymongo.client_session import SessionOptions, TransactionOptions

__all__ = ["SessionOptions", "TransactionOptions"]
