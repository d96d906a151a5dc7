"""The prose tests of the Change Streams specification, each named after its number.

Those that need a large event (19) need MongoDB 6.0.9. The rest is told by a scripted server.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from bson.timestamp import Timestamp
from pymongo.errors import (
    AutoReconnect,
    InvalidOperation,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
)
from pymongo.read_preferences import SecondaryPreferred

from greenmongo import ChangeStream
from tests.support.fix_doors import start
from tests.support.fix_hub import Client, Connect
from tests.support.fix_scripted import Answer, FakeReplicaSet, ScriptedServer, hang_up
from tests.support.peek import pool_of

Doc = dict[str, Any]

TIME = Timestamp(7, 1)
RESUMABLE = {
    "ok": 0.0,
    "code": 280,
    "errmsg": "no more",
    "errorLabels": ["ResumableChangeStreamError"],
}


def token(number: int) -> Doc:
    return {"_data": str(number)}


def change(number: int) -> Doc:
    return {"_id": token(number), "operationType": "insert", "documentKey": {"_id": number}}


def first(*numbers: int, after: int | None = None) -> Doc:
    return reply("firstBatch", numbers, after)


def more(*numbers: int, after: int | None = None) -> Doc:
    return reply("nextBatch", numbers, after)


def reply(batch: str, numbers: tuple[int, ...], after: int | None) -> Doc:
    cursor: Doc = {"id": 7, "ns": "test.c", batch: [change(number) for number in numbers]}
    if after is not None:
        cursor["postBatchResumeToken"] = token(after)
    return {"cursor": cursor, "operationTime": TIME}


@pytest.fixture
def server(scripted_server: ScriptedServer) -> ScriptedServer:
    scripted_server.on("killCursors", {"cursorsKilled": [7]})
    return scripted_server


@pytest.fixture
def client(server: ScriptedServer, client_of: Connect) -> Client:
    return client_of(server.uri, retryReads=False)


@pytest.fixture
def watch(client: Client) -> Callable[..., ChangeStream[Doc]]:
    return client.test.c.watch


Watch = Callable[..., ChangeStream[Doc]]


def stages(server: ScriptedServer) -> list[Doc]:
    """Return with which options the stream was opened, each time."""
    commands = server.commands("aggregate")
    return [each.document["pipeline"][0]["$changeStream"] for each in commands]


def test_1_a_stream_tracks_the_token_seen_last(server: ScriptedServer, watch: Watch) -> None:
    server.script("aggregate", first(1, 2))
    server.script("getMore", more(3))
    stream = watch()
    seen = []
    for _ in range(3):
        stream.next()
        seen.append(stream.resume_token)
    assert seen == [token(1), token(2), token(3)]


def test_2_a_change_without_a_token_is_an_error(server: ScriptedServer, watch: Watch) -> None:
    server.script("aggregate", {"cursor": {"id": 7, "ns": "test.c", "firstBatch": [{"n": 1}]}})
    stream = watch()
    with pytest.raises(InvalidOperation, match="resume token is missing"):
        stream.next()
    assert not stream.alive
    server.wait_for(lambda: server.count("killCursors") == 1)


@pytest.mark.parametrize("failure", [RESUMABLE, Answer({}, hang_up)], ids=["labelled", "network"])
def test_3_it_is_resumed_once_with_what_it_was_opened_with(
    server: ScriptedServer, watch: Watch, failure: Any
) -> None:
    server.script("aggregate", first(1, after=1), first(2, after=2), first(after=2))
    server.script("getMore", failure, failure, more(3))
    stream = watch(
        [{"$match": {"x": 1}}], full_document="updateLookup", batch_size=4, comment="why"
    )
    assert [stream.next()["_id"] for _ in range(3)] == [token(1), token(2), token(3)]
    opened, *again = [each.document for each in server.commands("aggregate")]
    for number, command in enumerate(again, 1):
        resumed = command["pipeline"][0]["$changeStream"]
        assert resumed == {"fullDocument": "updateLookup", "resumeAfter": token(number)}
        for name in ("aggregate", "cursor", "comment"):
            assert command[name] == opened[name]
        assert command["pipeline"][1:] == opened["pipeline"][1:]


def test_3_the_resumption_itself_is_not_resumed(server: ScriptedServer, watch: Watch) -> None:
    server.script("aggregate", first(after=1), Answer({}, hang_up), first(2))
    server.script("getMore", Answer({}, hang_up))
    stream = watch()
    with pytest.raises(AutoReconnect):
        stream.next()
    assert server.count("aggregate") == 2
    # "A driver MUST ensure that consecutive resume attempts can succeed".
    assert stream.next()["_id"] == token(2)
    assert stages(server)[-1] == {"resumeAfter": token(1)}


@pytest.mark.parametrize("failure", [RESUMABLE, Answer({}, hang_up)], ids=["labelled", "network"])
def test_4_no_error_of_an_aggregate_is_resumed(
    server: ScriptedServer, watch: Watch, failure: Any
) -> None:
    server.on("aggregate", failure)
    with pytest.raises(PyMongoError):
        watch()
    assert server.count("aggregate") == 1


def test_6_the_server_is_chosen_anew_by_the_first_read_preference(
    fake_replica_set: FakeReplicaSet, client_of: Connect
) -> None:
    members = fake_replica_set.members
    for member in members:
        member.on("aggregate", first(after=1))
        member.on("killCursors", {})
        member.on("getMore", more(2))
    client = client_of(
        fake_replica_set.uri, retryReads=False, heartbeatFrequencyMS=500, localThresholdMS=100_000
    )
    preferring = client.test.get_collection("c", read_preference=SecondaryPreferred())
    stream = preferring.watch()
    (chosen,) = [member for member in members if member.count("aggregate")]
    assert chosen is not members[0]
    chosen.on("getMore", Answer({}, hang_up))
    chosen.refuse()
    assert stream.next()["_id"] == token(2)
    (other,) = [each for each in members[1:] if each is not chosen]
    assert (members[0].count("aggregate"), other.count("aggregate")) == (0, 1)


def test_7_an_empty_first_batch_closes_no_cursor(server: ScriptedServer, watch: Watch) -> None:
    server.script("aggregate", first())
    server.script("getMore", more(1))
    stream = watch()
    assert stream.alive
    assert stream.next()["_id"] == token(1)
    assert server.count("killCursors") == 0


@pytest.mark.parametrize(
    "refusal", [Answer({}, hang_up), {"ok": 0.0, "code": 1, "errmsg": "no"}], ids=["lost", "no"]
)
def test_8_no_error_of_kill_cursors_is_raised(
    server: ScriptedServer, watch: Watch, refusal: Any
) -> None:
    server.on("killCursors", refusal)
    server.script("aggregate", first(after=1), first(2))
    server.script("getMore", RESUMABLE)
    assert watch().next()["_id"] == token(2)
    assert server.count("killCursors") >= 1


def test_9_without_a_token_it_is_resumed_at_the_time_of_the_first_reply(
    server: ScriptedServer, watch: Watch
) -> None:
    server.script("aggregate", first(), first(1))
    server.script("getMore", RESUMABLE)
    watch().next()
    assert stages(server) == [{}, {"startAtOperationTime": TIME}]


def test_11_at_the_end_of_a_batch_the_token_is_that_of_the_batch(
    server: ScriptedServer, watch: Watch
) -> None:
    server.script("aggregate", first(after=1))
    server.script("getMore", more(after=2), more(3, 4, after=5))
    stream = watch()
    assert stream.resume_token == token(1)
    assert stream.try_next() is None
    assert stream.resume_token == token(2)
    stream.next()
    stream.next()
    assert stream.resume_token == token(5)


@pytest.mark.parametrize(
    ("options", "expected"), [({}, None), ({"resume_after": token(9)}, token(9))]
)
def test_12_without_one_it_is_that_of_the_change_or_the_callers(
    server: ScriptedServer, watch: Watch, options: Doc, expected: Doc | None
) -> None:
    server.script("aggregate", first())
    server.script("getMore", more(), more(1))
    stream = watch(**options)
    assert stream.resume_token == expected
    assert stream.try_next() is None
    assert stream.resume_token == expected
    stream.next()
    assert stream.resume_token == token(1)


def test_13_within_a_batch_it_is_that_of_the_change(server: ScriptedServer, watch: Watch) -> None:
    server.script("aggregate", first(1, 2, 3, after=4))
    stream = watch()
    for number in (1, 2):
        stream.next()
        assert stream.resume_token == token(number)


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, None), ({"resume_after": token(9)}, token(9)), ({"start_after": token(9)}, token(9))],
)
def test_14_before_the_first_change_it_is_the_callers(
    server: ScriptedServer, watch: Watch, options: Doc, expected: Doc | None
) -> None:
    server.script("aggregate", first(1, 2, after=3))
    assert watch(**options).resume_token == expected


def test_17_start_after_is_sent_again_while_there_were_no_changes(
    server: ScriptedServer, watch: Watch
) -> None:
    server.script("aggregate", first(after=1), first(2))
    server.script("getMore", RESUMABLE)
    watch(start_after=token(0)).next()
    assert stages(server) == [{"startAfter": token(0)}, {"startAfter": token(1)}]


def test_18_after_a_change_it_is_resume_after(server: ScriptedServer, watch: Watch) -> None:
    server.script("aggregate", first(1), first(2))
    server.script("getMore", RESUMABLE)
    stream = watch(start_after=token(0))
    stream.next()
    stream.next()
    assert stages(server) == [{"startAfter": token(0)}, {"resumeAfter": token(1)}]


# What the specification says beside its prose tests.


def test_a_member_that_is_no_primary_any_more_is_resumed_elsewhere(
    fake_replica_set: FakeReplicaSet, client_of: Connect
) -> None:
    old, new, _ = fake_replica_set.members
    client = client_of(fake_replica_set.uri, retryReads=False, heartbeatFrequencyMS=500)
    old.on("aggregate", first(1, after=1))
    old.on("killCursors", {})

    def steps_down(_: Any) -> Doc:
        fake_replica_set.elect(1)
        return {
            "ok": 0.0,
            "code": 10107,
            "errmsg": "not primary",
            "errorLabels": ["ResumableChangeStreamError"],
        }

    old.on("getMore", steps_down)
    new.on("aggregate", first(2))
    stream = client.test.c.watch()
    assert [stream.next()["_id"] for _ in range(2)] == [token(1), token(2)]
    assert stages(new) == [{"resumeAfter": token(1)}]


def test_servers_before_4_4_have_codes_instead_of_labels(
    server: ScriptedServer, client_of: Connect
) -> None:
    server.hello["maxWireVersion"] = 8
    server.script("aggregate", first(after=1), first(2))
    server.script("getMore", {"ok": 0.0, "code": 133, "errmsg": "no member suits"})
    assert client_of(server.uri).test.c.watch().next()["_id"] == token(2)


def test_an_error_without_the_label_is_the_end(server: ScriptedServer, watch: Watch) -> None:
    server.script("aggregate", first(after=1))
    server.script("getMore", {"ok": 0.0, "code": 133, "errmsg": "no member suits"})
    stream = watch()
    with pytest.raises(OperationFailure) as caught:
        stream.next()
    assert not isinstance(caught.value, NotPrimaryError)
    assert not stream.alive
    assert server.count("aggregate") == 1


def test_a_database_is_read_on_in_the_namespace_that_the_server_names(
    server: ScriptedServer, client: Client
) -> None:
    opened = first(after=1)
    opened["cursor"]["ns"] = "test.$cmd.aggregate"
    server.script("aggregate", opened)
    server.script("getMore", more(1))
    client.test.watch(max_await_time_ms=5, comment="why").next()
    (command,) = server.commands("getMore")
    assert command.document["collection"] == "$cmd.aggregate"
    assert command.document["maxTimeMS"] == 5
    assert command.document["comment"] == "why"


def test_streams_that_take_turns_all_outlive_the_loss_of_their_connections(
    server: ScriptedServer, client_of: Connect
) -> None:
    client = client_of(server.uri, maxPoolSize=2)
    server.on("aggregate", first(after=1))
    server.on("getMore", more(after=1))
    streams = [client.test.c.watch() for _ in range(6)]
    waiting = [start(stream.next) for stream in streams]
    turns = pool_of(client).await_turns
    server.wait_for(lambda: turns.waiting_count == 5 and server.count("getMore") > 20)
    server.kill_all()
    server.on("getMore", more(2))
    assert [each.result(15)["_id"] for each in waiting] == [token(2)] * 6
    for stream in streams:
        stream.close()
    assert (turns.taken, turns.waiting_count) == (0, 0)
