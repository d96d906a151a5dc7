"""Whether a failed attempt is worth another (Retryable Reads and Retryable Writes)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymongo.errors import AutoReconnect, NotPrimaryError, OperationFailure

from greenmongo._core.pool_rules import PoolCleared
from greenmongo._core.reply import RETRYABLE_CODES

if TYPE_CHECKING:
    from pymongo.errors import PyMongoError

__all__ = [
    "RETRYABLE_WRITE_LABEL",
    "is_state_change",
    "labelled",
    "may_retry_read",
    "may_retry_write",
]

RETRYABLE_WRITE_LABEL = "RetryableWriteError"


def may_retry_read(error: PyMongoError) -> bool:
    """Tell whether a read that failed so may succeed elsewhere or a moment later."""
    if isinstance(error, AutoReconnect):
        return True
    return isinstance(error, OperationFailure) and error.code in RETRYABLE_CODES


def may_retry_write(error: PyMongoError) -> bool:
    """Tell whether a write with a transaction number may be sent again.

    Servers label what they allow; a connection that broke is the driver's own to judge.
    """
    if error.has_error_label(RETRYABLE_WRITE_LABEL) or isinstance(error, PoolCleared):
        return True
    return isinstance(error, AutoReconnect) and not isinstance(error, NotPrimaryError)


def labelled(error: PyMongoError) -> PyMongoError:
    """Return the error a retryable write ends with, labelled as one, for callers who retry."""
    if not isinstance(error, AutoReconnect) or isinstance(error, NotPrimaryError):
        return error
    if error.has_error_label(RETRYABLE_WRITE_LABEL):
        return error
    return type(error)(str(error), {"errorLabels": [RETRYABLE_WRITE_LABEL]})


def is_state_change(error: PyMongoError) -> bool:
    """Tell whether an error says something about the server beyond this one operation."""
    return isinstance(error, AutoReconnect) and not isinstance(error, PoolCleared)
