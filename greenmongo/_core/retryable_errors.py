"""What an error says of another attempt: Retryable Reads and Writes, Client Backpressure.

A server that has too much to do refuses commands, and connections. It says of a command that it may
be sent again, whatever it is; whoever does waits first, longer each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymongo.errors import AutoReconnect, NotPrimaryError, OperationFailure

from greenmongo._core.error_labels import (
    NO_WRITES_PERFORMED,
    RETRYABLE_ERROR,
    RETRYABLE_WRITE_ERROR,
    SYSTEM_OVERLOADED_ERROR,
    with_labels,
)
from greenmongo._core.pool_rules import PoolCleared
from greenmongo._core.server_codes import RETRYABLE_CODES

if TYPE_CHECKING:
    from pymongo.errors import PyMongoError

__all__ = [
    "backoff_after_overload",
    "backoff_before_try",
    "error_to_raise",
    "is_overload",
    "is_state_change",
    "labelled",
    "labelled_as_overload",
    "may_retry_read",
    "may_retry_write",
    "was_rejected_unstarted",
]

_BASE_BACKOFF = 0.1
_MAX_BACKOFF = 10.0
"""Seconds, before jitter makes them shorter."""


def may_retry_read(error: PyMongoError) -> bool:
    """Tell whether a read that failed so may succeed elsewhere or a moment later.

    Retryable Reads, "Retryable Error".
    """
    if isinstance(error, AutoReconnect):
        return True
    return isinstance(error, OperationFailure) and error.code in RETRYABLE_CODES


def may_retry_write(error: PyMongoError) -> bool:
    """Tell whether a write with a transaction number may be sent again.

    Retryable Writes, "RetryableWriteError Labels": servers label what they allow; a connection
    that broke, or a pool that was cleared, is the driver's own to judge.
    """
    if error.has_error_label(RETRYABLE_WRITE_ERROR) or isinstance(error, PoolCleared):
        return True
    return isinstance(error, AutoReconnect) and not isinstance(error, NotPrimaryError)


def is_overload(error: PyMongoError) -> bool:
    """Tell whether a server failed because it has too much to do."""
    return error.has_error_label(SYSTEM_OVERLOADED_ERROR)


def was_rejected_unstarted(error: PyMongoError) -> bool:
    """Tell whether a command that failed so was not even begun, whatever it is.

    Client Backpressure, "Retryable Overload Error": the error has both labels.
    """
    return is_overload(error) and error.has_error_label(RETRYABLE_ERROR)


def labelled(error: PyMongoError) -> PyMongoError:
    """Return the error a retryable write ends with, labelled as one, for callers who retry."""
    if not isinstance(error, AutoReconnect) or isinstance(error, NotPrimaryError):
        return error
    return with_labels(error, RETRYABLE_WRITE_ERROR)


def labelled_as_overload(error: AutoReconnect) -> AutoReconnect:
    """Return the error of a connection that could not be opened, labelled as an overload's.

    Client Backpressure, "Ingress Connection Rate Limiter": that is how a server refuses them.
    """
    return with_labels(error, SYSTEM_OVERLOADED_ERROR, RETRYABLE_ERROR)


def error_to_raise(
    before: PyMongoError | None, error: PyMongoError, *, is_numbered: bool
) -> PyMongoError:
    """Return the error that an operation ends with if nothing else comes after this one.

    Args:
        before: of the attempt before, None after the first attempt.
        error: that of the last attempt.
        is_numbered: it is a retryable write that got as far as a transaction number.
    """
    if before is not None and error.has_error_label(NO_WRITES_PERFORMED):
        # Retryable Writes, "Executing Retryable Write Commands": the attempt before may have
        # written, and what became of it is the open question. This one did not write.
        return before
    return labelled(error) if is_numbered else error


def backoff_before_try(number: int) -> float:
    """Return the seconds to wait before a try, for operations that may have many.

    CSOT has no such wait, and so a server that refuses at once would be asked without end.
    """
    return 0.0 if number <= 2 else min(0.01 * _growth(number - 2), 0.5)


def backoff_after_overload(number: int, error: PyMongoError, jitter: float) -> float:
    """Return the seconds to wait after a server failed for having too much to do.

    Client Backpressure, "Overload retry policy", 3: the longest backoff before the first retry is
    twice the base.

    Args:
        number: of the retry that comes, from 1; those after other errors count as well.
        error: the server may have said in it what the base is.
        jitter: between 0 and 1, so that not all callers come back at once.
    """
    details = getattr(error, "details", None)
    base = details.get("baseBackoffMS") if isinstance(details, dict) else None
    # 3.6: only a positive value counts.
    first = base / 1000 if isinstance(base, int | float) and base > 0 else _BASE_BACKOFF
    return jitter * min(first * _growth(number), _MAX_BACKOFF)


def _growth(steps: int) -> float:
    # There may be thousands of them, and no number for that.
    return 2.0 ** min(steps, 60)


def is_state_change(error: PyMongoError) -> bool:
    """Tell whether an error says something about the server beyond this one operation."""
    return isinstance(error, AutoReconnect) and not isinstance(error, PoolCleared)
