"""with_transaction, without I/O: what is done next, and what an error of it means.

Convenient API for Transactions, "Sequence of Actions". `with_transaction_steps` yields what is to
be done and is sent what came of it, or has the error thrown in; it returns what the callback did.
Who is cancelled, killed or interrupted leaves it, and the transaction.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, TypeAlias

from pymongo.errors import ExecutionTimeout, NetworkTimeout, OperationFailure, PyMongoError

from greenmongo._core.error_labels import (
    TRANSIENT_TRANSACTION_ERROR,
    UNKNOWN_TRANSACTION_COMMIT_RESULT,
    with_labels,
)
from greenmongo._core.server_codes import MAX_TIME_MS_EXPIRED

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from greenmongo._core.deadline import Deadline
    from greenmongo._core.sessions.client_session import SessionState

__all__ = ["Pause", "Step", "Steps", "TIME_LIMIT", "with_transaction_steps"]

TIME_LIMIT = 120.0
"""Seconds; "ClientSession.withTransaction", without timeoutMS."""

_BACKOFF_INITIAL = 0.005
_BACKOFF_MAX = 0.5


class Step(enum.Enum):
    """Something to be done."""

    START = "start the transaction"
    CALL = "call the callback"
    COMMIT = "commit the transaction"
    ABORT = "abort the transaction"


class Pause(float):
    """Seconds to wait."""


Steps: TypeAlias = "Generator[Step | Pause, Any, Any]"


def with_transaction_steps(
    session: SessionState,
    *,
    deadline: Deadline | None,
    clock: Callable[[], float],
    jitter: Callable[[], float],
) -> Steps:
    """Yield the steps of a transaction that is tried until it is committed.

    Args:
        session: what it runs in.
        deadline: of the whole, None for the limit that goes without one.
        clock: tells the time.
        jitter: returns how much of the longest backoff it is to be, between 0 and 1.

    Raises:
        PyMongoError: what the callback or the commit has raised.
        NetworkTimeout, ExecutionTimeout: the time is over; the last error is its cause.
    """
    ends_at = clock() + TIME_LIMIT if deadline is None else deadline.at
    backoff = 0.0
    longest = _BACKOFF_INITIAL
    last: PyMongoError | None = None
    while True:
        if last is not None:
            backoff, longest = jitter() * longest, min(longest * 1.5, _BACKOFF_MAX)
            if clock() + backoff >= ends_at:
                raise _timeout_error(last, deadline) from last
            yield Pause(backoff)
        yield Step.START
        try:
            result = yield Step.CALL
        except Exception as error:
            if session.is_in_transaction:
                yield Step.ABORT
            last = _to_retry(error, clock() < ends_at, deadline)
            continue
        if not session.is_in_transaction:
            # The callback has ended it.
            return result
        last = yield from _commit(ends_at, deadline, clock)
        if last is None:
            return result


def _commit(
    ends_at: float, deadline: Deadline | None, clock: Callable[[], float]
) -> Generator[Step | Pause, Any, PyMongoError | None]:
    """Commit; return the error after which the whole transaction is to be tried again."""
    while True:
        try:
            yield Step.COMMIT
        except PyMongoError as error:
            has_time = clock() < ends_at
            if error.has_error_label(UNKNOWN_TRANSACTION_COMMIT_RESULT) and not _took_too_long(
                error
            ):
                if not has_time:
                    raise _timeout_error(error, deadline) from error
                continue
            return _to_retry(error, has_time, deadline)
        return None


def _to_retry(error: Exception, has_time: bool, deadline: Deadline | None) -> PyMongoError:
    """Return an error after which the transaction is to be tried again; raise any other."""
    if not isinstance(error, PyMongoError) or not error.has_error_label(
        TRANSIENT_TRANSACTION_ERROR
    ):
        raise error
    if not has_time:
        raise _timeout_error(error, deadline) from error
    return error


def _took_too_long(error: PyMongoError) -> bool:
    """Tell whether the server has given up a commit because of its time limit."""
    return isinstance(error, OperationFailure) and error.code == MAX_TIME_MS_EXPIRED


def _timeout_error(error: PyMongoError, deadline: Deadline | None) -> PyMongoError:
    """Return what tells that the time is over. "Sequence of Actions", note 1: with the labels."""
    labels = [
        label
        for label in (TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT)
        if error.has_error_label(label)
    ]
    if deadline is None:
        return with_labels(NetworkTimeout(str(error)), *labels)
    details = {"ok": 0, "errmsg": str(error), "code": MAX_TIME_MS_EXPIRED}
    return with_labels(ExecutionTimeout(str(error), MAX_TIME_MS_EXPIRED, details), *labels)
