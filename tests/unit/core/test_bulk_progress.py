from __future__ import annotations

from typing import Any

import pytest
from pymongo.errors import BulkWriteError, OperationFailure

from greenmongo._core.bulk.progress import BulkProgress, UnacknowledgedProgress, empty_result
from greenmongo._core.bulk.statements import Batch

OPERATIONS = ["zero", "one", "two", "three"]
FIRST = Batch("insert", [b""] * 2, [0, 1], OPERATIONS[:2])
SECOND = Batch("insert", [b""] * 2, [2, 3], OPERATIONS[2:])


def error(index: int, code: int = 11000, message: str = "dup") -> dict[str, Any]:
    return {"index": index, "code": code, "errmsg": message}


def test_replies_add_up() -> None:
    progress = BulkProgress()
    progress.record(FIRST, {"ok": 1.0, "n": 2})
    progress.record(SECOND, {"ok": 1.0, "n": 2})
    assert not progress.is_halted
    assert progress.conclude() == {**empty_result(), "nInserted": 4}


def test_errors_are_numbered_over_all_messages_and_quote_their_operation() -> None:
    progress = BulkProgress(ordered=False)
    progress.record(FIRST, {"ok": 1.0, "n": 1, "writeErrors": [error(1)]})
    progress.record(SECOND, {"ok": 1.0, "n": 1, "writeErrors": [error(0)]})
    with pytest.raises(BulkWriteError) as caught:
        progress.conclude()
    details = caught.value.details
    assert details["nInserted"] == 2
    assert [(e["index"], e["op"]) for e in details["writeErrors"]] == [(1, "one"), (2, "two")]


def test_an_ordered_write_stops_at_its_first_error() -> None:
    progress = BulkProgress(ordered=True)
    progress.record(FIRST, {"ok": 1.0, "n": 0, "writeErrors": [error(0)]})
    assert progress.is_halted


def test_an_unordered_write_goes_on() -> None:
    progress = BulkProgress(ordered=False)
    progress.record(FIRST, {"ok": 1.0, "n": 0, "writeErrors": [error(0)]})
    assert not progress.is_halted


@pytest.mark.parametrize(("code", "halted"), [(91, True), (64, False)])
def test_a_primary_that_goes_away_gets_no_further_message(code: int, halted: bool) -> None:
    progress = BulkProgress()
    concern = {"code": code, "errmsg": "x"}
    progress.record(FIRST, {"ok": 1.0, "n": 2, "writeConcernError": concern})
    assert progress.is_halted is halted
    with pytest.raises(BulkWriteError) as caught:
        progress.conclude()
    assert caught.value.details["writeConcernErrors"] == [concern]


def test_a_server_without_retryable_writes_gets_an_error_that_helps() -> None:
    progress = BulkProgress()
    unsupported = error(0, 20, "Transaction numbers are only allowed on a replica set member")
    progress.record(FIRST, {"ok": 1.0, "writeErrors": [unsupported]})
    with pytest.raises(OperationFailure, match="retryWrites=false"):
        progress.conclude()


def test_another_error_of_that_code_is_an_ordinary_one() -> None:
    progress = BulkProgress()
    progress.record(FIRST, {"ok": 1.0, "writeErrors": [error(0, 20, "illegal")]})
    with pytest.raises(BulkWriteError):
        progress.conclude()


def test_a_message_that_fails_is_raised() -> None:
    with pytest.raises(OperationFailure, match="no such collection"):
        BulkProgress().record_failure(OperationFailure("no such collection"))


@pytest.mark.parametrize(("errors", "halted"), [([], False), ([error(0)], True)])
def test_an_unacknowledged_write_stops_at_an_error(errors: list[Any], halted: bool) -> None:
    progress = UnacknowledgedProgress()
    progress.record(FIRST, {"ok": 1.0, "writeErrors": errors})
    assert progress.is_halted is halted


def test_an_unacknowledged_write_stops_in_silence() -> None:
    progress = UnacknowledgedProgress()
    progress.record_failure(OperationFailure("no"))
    assert progress.is_halted
    assert progress.conclude() == {}
