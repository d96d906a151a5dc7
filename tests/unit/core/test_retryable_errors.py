from __future__ import annotations

import pytest
from pymongo.errors import (
    AutoReconnect,
    DuplicateKeyError,
    InvalidOperation,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    WaitQueueTimeoutError,
)

from greenmongo._core.pool_rules import PoolCleared
from greenmongo._core.retryable_errors import (
    backoff_before_try,
    error_to_raise,
    is_state_change,
    labelled,
    labelled_as_overload,
    may_retry_read,
    may_retry_write,
)

LABELLED = {"errorLabels": ["RetryableWriteError"]}


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (AutoReconnect("gone"), True),
        (NetworkTimeout("late"), True),
        (NotPrimaryError("stepped down"), True),
        (PoolCleared("paused"), True),
        (OperationFailure("shutting down", 91), True),
        (OperationFailure("host unreachable", 6), True),
        (OperationFailure("no such command", 59), False),
        (OperationFailure("no code"), False),
        (DuplicateKeyError("twice", 11000), False),
        (WaitQueueTimeoutError("exhausted"), False),
        (InvalidOperation("closed"), False),
    ],
)
def test_reads_are_retried_after_what_may_pass(error: PyMongoError, expected: bool) -> None:
    assert may_retry_read(error) is expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (AutoReconnect("gone"), True),
        (NetworkTimeout("late"), True),
        (PoolCleared("paused"), True),
        (NotPrimaryError("stepped down", LABELLED), True),
        (NotPrimaryError("stepped down"), False),
        (OperationFailure("shutting down", 91, LABELLED), True),
        (OperationFailure("shutting down", 91), False),
        (WaitQueueTimeoutError("exhausted"), False),
    ],
)
def test_writes_are_retried_after_what_the_server_labels_and_lost_connections(
    error: PyMongoError, expected: bool
) -> None:
    assert may_retry_write(error) is expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (AutoReconnect("gone"), True),
        (NotPrimaryError("stepped down"), True),
        (PoolCleared("paused"), False),
        (OperationFailure("no such command", 59), False),
    ],
)
def test_only_a_lost_connection_or_primary_says_something_of_the_server(
    error: PyMongoError, expected: bool
) -> None:
    assert is_state_change(error) is expected


@pytest.mark.parametrize("kind", [AutoReconnect, NetworkTimeout, PoolCleared])
def test_the_last_error_of_a_retryable_write_says_what_it_is(kind: type[AutoReconnect]) -> None:
    told = labelled(kind("gone"))
    assert type(told) is kind
    assert str(told) == "gone"
    assert told.has_error_label("RetryableWriteError")


@pytest.mark.parametrize(
    "error",
    [NotPrimaryError("stepped down"), OperationFailure("no"), AutoReconnect("gone", LABELLED)],
)
def test_an_error_that_the_server_judged_is_left_alone(error: PyMongoError) -> None:
    assert labelled(error) is error


def test_a_label_more_does_not_cost_the_others() -> None:
    refused = labelled_as_overload(NetworkTimeout("late", {"errorLabels": ["NoWritesPerformed"]}))
    assert type(refused) is NetworkTimeout
    told = labelled(refused)
    for label in (
        "NoWritesPerformed",
        "RetryableError",
        "RetryableWriteError",
        "SystemOverloadedError",
    ):
        assert told.has_error_label(label)
    assert labelled_as_overload(refused) is refused


def test_the_last_failure_is_told() -> None:
    first, last = AutoReconnect("first"), OperationFailure("last")
    assert error_to_raise(None, first, is_numbered=False) is first
    assert error_to_raise(first, last, is_numbered=False) is last


def test_a_try_that_wrote_nothing_does_not_hide_what_came_before() -> None:
    first = AutoReconnect("what became of it?", LABELLED)
    last = NotPrimaryError("not primary", {"errorLabels": ["NoWritesPerformed"]})
    assert error_to_raise(None, last, is_numbered=True) is last
    assert error_to_raise(first, last, is_numbered=True) is first


def test_the_second_try_follows_at_once_and_later_ones_ever_more_slowly() -> None:
    backoffs = [backoff_before_try(number) for number in range(1, 12)]
    assert backoffs[:2] == [0, 0]
    assert backoffs == sorted(backoffs)
    assert backoffs[-1] == 0.5
    assert backoff_before_try(10_000) == 0.5
