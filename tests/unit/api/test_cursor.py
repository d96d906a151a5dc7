from __future__ import annotations

import copy
import gc
from typing import Any

import pytest
from bson.code import Code
from pymongo.errors import (
    AutoReconnect,
    CursorNotFound,
    ExecutionTimeout,
    InvalidOperation,
    OperationFailure,
    WTimeoutError,
)

from greenmongo import CursorType
from greenmongo._core.constants import QueryFlag
from tests.support.fake_executor import HOME, FakeExecutor, cursor_reply, fake_collection


def more(cursor_id: int, documents: list[Any]) -> dict[str, Any]:
    return cursor_reply(cursor_id, documents, first=False)


def not_found() -> dict[str, Any]:
    return {"ok": 0.0, "code": 43, "errmsg": "cursor id 9 not found"}


def test_nothing_is_sent_before_a_document_is_asked_for() -> None:
    executor = FakeExecutor()
    cursor = fake_collection(executor).find({"a": 1}).sort("a").limit(3)
    assert (cursor.alive, cursor.cursor_id, cursor.address, cursor.retrieved) == (
        True,
        None,
        None,
        0,
    )
    assert executor.commands == []


def test_batches_are_fetched_as_they_are_needed() -> None:
    executor = FakeExecutor(cursor_reply(9, [1, 2]), more(9, []), more(0, [3]))
    cursor: Any = fake_collection(executor).find(batch_size=2)
    assert next(cursor) == 1
    assert (cursor.cursor_id, cursor.address, cursor.retrieved) == (9, HOME, 2)
    assert list(cursor) == [2, 3]
    assert [next(iter(body)) for body in executor.bodies] == ["find", "getMore", "getMore"]
    assert not cursor.alive
    assert executor.killed == []


def test_the_buffer_can_be_emptied_without_a_round_trip() -> None:
    executor = FakeExecutor(cursor_reply(0, [1, 2]))
    cursor = fake_collection(executor).find()
    assert cursor._refill()
    assert list(cursor._buffer) == [1, 2]
    cursor._buffer.clear()
    assert not cursor._refill()
    assert len(executor.commands) == 1


def test_a_tail_without_news_is_not_the_end() -> None:
    executor = FakeExecutor(cursor_reply(9, []), more(9, [1]))
    cursor: Any = fake_collection(executor).find(cursor_type=CursorType.TAILABLE_AWAIT)
    assert next(cursor, None) is None
    assert cursor.alive
    assert next(cursor) == 1


def test_a_tail_that_was_overtaken_ends_quietly() -> None:
    executor = FakeExecutor(cursor_reply(9, []), not_found())
    cursor: Any = fake_collection(executor).find(cursor_type=CursorType.TAILABLE)
    assert next(cursor, None) is None
    assert next(cursor, None) is None
    assert not cursor.alive


def test_a_cursor_the_server_lost_is_not_killed_again() -> None:
    executor = FakeExecutor(cursor_reply(9, [1]), not_found())
    cursor = fake_collection(executor).find()
    next(cursor)
    with pytest.raises(CursorNotFound):
        next(cursor)
    assert not cursor.alive
    assert executor.killed == []


@pytest.mark.parametrize("error", [OperationFailure("no", 13), ValueError("of a decoder")])
def test_a_failed_batch_closes_the_cursor_before_its_error_is_raised(error: Exception) -> None:
    """D08: whoever sees the error can rely on it."""
    executor = FakeExecutor(cursor_reply(9, [1]), error)
    cursor = fake_collection(executor).find()
    next(cursor)
    with pytest.raises(type(error)):
        next(cursor)
    assert not cursor.alive
    assert executor.bodies[2:] == [{"killCursors": "c", "cursors": [9]}]
    assert executor.killed == []


def test_a_cursor_that_cannot_be_closed_is_closed_later_and_its_own_error_raised() -> None:
    """D08: that of the getMore says more."""
    executor = FakeExecutor(
        cursor_reply(9, [1]), OperationFailure("no", 13), OperationFailure("no kill", 13)
    )
    cursor = fake_collection(executor).find()
    next(cursor)
    with pytest.raises(OperationFailure, match=r"^no$"):
        next(cursor)
    assert executor.killed == [(HOME, "db", "c", 9)]


def test_a_caller_who_leaves_while_a_cursor_is_closed_leaves_it_to_others() -> None:
    executor = FakeExecutor(cursor_reply(9, [1]), KeyboardInterrupt())
    cursor = fake_collection(executor).find()
    next(cursor)
    with pytest.raises(KeyboardInterrupt):
        cursor.close()
    assert executor.killed == [(HOME, "db", "c", 9)]


@pytest.mark.parametrize(
    "error", [ExecutionTimeout("late", 50), WTimeoutError("late"), KeyboardInterrupt()]
)
def test_a_caller_who_has_no_time_does_not_wait_for_its_cursor_to_be_closed(
    error: BaseException,
) -> None:
    executor = FakeExecutor(cursor_reply(9, [1]), error)
    cursor = fake_collection(executor).find()
    next(cursor)
    with pytest.raises(type(error)):
        next(cursor)
    assert not cursor.alive
    assert executor.killed == [(HOME, "db", "c", 9)]


def test_a_lost_connection_leaves_nobody_to_tell() -> None:
    executor = FakeExecutor(cursor_reply(9, [1]), AutoReconnect("gone"))
    cursor = fake_collection(executor).find()
    next(cursor)
    with pytest.raises(AutoReconnect):
        next(cursor)
    assert executor.killed == []


def test_closing_kills_on_the_server_once() -> None:
    executor = FakeExecutor(cursor_reply(9, [1, 2]))
    with fake_collection(executor).find() as cursor:
        next(cursor)
    cursor.close()
    assert executor.bodies[1:] == [{"killCursors": "c", "cursors": [9]}]
    assert cursor.to_list() == [2]  # type: ignore[comparison-overlap]  # numbers for documents


def test_a_kill_that_fails_is_tried_again_later() -> None:
    executor = FakeExecutor(cursor_reply(9, [1, 2]), AutoReconnect("gone"))
    cursor = fake_collection(executor).find()
    next(cursor)
    cursor.close()
    assert executor.killed == [(HOME, "db", "c", 9)]


def test_a_forgotten_cursor_is_killed_in_the_background() -> None:
    executor = FakeExecutor(cursor_reply(9, [1, 2]))
    cursor = fake_collection(executor).find()
    next(cursor)
    del cursor
    gc.collect()
    assert executor.killed == [(HOME, "db", "c", 9)]
    assert len(executor.commands) == 1


def test_a_cursor_that_was_never_made_is_never_killed() -> None:
    executor = FakeExecutor()
    with pytest.raises(TypeError):
        fake_collection(executor).find(5)  # type: ignore[arg-type]
    gc.collect()
    assert executor.killed == []


def test_a_reached_limit_closes_the_cursor() -> None:
    executor = FakeExecutor(cursor_reply(9, [1, 2]))
    cursor = fake_collection(executor).find(limit=2)
    assert len(cursor.to_list()) == 2
    assert executor.killed == [(HOME, "db", "c", 9)]


def test_rewinding_starts_over() -> None:
    executor = FakeExecutor(cursor_reply(0, [1]), cursor_reply(0, [1]))
    cursor = fake_collection(executor).find({"a": 1})
    assert len(list(cursor)) == 1
    assert len(list(cursor.rewind())) == 1
    assert executor.bodies[0] == executor.bodies[1]


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda c: c.clone()])
def test_a_clone_is_unread_and_independent(duplicate: Any) -> None:
    executor = FakeExecutor(cursor_reply(0, [1]), cursor_reply(0, [1]))
    cursor = fake_collection(executor).find({"a": 1}).limit(3)
    next(cursor)
    clone = duplicate(cursor).limit(4)
    assert clone.retrieved == 0
    assert len(list(clone)) == 1
    assert [body["limit"] for body in executor.bodies] == [3, 4]


def test_options_are_closed_once_the_query_is_sent() -> None:
    cursor = fake_collection(FakeExecutor(cursor_reply(0, [1]))).find()
    next(cursor)
    for change in (
        lambda: cursor.limit(1),
        lambda: cursor.sort("a"),
        lambda: cursor.where("1"),
        lambda: cursor[0],
    ):
        with pytest.raises(InvalidOperation, match="cannot set options after executing query"):
            change()


def test_chained_options_reach_the_command() -> None:
    executor = FakeExecutor(cursor_reply(0, []))
    query = {"a": 1}
    cursor = (
        fake_collection(executor)
        .find(query, cursor_type=CursorType.TAILABLE_AWAIT)
        .sort([("a", 1), "b"])
        .skip(1)
        .limit(2)
        .batch_size(5)
        .hint([("a", 1)])
        .comment("why")
        .max_time_ms(7)
        .max_await_time_ms(8)
        .collation({"locale": "en"})
        .where("this.b")
        .min([("a", 1)])
        .max([("a", 9)])
        .allow_disk_use(True)
        .add_option(QueryFlag.PARTIAL)
        .remove_option(QueryFlag.TAILABLE)
        .max_scan(3)
    )
    list(cursor)
    assert executor.bodies == [
        {
            "find": "c",
            "filter": {"a": 1, "$where": Code("this.b")},
            "sort": {"a": 1, "b": 1},
            "hint": {"a": 1},
            "comment": "why",
            "maxScan": 3,
            "maxTimeMS": 7,
            "max": {"a": 9},
            "min": {"a": 1},
            "skip": 1,
            "limit": 2,
            "batchSize": 5,
            "collation": {"locale": "en"},
            "allowDiskUse": True,
            "awaitData": True,
            "allowPartialResults": True,
        }
    ]
    assert query == {"a": 1}


def test_bounds_need_a_hint() -> None:
    cursor = fake_collection(FakeExecutor()).find().min([("a", 1)])
    with pytest.raises(InvalidOperation, match="Passing a 'hint' is required"):
        next(cursor)


def test_a_slice_is_skip_and_limit() -> None:
    executor = FakeExecutor(cursor_reply(0, [1]))
    list(fake_collection(executor).find()[2:5])
    assert (executor.bodies[0]["skip"], executor.bodies[0]["limit"]) == (2, 3)


def test_an_empty_slice_asks_nothing() -> None:
    executor = FakeExecutor()
    assert list(fake_collection(executor).find()[2:2]) == []
    assert executor.commands == []


def test_an_index_is_one_document() -> None:
    executor = FakeExecutor(cursor_reply(0, [7]), cursor_reply(0, []))
    cursor: Any = fake_collection(executor).find().skip(2)
    assert cursor[3] == 7
    assert executor.bodies[0] == {
        "find": "c",
        "filter": {},
        "skip": 5,
        "limit": 1,
        "singleBatch": True,
    }
    with pytest.raises(IndexError, match="no such item"):
        cursor[4]


@pytest.mark.parametrize(
    ("index", "error"),
    [
        (-1, IndexError),
        (slice(-1, None), IndexError),
        (slice(0, 4, 2), IndexError),
        (slice(4, 1), IndexError),
        ("a", TypeError),
    ],
)
def test_other_indices_are_refused(index: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        fake_collection(FakeExecutor()).find()[index]


@pytest.mark.parametrize("length", [0, -1])
def test_a_list_of_nothing_is_not_to_be_had(length: int) -> None:
    with pytest.raises(ValueError, match="length must be greater than 0"):
        fake_collection(FakeExecutor()).find().to_list(length)


def test_a_list_takes_what_it_needs() -> None:
    executor = FakeExecutor(cursor_reply(9, [1, 2]), more(0, [3, 4]))
    cursor: Any = fake_collection(executor).find()
    assert cursor.to_list(3) == [1, 2, 3]
    assert cursor.to_list(3) == [4]
    assert cursor.to_list() == []


def test_an_exhaust_cursor_takes_no_limit() -> None:
    collection = fake_collection(FakeExecutor())
    with pytest.raises(InvalidOperation, match="limit and exhaust"):
        collection.find(cursor_type=CursorType.EXHAUST, limit=1)
    with pytest.raises(InvalidOperation, match="limit and exhaust"):
        collection.find(cursor_type=CursorType.EXHAUST).limit(1)
    with pytest.raises(InvalidOperation, match="limit and exhaust"):
        collection.find(limit=1).add_option(QueryFlag.EXHAUST)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"filter": 5}, TypeError),
        ({"skip": "1"}, TypeError),
        ({"limit": 1.0}, TypeError),
        ({"batch_size": -1}, ValueError),
        ({"batch_size": "1"}, TypeError),
        ({"no_cursor_timeout": 1}, TypeError),
        ({"cursor_type": 9}, ValueError),
        ({"allow_partial_results": 1}, TypeError),
        ({"oplog_replay": 1}, TypeError),
        ({"allow_disk_use": 1}, TypeError),
        ({"let": 5}, TypeError),
        ({"collation": 5}, TypeError),
        ({"hint": 5}, TypeError),
    ],
)
def test_arguments_are_checked_at_once(options: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        fake_collection(FakeExecutor()).find(**options)


@pytest.mark.parametrize(
    ("method", "value", "error"),
    [
        ("limit", "1", TypeError),
        ("skip", "1", TypeError),
        ("skip", -1, ValueError),
        ("batch_size", "1", TypeError),
        ("max_time_ms", "1", TypeError),
        ("max_await_time_ms", "1", TypeError),
        ("allow_disk_use", 1, TypeError),
        ("add_option", "1", TypeError),
        ("remove_option", "1", TypeError),
        ("max", {"a": 1}, TypeError),
        ("min", {"a": 1}, TypeError),
    ],
)
def test_chained_options_are_checked_too(method: str, value: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        getattr(fake_collection(FakeExecutor()).find(), method)(value)


def test_distinct_values_of_a_query_take_its_options() -> None:
    executor = FakeExecutor({"ok": 1.0, "values": [1]})
    cursor = fake_collection(executor).find({"a": 1}).max_time_ms(5).collation({"locale": "en"})
    assert cursor.distinct("b") == [1]
    assert executor.bodies == [
        {
            "distinct": "c",
            "key": "b",
            "query": {"a": 1},
            "maxTimeMS": 5,
            "collation": {"locale": "en"},
        }
    ]


def test_an_explanation_is_the_whole_reply() -> None:
    executor = FakeExecutor({"ok": 1.0, "queryPlanner": {}})
    cursor = fake_collection(executor).find().limit(3)
    assert cursor.explain() == {"ok": 1.0, "queryPlanner": {}}
    assert executor.bodies[0]["explain"]["singleBatch"] is True
    assert cursor.alive


def test_the_session_goes_with_every_batch() -> None:
    session: Any = object()
    executor = FakeExecutor(cursor_reply(9, [1]), more(0, [2]))
    cursor = fake_collection(executor).find(session=session)
    list(cursor)
    assert executor.sessions == [session, session]
    assert cursor.session is session
    assert cursor.clone().session is session


def test_a_cursor_is_alive_while_another_thread_moves_its_last_documents() -> None:
    cursor: Any = fake_collection(FakeExecutor(cursor_reply(0, [1]))).find()
    assert next(cursor) == 1
    assert not cursor.alive

    class MovedWhenLookedAt:
        def __bool__(self) -> bool:
            cursor._buffer.append(2)
            return False

    cursor._undecoded = MovedWhenLookedAt()
    assert cursor.alive
