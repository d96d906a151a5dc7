from __future__ import annotations

from typing import Any

import pytest
from pymongo.errors import (
    CursorNotFound,
    DuplicateKeyError,
    ExecutionTimeout,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
    WriteError,
    WTimeoutError,
)

from greenmongo._core.reply import check_reply, check_write, check_write_concern, command_error


def failure(code: int | None, message: str = "no", **more: Any) -> dict[str, Any]:
    document: dict[str, Any] = {"ok": 0.0, "errmsg": message, **more}
    if code is not None:
        document["code"] = code
    return document


def test_an_ok_reply_passes() -> None:
    check_reply({"ok": 1.0})
    check_reply({"ok": True})


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        (failure(59), OperationFailure),
        (failure(50), ExecutionTimeout),
        (failure(43), CursorNotFound),
        (failure(11000), DuplicateKeyError),
        (failure(10107), NotPrimaryError),
        (failure(91), NotPrimaryError),
        (failure(None, "not master"), NotPrimaryError),
        (failure(None, "node is recovering"), NotPrimaryError),
        (failure(1, "not master"), OperationFailure),
        ({"$err": "what?", "code": 13}, OperationFailure),
    ],
)
def test_the_code_decides_on_the_class(document: Any, kind: type[PyMongoError]) -> None:
    with pytest.raises(PyMongoError) as caught:
        check_reply(document)
    assert type(caught.value) is kind


def test_an_error_carries_code_details_and_labels() -> None:
    document = failure(13, errorLabels=["RetryableWriteError"])
    error = command_error(document, 17)
    assert isinstance(error, OperationFailure)
    assert error.code == 13
    assert error.details is document
    assert error.has_error_label("RetryableWriteError")
    assert str(error).startswith("no, full error: {")


def test_a_write_reports_its_last_error() -> None:
    errors = [{"index": 0, "code": 1, "errmsg": "a"}, {"index": 1, "code": 2, "errmsg": "b"}]
    with pytest.raises(WriteError) as caught:
        check_write({"ok": 1.0, "writeErrors": errors})
    assert caught.value.code == 2
    assert caught.value.details is errors[1]


@pytest.mark.parametrize(("code", "kind"), [(11000, DuplicateKeyError), (11001, WriteError)])
def test_a_duplicate_key_has_its_own_class(code: int, kind: type[WriteError]) -> None:
    with pytest.raises(WriteError) as caught:
        check_write({"ok": 1.0, "writeErrors": [{"index": 0, "code": code, "errmsg": "dup"}]})
    assert type(caught.value) is kind


def test_write_errors_go_before_the_concern() -> None:
    with pytest.raises(WriteError):
        check_write(
            {
                "ok": 1.0,
                "writeErrors": [{"index": 0, "code": 2, "errmsg": "x"}],
                "writeConcernError": {"code": 64, "errmsg": "y"},
            }
        )


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": 100, "errmsg": "not enough"}, WriteConcernError),
        ({"code": 64, "errmsg": "late", "errInfo": {"wtimeout": True}}, WTimeoutError),
        ({"code": 50, "errmsg": "late"}, WTimeoutError),
    ],
)
def test_a_write_concern_fails_in_two_ways(error: Any, kind: type[PyMongoError]) -> None:
    with pytest.raises(WriteConcernError) as caught:
        check_write_concern({"ok": 1.0, "writeConcernError": error})
    assert type(caught.value) is kind
    assert caught.value.details == error


def test_labels_of_the_reply_are_given_to_the_concern_error_without_touching_the_reply() -> None:
    document = {
        "ok": 1.0,
        "writeConcernError": {"code": 91, "errmsg": "bye"},
        "errorLabels": ["RetryableWriteError"],
    }
    with pytest.raises(WriteConcernError) as caught:
        check_write_concern(document)
    assert caught.value.has_error_label("RetryableWriteError")
    assert document["writeConcernError"] == {"code": 91, "errmsg": "bye"}


def test_a_clean_write_passes() -> None:
    check_write({"ok": 1.0, "n": 1})


def test_an_error_without_words_is_an_error() -> None:
    with pytest.raises(OperationFailure):
        check_reply({"ok": None, "errmsg": None})
