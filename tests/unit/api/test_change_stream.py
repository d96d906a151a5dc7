"""Change streams, against replies that a test has chosen."""

from __future__ import annotations

from typing import Any

import bson
import pytest
from bson.codec_options import CodecOptions, TypeDecoder, TypeRegistry
from bson.errors import InvalidBSON
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp
from pymongo.errors import (
    AutoReconnect,
    CursorNotFound,
    InvalidOperation,
    NetworkTimeout,
    OperationFailure,
)

from greenmongo import ChangeStream
from tests.support.fake_executor import FakeExecutor, fake_collection

THEN = Timestamp(7, 1)


def token(number: float) -> dict[str, Any]:
    return {"_data": str(number)}


def change(number: int) -> dict[str, Any]:
    return {"_id": token(number), "operationType": "insert", "n": number}


def batch(
    *changes: Any, first: bool = False, cursor_id: int = 5, after: float | None = None
) -> dict[str, Any]:
    cursor: dict[str, Any] = {
        "id": cursor_id,
        "firstBatch" if first else "nextBatch": list(changes),
        "ns": "db.c",
    }
    if after is not None:
        cursor["postBatchResumeToken"] = token(after)
    return {"cursor": cursor, "operationTime": THEN, "ok": 1.0}


def stages(executor: FakeExecutor) -> list[Any]:
    """Return with which options the stream was opened, each time."""
    return [body["pipeline"][0]["$changeStream"] for body in executor.bodies if "aggregate" in body]


def names(executor: FakeExecutor) -> list[str]:
    return [command.name for command in executor.commands]


def watched(*replies: Any, **options: Any) -> tuple[ChangeStream[Any], FakeExecutor]:
    executor = FakeExecutor(*replies)
    return fake_collection(executor).watch(**options), executor


def test_changes_come_in_order_and_the_token_goes_along() -> None:
    stream, _ = watched(
        batch(change(1), change(2), first=True, after=2.5), batch(change(3), after=3.5)
    )
    seen = []
    for _ in range(3):
        found = next(stream)
        seen.append((found["n"], stream.resume_token))

    # The last of a batch: the server has looked further than that change.
    assert seen == [(1, token(1)), (2, token(2.5)), (3, token(3.5))]


def test_the_token_moves_on_while_nothing_changes() -> None:
    stream, _ = watched(batch(first=True, after=1), batch(after=2), batch())
    assert stream.resume_token == token(1)
    assert stream.try_next() is None
    assert stream.resume_token == token(2)
    assert stream.try_next() is None
    assert stream.resume_token == token(2)


def test_nobody_changes_the_token_from_outside() -> None:
    stream, _ = watched(batch(first=True, after=1))
    found: Any = stream.resume_token
    found["_data"] = "other"

    assert stream.resume_token == token(1)


@pytest.mark.parametrize(
    "error",
    [
        AutoReconnect("gone"),
        CursorNotFound("unknown", 43, {"code": 43}),
        OperationFailure("x", 91, {"errorLabels": ["ResumableChangeStreamError"]}),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_stream_goes_on_behind_the_last_change_that_it_returned(error: Exception) -> None:
    stream, executor = watched(
        batch(change(1), change(2), first=True),
        error,
        *([] if isinstance(error, (AutoReconnect, CursorNotFound)) else [{"ok": 1.0}]),
        batch(change(3), first=True, cursor_id=6),
    )
    assert [next(stream)["n"] for _ in range(3)] == [1, 2, 3]
    assert stages(executor) == [{}, {"resumeAfter": token(2)}]


def test_a_stream_that_saw_nothing_goes_on_where_it_began() -> None:
    stream, executor = watched(
        batch(first=True), AutoReconnect("gone"), batch(first=True), batch(change(1))
    )
    assert next(stream)["n"] == 1
    assert stages(executor) == [{}, {"startAtOperationTime": THEN}]


def test_it_is_resumed_once_and_the_next_call_tries_again() -> None:
    stream, executor = watched(
        batch(change(1), first=True),
        AutoReconnect("first"),
        AutoReconnect("second"),
        AutoReconnect("third"),
        batch(change(2), first=True),
    )
    next(stream)
    for words in ("second", "third"):
        with pytest.raises(AutoReconnect, match=words):
            next(stream)
        assert stream.alive
    assert next(stream)["n"] == 2
    assert stages(executor)[1:] == [{"resumeAfter": token(1)}] * 3


def test_after_a_timeout_the_next_call_resumes_it() -> None:
    stream, executor = watched(
        batch(change(1), first=True),
        NetworkTimeout("late"),
        NetworkTimeout("late too"),
        batch(change(2), first=True),
    )
    next(stream)
    with pytest.raises(NetworkTimeout, match="late too"):
        next(stream)
    assert next(stream)["n"] == 2
    assert len(executor.killed) == 1


def test_any_other_error_ends_it() -> None:
    stream, executor = watched(
        batch(change(1), first=True), OperationFailure("history lost", 286, {"code": 286})
    )
    next(stream)
    with pytest.raises(OperationFailure, match="history lost"):
        next(stream)
    assert not stream.alive
    assert names(executor) == ["aggregate", "getMore", "killCursors"]
    with pytest.raises(StopIteration):
        next(stream)


def test_an_error_of_the_resumption_that_cannot_pass_ends_it() -> None:
    stream, _ = watched(
        batch(change(1), first=True),
        AutoReconnect("gone"),
        OperationFailure("history lost", 286, {"code": 286}),
    )
    next(stream)
    with pytest.raises(OperationFailure, match="history lost"):
        next(stream)
    assert not stream.alive


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interrupted_call_loses_nothing(interruption: type[BaseException]) -> None:
    stream, executor = watched(
        batch(change(1), first=True),
        interruption(),
        batch(change(2), first=True, cursor_id=6),
    )
    next(stream)
    with pytest.raises(interruption):
        next(stream)
    assert stream.alive
    assert [cursor for _, _, _, cursor in executor.killed] == [5]
    assert next(stream)["n"] == 2
    assert stages(executor)[1:] == [{"resumeAfter": token(1)}]


def test_a_stream_ends_with_what_it_watched() -> None:
    stream, executor = watched(batch(change(1), change(2), first=True, cursor_id=0))
    assert [found["n"] for found in stream] == [1, 2]
    assert not stream.alive
    assert names(executor) == ["aggregate"]


def test_a_closed_stream_has_no_further_change() -> None:
    stream, executor = watched(batch(change(1), change(2), first=True))
    with stream:
        next(stream)
    assert stream.try_next() is None
    assert list(stream) == []
    assert names(executor) == ["aggregate", "killCursors"]


def test_a_change_without_its_token_ends_the_stream() -> None:
    stream, executor = watched(batch({"n": 1}, first=True))
    with pytest.raises(InvalidOperation, match="resume token is missing"):
        next(stream)
    assert not stream.alive
    assert len(executor.killed) == 1


class Fussy(TypeDecoder):
    @property
    def bson_type(self) -> type[Timestamp]:
        return Timestamp

    def transform_bson(self, value: Timestamp) -> Any:
        if value.time == 13:
            raise InvalidBSON("thirteen")
        return value.time


def test_a_decoder_of_the_users_sees_the_change_but_not_its_token() -> None:
    options: Any = CodecOptions(type_registry=TypeRegistry([Fussy()]))
    raw = [RawBSONDocument(encoded(number)) for number in (1, 13, 2)]
    executor = FakeExecutor(batch(*raw, first=True))
    stream = fake_collection(executor).with_options(options).watch()

    assert next(stream)["clusterTime"] == 1
    assert stream.resume_token == token(1)
    with pytest.raises(InvalidBSON, match="thirteen"):
        next(stream)
    assert stream.resume_token == token(1)
    assert not stream.alive


def encoded(number: int) -> bytes:
    return bson.encode({"_id": token(number), "clusterTime": Timestamp(number, 1)})


def test_a_database_is_watched_as_a_whole() -> None:
    executor = FakeExecutor(batch(first=True))
    fake_collection(executor).database.watch()

    assert [(c.db, c.body["aggregate"]) for c in executor.commands] == [("db", 1)]


def test_what_the_caller_does_to_his_pipeline_later_does_not_matter() -> None:
    stages = [{"$match": {"x": 1}}]
    executor = FakeExecutor(batch(first=True, after=1), AutoReconnect("lost"), batch(first=True))
    stream = fake_collection(executor).watch(stages)
    stages[0]["$match"]["x"] = 2
    stream.try_next()
    assert [body["pipeline"][1] for body in executor.bodies if "aggregate" in body] == [
        {"$match": {"x": 1}}
    ] * 2


def test_a_block_that_is_left_by_who_was_killed_waits_for_nothing() -> None:
    stream, executor = watched(batch(first=True, after=1))
    with pytest.raises(KeyboardInterrupt), stream:
        raise KeyboardInterrupt
    assert not stream.alive
    assert names(executor) == ["aggregate"]
    assert len(executor.killed) == 1


def test_whoever_waits_when_a_stream_is_closed_gets_no_change() -> None:
    killed = OperationFailure("killed", 237)
    stream, executor = watched(batch(first=True, after=1), {"ok": 1.0}, killed)
    execute = executor.execute

    def close_meanwhile(command: Any, session: Any = None) -> Any:
        if command.name == "getMore":
            stream.close()
        return execute(command, session)

    setattr(executor, "execute", close_meanwhile)  # noqa: B010
    with pytest.raises(StopIteration):
        stream.next()
