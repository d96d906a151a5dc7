from __future__ import annotations

from typing import Any

import pytest
from pymongo.errors import OperationFailure

from greenmongo._api.run_batches import run_batches
from greenmongo._core.command import Command
from greenmongo._core.types import Document
from tests.support.fake_executor import FakeExecutor

REFUSED = {"ok": 0.0, "code": 13, "errmsg": "no"}


class Tally:
    """Counts replies and failures; stops after `most` of them."""

    def __init__(self, most: int = 100) -> None:
        self.most = most
        self.seen: list[Any] = []

    @property
    def is_halted(self) -> bool:
        return len(self.seen) >= self.most

    def record(self, batch: str, reply: Document) -> None:
        self.seen.append((batch, reply["n"]))

    def record_failure(self, error: OperationFailure) -> None:
        self.seen.append(error.code)

    def conclude(self) -> Document:
        return {"seen": self.seen}


def build(batch: str, operation_id: int) -> Command:
    return Command("insert", {"insert": batch}, "db", operation_id=operation_id)


def test_every_batch_is_one_message_of_one_operation() -> None:
    executor = FakeExecutor({"ok": 1.0, "n": 1}, {"ok": 1.0, "n": 2})
    assert run_batches(executor, "ab", build, Tally(), None) == {"seen": [("a", 1), ("b", 2)]}
    assert {command.operation_id for command in executor.commands} == {1}


def test_nothing_is_sent_after_the_progress_has_halted() -> None:
    executor = FakeExecutor({"ok": 1.0, "n": 1})
    run_batches(executor, "abc", build, Tally(most=1), None)
    assert executor.bodies == [{"insert": "a"}]


def test_the_progress_decides_what_becomes_of_a_message_that_fails() -> None:
    executor = FakeExecutor(REFUSED, {"ok": 1.0, "n": 1})
    assert run_batches(executor, "ab", build, Tally(), None) == {"seen": [13, ("b", 1)]}


def test_all_messages_run_in_the_session_that_was_given() -> None:
    session: Any = object()
    executor = FakeExecutor({"ok": 1.0, "n": 1}, {"ok": 1.0, "n": 1})
    run_batches(executor, "ab", build, Tally(), session)
    assert executor.sessions == [session, session]


def test_another_error_ends_it() -> None:
    executor = FakeExecutor(ConnectionError("gone"))
    with pytest.raises(ConnectionError):
        run_batches(executor, "ab", build, Tally(), None)
    assert len(executor.commands) == 1
