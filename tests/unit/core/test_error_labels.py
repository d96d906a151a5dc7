from __future__ import annotations

import pytest
from pymongo.errors import (
    AutoReconnect,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    WaitQueueTimeoutError,
    WriteConcernError,
)

from greenmongo._core.error_labels import with_labels


@pytest.mark.parametrize(
    "error",
    [
        AutoReconnect("gone"),
        NotPrimaryError("no", {"errmsg": "no", "errorLabels": ["Old"]}),
        OperationFailure("no", 9, {"errmsg": "no", "errorLabels": ["Old"]}),
        WriteConcernError("no", 64, {"errmsg": "no"}),
        WaitQueueTimeoutError("full"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_label_is_added_and_nothing_else_changes(error: PyMongoError) -> None:
    had = error.has_error_label("Old")
    told = with_labels(error, "RetryableError", "RetryableWriteError")
    assert type(told) is type(error)
    assert told.has_error_label("RetryableError")
    assert told.has_error_label("RetryableWriteError")
    assert told.has_error_label("Old") is had
    assert getattr(told, "code", None) == getattr(error, "code", None)


def test_an_error_that_has_the_labels_is_returned_itself() -> None:
    error = OperationFailure("no", 9, {"errorLabels": ["RetryableError"]})
    assert with_labels(error, "RetryableError") is error


def test_the_servers_reply_is_not_changed() -> None:
    reply = {"ok": 0.0, "errmsg": "no", "code": 9}
    told = with_labels(OperationFailure("no", 9, reply), "RetryableError")
    assert told.details == {**reply, "errorLabels": ["RetryableError"]}
    assert "errorLabels" not in reply
