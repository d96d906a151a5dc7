"""The labels of errors, by their names, and how an error gets one that its server did not give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from pymongo.errors import AutoReconnect, OperationFailure, PyMongoError

if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "NO_WRITES_PERFORMED",
    "RESUMABLE_CHANGE_STREAM_ERROR",
    "RETRYABLE_ERROR",
    "RETRYABLE_WRITE_ERROR",
    "SYSTEM_OVERLOADED_ERROR",
    "TRANSIENT_TRANSACTION_ERROR",
    "UNKNOWN_TRANSACTION_COMMIT_RESULT",
    "labels_of",
    "with_labels",
]

RETRYABLE_WRITE_ERROR: Final = "RetryableWriteError"
NO_WRITES_PERFORMED: Final = "NoWritesPerformed"
SYSTEM_OVERLOADED_ERROR: Final = "SystemOverloadedError"
RETRYABLE_ERROR: Final = "RetryableError"
TRANSIENT_TRANSACTION_ERROR: Final = "TransientTransactionError"
UNKNOWN_TRANSACTION_COMMIT_RESULT: Final = "UnknownTransactionCommitResult"
RESUMABLE_CHANGE_STREAM_ERROR: Final = "ResumableChangeStreamError"
_ALL = (
    RETRYABLE_WRITE_ERROR,
    NO_WRITES_PERFORMED,
    SYSTEM_OVERLOADED_ERROR,
    RETRYABLE_ERROR,
    TRANSIENT_TRANSACTION_ERROR,
    UNKNOWN_TRANSACTION_COMMIT_RESULT,
    RESUMABLE_CHANGE_STREAM_ERROR,
)

ErrorT = TypeVar("ErrorT", bound=PyMongoError)


def labels_of(error: PyMongoError) -> list[str]:
    """Return the labels of an error, of those that the specifications know."""
    return [each for each in _ALL if error.has_error_label(each)]


def with_labels(error: ErrorT, *labels: str) -> ErrorT:
    """Return an error like the given one that has these labels too.

    An error that was made of a server's reply keeps that reply, with the labels in it.
    """
    if all(map(error.has_error_label, labels)):
        return error
    known = getattr(error, "details", None)
    details: dict[str, Any] = dict(known) if isinstance(known, dict) else {}
    given = details.get("errorLabels", ())
    more = [each for each in _ALL if each in labels or error.has_error_label(each)]
    details["errorLabels"] = [*given, *(each for each in more if each not in given)]
    message = details.get("errmsg", str(error))
    if isinstance(error, OperationFailure):
        return type(error)(message, error.code, details)
    if isinstance(error, AutoReconnect):
        return type(error)(message, details)
    return type(error)(message, details["errorLabels"])
