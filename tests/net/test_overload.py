"""A server that has too much to do: what operations, pools and the topology make of it."""

from __future__ import annotations

import random
import ssl
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo.errors import (
    AutoReconnect,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
)
from pymongo.monitoring import (
    ConnectionClosedEvent,
    PoolClearedEvent,
    ServerDescriptionChangedEvent,
)

from greenmongo._net import housekeeping
from greenmongo._net.connector import _hints_at_overload
from greenmongo._net.socks import ProxyError
from tests.support.fix_doors import start
from tests.support.fix_hub import Connect
from tests.support.fix_leaks import wait_until
from tests.support.fix_scripted import Answer, FakeReplicaSet, ScriptedServer, hang_up
from tests.support.listeners import Recorder
from tests.support.peek import pools_of, wait_until_known

LABELS = ["SystemOverloadedError", "RetryableError"]
TOO_MUCH = {"ok": 0.0, "code": 462, "errmsg": "rate exceeded", "errorLabels": LABELS}


@pytest.fixture(autouse=True)
def jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits."""
    monkeypatch.setattr(random, "random", lambda: 0.0)


@pytest.fixture
def members() -> Iterator[FakeReplicaSet]:
    with FakeReplicaSet(2) as made:
        yield made


@pytest.mark.parametrize(
    ("name", "operation"),
    [
        ("update", lambda db: db.c.update_many({}, {"$set": {"a": 1}})),
        ("delete", lambda db: db.c.delete_many({})),
        ("insert", lambda db: db.c.insert_one({})),
        ("create", lambda db: db.create_collection("c", check_exists=False)),
        ("createIndexes", lambda db: db.c.create_index("a")),
        ("dropDatabase", lambda db: db.client.drop_database("other")),
        ("find", lambda db: db.c.find_one()),
        ("anything", lambda db: db.command("anything")),
    ],
)
def test_any_operation_is_sent_again(
    scripted_server: ScriptedServer, client_of: Connect, name: str, operation: Any
) -> None:
    client = client_of(scripted_server.uri, retryReads=True, retryWrites=True)
    if name not in {"update", "delete", "insert", "find"}:
        scripted_server.on(name, {"ok": 1.0})
    scripted_server.script(name, TOO_MUCH, TOO_MUCH)
    operation(client.test)
    assert scripted_server.count(name) == 3
    scripted_server.script(name, TOO_MUCH, TOO_MUCH, TOO_MUCH)
    with pytest.raises(OperationFailure, match="rate exceeded"):
        operation(client.test)
    assert scripted_server.count(name) == 6


def test_a_cursor_goes_on(scripted_server: ScriptedServer, client_of: Connect) -> None:
    client = client_of(scripted_server.uri, retryReads=True)
    scripted_server.script("find", {"cursor": {"id": 7, "ns": "test.c", "firstBatch": [{"n": 1}]}})
    rest = {"cursor": {"id": 0, "ns": "test.c", "nextBatch": [{"n": 2}]}}
    scripted_server.script("getMore", TOO_MUCH, TOO_MUCH, rest)
    assert [each["n"] for each in client.test.c.find()] == [1, 2]


@pytest.mark.parametrize("is_wanted", [False, True])
def test_another_member_is_asked_if_that_is_wanted(
    members: FakeReplicaSet, client_of: Connect, is_wanted: bool
) -> None:
    client = client_of(
        members.uri,
        retryReads=True,
        readPreference="nearest",
        localThresholdMS=10_000,
        enableOverloadRetargeting=is_wanted,
    )
    wait_until(lambda: len(client.nodes) == 2)
    for member in members.members:
        member.on("find", TOO_MUCH)
    with pytest.raises(OperationFailure):
        client.test.c.find_one()
    asked = [member.count("find") for member in members.members]
    assert sum(asked) == 3
    if is_wanted:
        assert min(asked) > 0


def test_connections_that_it_refuses_do_not_cost_it_the_others(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    recorder = Recorder("servers", "pools")
    client = client_of(scripted_server.uri, event_listeners=recorder.listeners)
    wait_until_known(client)
    with client.start_request():
        before = client.admin.command("whoami")
        changes = len(recorder.of(ServerDescriptionChangedEvent))
        scripted_server.script("hello", Answer(manner=hang_up))
        error = start(client.admin.command, "ping").exception(5)
        assert isinstance(error, AutoReconnect)
        assert labels_of(error) == LABELS
        assert client.admin.command("whoami") == before
    assert recorder.of(PoolClearedEvent) == []
    assert len(recorder.of(ServerDescriptionChangedEvent)) == changes


def test_operations_bear_with_refused_connections_for_a_while(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client = client_of(scripted_server.uri, retryWrites=True)
    wait_until_known(client)
    with client.start_request():
        client.admin.command("ping")
        scripted_server.script("hello", *[Answer(manner=hang_up)] * 5)
        written = start(client.test.c.update_many, {}, {"$set": {"a": 1}})
        assert written.result(5).acknowledged
    assert scripted_server.count("update") == 1


@pytest.mark.parametrize(
    ("error", "cause", "expected"),
    [
        (AutoReconnect("gone"), ConnectionResetError(), True),
        (AutoReconnect("gone"), ssl.SSLEOFError(), True),
        (NetworkTimeout("late"), None, True),
        (AutoReconnect("who is that?"), ssl.SSLCertVerificationError(), False),
        (AutoReconnect("the proxy says no"), ProxyError("no"), False),
        (NotPrimaryError("shutting down"), None, False),
    ],
)
def test_a_connection_that_cannot_be_opened_may_have_other_reasons(
    error: AutoReconnect, cause: Exception | None, expected: bool
) -> None:
    error.__cause__ = cause
    assert _hints_at_overload(error) is expected


def test_connections_for_the_minimum_are_not_tried_without_a_pause(
    scripted_server: ScriptedServer, client_of: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "INTERVAL", 60.0)
    recorder = Recorder("pools")
    client = client_of(scripted_server.uri, minPoolSize=3, event_listeners=recorder.listeners)
    wait_until_known(client)
    pool = pools_of(client)[scripted_server.address]
    wait_until(lambda: pool.idle_count == 3)
    scripted_server.on("hello", Answer(manner=hang_up))
    data = {request.connection.number for request in scripted_server.commands("hello")}
    scripted_server.kill(max(data))
    # That one, and the attempt to replace it.
    wait_until(lambda: len(recorder.of(ConnectionClosedEvent)) >= 2)
    for _ in range(30):
        client.admin.command("ping")
    # The next one comes at the next round.
    assert pool.created_count == 4


def labels_of(error: PyMongoError) -> list[str]:
    return [label for label in LABELS if error.has_error_label(label)]
