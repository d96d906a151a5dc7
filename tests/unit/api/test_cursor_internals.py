"""The inside of a cursor, as async cursors see it."""

from __future__ import annotations

from typing import Any

from greenmongo import CursorType
from greenmongo.lowlevel import internals_of
from tests.support.fake_executor import FakeExecutor, cursor_reply, fake_collection


def test_documents_are_taken_from_the_buffer_that_a_refill_fills() -> None:
    executor = FakeExecutor(cursor_reply(9, [1]), cursor_reply(0, [2], first=False))
    internals = internals_of(fake_collection(executor).find())

    assert (internals.refill(), internals.buffer.popleft()) == (True, 1)
    assert not internals.is_complete
    assert (internals.refill(), internals.buffer.popleft()) == (True, 2)
    assert internals.is_complete
    assert internals.is_closed
    assert not internals.refill()


def test_only_a_tailable_cursor_waits_for_more() -> None:
    collection: Any = fake_collection(FakeExecutor())

    assert internals_of(collection.find(cursor_type=CursorType.TAILABLE)).waits_for_more()
    assert not internals_of(collection.find()).waits_for_more()


def test_an_abandoned_cursor_is_closed_in_the_background() -> None:
    executor = FakeExecutor(cursor_reply(9, [1]))
    internals = internals_of(fake_collection(executor).find())
    internals.refill()

    internals.abandon()

    assert internals.is_closed
    assert [body for body in executor.bodies if "killCursors" in body] == []
    assert len(executor.killed) == 1
