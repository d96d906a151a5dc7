"""Whether a failed attempt is worth another (Retryable Reads and Retryable Writes)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymongo.errors import AutoReconnect, NotPrimaryError, OperationFailure

from greenmongo._core.pool_rules import PoolCleared
from greenmongo._core.reply import RETRYABLE_CODES

if TYPE_CHECKING:
    from pymongo.errors import PyMongoError

__all__ = [
    "MAX_TRIES",
    "RETRYABLE_WRITE_LABEL",
    "error_to_tell",
    "is_state_change",
    "labelled",
    "may_retry_read",
    "may_retry_write",
    "pause_before_try",
]

MAX_TRIES = 2
"""How often a command is sent at most; with timeoutMS, for as long as that lasts."""

RETRYABLE_WRITE_LABEL = "RetryableWriteError"
NO_WRITES_LABEL = "NoWritesPerformed"


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


def error_to_tell(
    told: PyMongoError | None, error: PyMongoError, *, is_numbered: bool
) -> PyMongoError:
    """Return the error that an operation ends with if nothing else comes after this one.

    Args:
        told: the one before, None after the first attempt.
        error: that of the last attempt.
        is_numbered: it is a retryable write that got as far as a transaction number.
    """
    if told is not None and error.has_error_label(NO_WRITES_LABEL):
        # What became of the attempt before is the open question, and this one does not answer it.
        return told
    return labelled(error) if is_numbered else error


def pause_before_try(number: int) -> float:
    """Return the seconds to wait before a try, for operations that may have many."""
    return 0.0 if number <= MAX_TRIES else min(0.01 * 2.0 ** (number - MAX_TRIES), 0.5)


def is_state_change(error: PyMongoError) -> bool:
    """Tell whether an error says something about the server beyond this one operation."""
    return isinstance(error, AutoReconnect) and not isinstance(error, PoolCleared)
