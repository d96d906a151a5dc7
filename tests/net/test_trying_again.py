"""What an operation makes of failures where one more attempt is not all there is to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from pymongo.errors import AutoReconnect, OperationFailure, WriteConcernError
from pymongo.monitoring import ConnectionCheckOutFailedEvent, ServerDescriptionChangedEvent

from greenmongo import timeout
from tests.support.fix_doors import start
from tests.support.fix_hub import Connect
from tests.support.fix_leaks import wait_until
from tests.support.fix_scripted import Answer, FakeReplicaSet, Gate, ScriptedServer, hang_up
from tests.support.listeners import Recorder
from tests.support.peek import pools_of

EMPTY: dict[str, Any] = {"cursor": {"id": 0, "firstBatch": []}}
HOST_UNREACHABLE = {"ok": 0.0, "code": 6, "errmsg": "unreachable"}
BUSY = {"ok": 0.0, "code": 262, "errmsg": "ExceededTimeLimit"}
NOT_PRIMARY = {"ok": 0.0, "code": 10107, "errmsg": "not primary"}
STEPPED_DOWN = {
    "n": 1,
    "writeConcernError": {"code": 11602, "errmsg": "stepped down"},
    "errorLabels": ["RetryableWriteError"],
}


@pytest.fixture
def pair() -> Iterator[FakeReplicaSet]:
    with FakeReplicaSet(2) as members:
        yield members


@pytest.fixture
def primary(pair: FakeReplicaSet) -> ScriptedServer:
    return pair.members[0]


def test_a_write_has_its_number_although_the_server_is_unknown_by_now(
    pair: FakeReplicaSet, primary: ScriptedServer, client_of: Connect
) -> None:
    client = client_of(pair.uri, retryWrites=True, maxPoolSize=1)
    gate = Gate()
    primary.script("find", Answer(NOT_PRIMARY, gate))
    read = start(client.test.c.find_one)
    gate.wait_for_waiting()
    write = start(client.test.c.insert_one, {"_id": 1})
    wait_until(lambda: pools_of(client)[primary.address].waiting_count == 1)
    gate.open()
    assert isinstance(read.exception(5), AutoReconnect)
    assert write.result(5).acknowledged
    (insert,) = primary.commands("insert")
    assert insert.document["txnNumber"] == 1
    assert "lsid" in insert.document


def test_a_read_that_prefers_the_primary_is_retried_there(
    pair: FakeReplicaSet, primary: ScriptedServer, connect_through: Connect
) -> None:
    """D01: the server of the first attempt is not avoided, as another is liked less."""
    client = connect_through(pair.uri, retryReads=True, readPreference="primaryPreferred")
    wait_until(lambda: len(client.nodes) == 2)
    client.admin.command("ping")
    primary.script("find", HOST_UNREACHABLE)
    assert client.test.c.find_one() is None
    assert [member.count("find") for member in pair.members] == [2, 0]


def test_failures_before_anything_was_sent_are_no_attempts(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    recorder = Recorder("pools")
    client = client_of(
        f"mongodb://user:secret@{scripted_server.host}/?authMechanism=PLAIN",
        retryReads=True,
        serverSelectionTimeoutMS=15_000,
        event_listeners=recorder.listeners,
    )
    # Monitors do not log in, so it is the operation's own connections that fail.
    scripted_server.script("saslStart", *[Answer(manner=hang_up)] * 3)
    scripted_server.on("saslStart", {"conversationId": 1, "done": True, "payload": b""})
    assert client.test.c.find_one() is None
    assert len(recorder.of(ConnectionCheckOutFailedEvent)) == 3


def test_failures_before_anything_was_sent_end_at_their_deadline(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client = client_of(
        f"mongodb://user:secret@{scripted_server.host}/?authMechanism=PLAIN",
        retryReads=True,
        serverSelectionTimeoutMS=700,
    )
    client._executor.open()
    wait_until(lambda: client.nodes)
    scripted_server.on("saslStart", Answer(manner=hang_up))
    with pytest.raises(AutoReconnect, match="closed"):
        client.test.c.find_one()
    assert scripted_server.count("find") == 0


def test_with_a_time_limit_a_read_is_tried_until_it_succeeds(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client = client_of(scripted_server.uri, retryReads=True, timeoutMS=10_000)
    scripted_server.script("find", *[BUSY] * 4)
    assert client.test.c.find_one() is None
    assert scripted_server.count("find") == 5


@pytest.mark.parametrize("where", ["client", "block", "block in a block"])
@pytest.mark.parametrize("name", ["find", "insert"])
def test_with_a_time_limit_of_0_an_operation_is_tried_until_it_succeeds(
    pair: FakeReplicaSet, primary: ScriptedServer, client_of: Connect, where: str, name: str
) -> None:
    """D02: 0 is no limit; it is not as if there were no timeoutMS, when there is one retry."""
    options = {"timeoutMS": 0} if where == "client" else {}
    client = client_of(pair.uri, retryReads=True, retryWrites=True, **options)
    primary.script(name, *[{**BUSY, "errorLabels": ["RetryableWriteError"]}] * 4)
    with ExitStack() as blocks:
        if where == "block in a block":
            blocks.enter_context(timeout(60))
        if where != "client":
            blocks.enter_context(timeout(0))
        if name == "find":
            assert client.test.c.find_one() is None
        else:
            client.test.c.insert_one({})
    assert primary.count(name) == 5


def test_a_block_that_leaves_it_to_the_client_leaves_the_retries_as_well(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    """D02: `timeout(None)` is no limit of 0."""
    client = client_of(scripted_server.uri, retryReads=True)
    scripted_server.script("find", BUSY, BUSY)
    with pytest.raises(OperationFailure), timeout(None):
        client.test.c.find_one()
    assert scripted_server.count("find") == 2


def test_with_a_time_limit_the_last_failure_is_told_when_it_is_over(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client = client_of(scripted_server.uri, retryReads=True, timeoutMS=3000)
    with timeout(0):
        client.admin.command("ping")
    scripted_server.on("find", {"ok": 0.0, "code": 262, "errmsg": "busy all the time"})
    with pytest.raises(OperationFailure):
        client.test.c.find_one()
    assert 3 <= scripted_server.count("find") <= 20


def test_a_failed_write_concern_tells_how_old_its_news_is(
    pair: FakeReplicaSet, primary: ScriptedServer, client_of: Connect
) -> None:
    recorder = Recorder("servers")
    client = client_of(pair.uri, event_listeners=recorder.listeners)
    version = {"processId": "of this run", "counter": 7}
    primary.script("insert", {**STEPPED_DOWN, "topologyVersion": version})
    with pytest.raises(WriteConcernError):
        client.test.c.insert_one({})
    changes = recorder.of(ServerDescriptionChangedEvent)
    lost = [c for c in changes if c.new_description.error is not None]
    assert [c.new_description.topology_version for c in lost] == [version]


def test_a_failed_write_concern_is_told_as_one_if_no_primary_appears(
    pair: FakeReplicaSet, primary: ScriptedServer, client_of: Connect
) -> None:
    client = client_of(pair.uri, retryWrites=True, serverSelectionTimeoutMS=300)
    client._executor.open()
    wait_until(lambda: client.primary)
    client.admin.command("ping")
    pair.elect(None)
    primary.script("insert", STEPPED_DOWN)
    with pytest.raises(WriteConcernError, match="stepped down"):
        client.test.c.insert_one({})
