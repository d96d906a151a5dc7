from __future__ import annotations

from typing import Any

import pytest
from bson.codec_options import DEFAULT_CODEC_OPTIONS
from bson.timestamp import Timestamp
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from greenmongo._core.command import Reply
from greenmongo._core.commands.find import FindSpec
from greenmongo._core.constants import CursorType
from greenmongo._core.cursors.plan import CursorPlan
from greenmongo._core.namespace import Namespace

HOST = ("h", 1)
NAMESPACE = Namespace(
    "db", "c", DEFAULT_CODEC_OPTIONS, ReadPreference.SECONDARY, WriteConcern(), ReadConcern()
)


def batch(cursor_id: int, documents: list[Any], *, ns: str = "db.c") -> Reply:
    return Reply({"cursor": {"id": cursor_id, "firstBatch": documents, "ns": ns}}, HOST)


def more(cursor_id: int, documents: list[Any]) -> Reply:
    return Reply({"cursor": {"id": cursor_id, "nextBatch": documents, "ns": "db.c"}}, HOST)


def plan(**options: Any) -> CursorPlan:
    return CursorPlan.of_find(NAMESPACE, FindSpec(**options))


def test_a_new_plan_has_no_cursor() -> None:
    new = plan()
    assert (new.cursor_id, new.address, new.retrieved) == (None, None, 0)
    assert [new.is_exhausted, new.is_satisfied, new.must_kill] == [False] * 3


def test_the_first_command_is_the_find() -> None:
    assert CursorPlan.first_command(NAMESPACE, FindSpec(limit=2)).body["find"] == "c"


def test_batches_are_counted_until_the_server_has_no_more() -> None:
    cursor = plan()
    assert cursor.absorb(batch(9, [1, 2])) == [1, 2]
    assert (cursor.cursor_id, cursor.address, cursor.retrieved) == (9, HOST, 2)
    assert cursor.must_kill
    assert cursor.absorb(more(0, [3])) == [3]
    assert cursor.retrieved == 3
    assert cursor.is_exhausted
    assert not cursor.must_kill


def test_more_is_asked_of_the_same_server_in_the_namespace_it_named() -> None:
    cursor = plan(comment="why")
    cursor.absorb(batch(9, [1], ns="db.$cmd.view.x"))
    command = cursor.next_command()
    assert command.body == {"getMore": 9, "collection": "$cmd.view.x", "comment": "why"}
    assert command.address == HOST
    assert command.read_preference == ReadPreference.SECONDARY
    assert command.user_documents


def test_a_batch_is_never_larger_than_what_the_limit_leaves() -> None:
    cursor = plan(limit=5, batch_size=3)
    cursor.absorb(batch(9, [1, 2, 3]))
    assert cursor.next_command().body["batchSize"] == 2
    without_size = plan(limit=5)
    without_size.absorb(batch(9, [1]))
    assert without_size.next_command().body["batchSize"] == 4


def test_a_limit_may_be_reached_before_the_server_closes() -> None:
    cursor = plan(limit=2)
    cursor.absorb(batch(9, [1, 2]))
    assert cursor.is_satisfied


def test_a_tail_waits_as_long_as_it_was_told() -> None:
    cursor = plan(max_await_time_ms=250)
    cursor.absorb(batch(9, []))
    assert cursor.next_command().body["maxTimeMS"] == 250


def test_a_cursor_is_killed_where_it_lives() -> None:
    cursor = plan()
    cursor.absorb(batch(9, [1]))
    command = cursor.kill_command()
    assert command.body == {"killCursors": "c", "cursors": [9]}
    assert command.address == HOST


class NoSession:
    session = None
    explicit = None


def test_commands_carry_what_the_cursor_lives_on() -> None:
    cursor, lease = plan(), NoSession()
    cursor.absorb(Reply(batch(9, [1]).document, HOST, lease))
    assert cursor.next_command().lease is lease
    assert cursor.kill_command().lease is lease


def test_where_a_change_stream_could_go_on_is_kept() -> None:
    cursor = plan()
    time, token = Timestamp(5, 1), {"_data": "82"}
    opened = batch(9, []).document
    opened["cursor"]["postBatchResumeToken"] = token
    cursor.absorb(Reply({**opened, "operationTime": time}, HOST))
    assert (cursor.post_batch_resume_token, cursor.operation_time) == (token, time)


@pytest.mark.parametrize(
    ("flags", "awaits"),
    [(0, False), (CursorType.TAILABLE, False), (CursorType.TAILABLE_AWAIT, True)],
)
def test_only_a_cursor_that_awaits_data_waits_for_its_turn(flags: int, awaits: bool) -> None:
    plan = CursorPlan.of_find(NAMESPACE, FindSpec(flags=flags))
    plan.cursor_id = 7
    assert plan.next_command().awaits_data is awaits
