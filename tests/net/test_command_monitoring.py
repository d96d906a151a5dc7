"""Command Logging and Monitoring: the events of commands, and in whose context they come."""

from __future__ import annotations

import contextvars
import logging
from typing import Any

import gevent
import pytest
from pymongo import monitoring
from pymongo.errors import (
    AutoReconnect,
    OperationFailure,
    PyMongoError,
)

from bridge import AsyncMongoClient
from greenmongo import lowlevel
from tests.support.fix_doors import in_hub, start
from tests.support.fix_hub import Connect
from tests.support.fix_leaks import wait_until
from tests.support.fix_scripted import (
    Answer,
    Gate,
    ScriptedServer,
    hang_up,
)
from tests.support.listeners import Recorder

EMPTY: dict[str, Any] = {"cursor": {"id": 0, "firstBatch": []}}

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


def test_a_commands_beginning_and_success_are_told(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    recorder = Recorder("commands")
    client = client_of(scripted_server.uri, event_listeners=recorder.listeners)
    client.shop.items.insert_one({"_id": 1})
    assert recorder.names == ["CommandStarted", "CommandSucceeded"]
    started, succeeded = recorder.started("insert"), recorder.succeeded("insert")
    assert started.command["insert"] == "items"
    assert started.command["documents"] == [{"_id": 1}]
    assert started.command["$db"] == "shop"
    assert started.database_name == succeeded.database_name == "shop"
    assert started.request_id == succeeded.request_id
    assert started.connection_id == succeeded.connection_id == scripted_server.address
    assert started.server_connection_id == 2
    assert succeeded.reply == {"n": 1, "ok": 1.0}
    assert succeeded.duration_micros >= 0


def test_a_refusal_is_told_as_the_server_put_it(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    recorder = Recorder("commands")
    client = client_of(scripted_server.uri, event_listeners=recorder.listeners)
    with pytest.raises(OperationFailure):
        client.admin.command("nope")
    assert recorder.names == ["CommandStarted", "CommandFailed"]
    assert recorder.failed("nope").failure["code"] == 59


def test_a_write_error_is_a_success(scripted_server: ScriptedServer, client_of: Connect) -> None:
    recorder = Recorder("commands")
    client = client_of(scripted_server.uri, event_listeners=recorder.listeners)
    client.shop.items.insert_one({"_id": 1})
    with pytest.raises(PyMongoError):
        client.shop.items.insert_one({"_id": 1})
    assert recorder.succeeded("insert").reply["writeErrors"]


def test_a_lost_connection_is_told_as_a_failure(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    recorder = Recorder("commands")
    client = client_of(scripted_server.uri, event_listeners=recorder.listeners)
    scripted_server.on("find", Answer(manner=hang_up))
    with pytest.raises(AutoReconnect):
        client.shop.items.find_one()
    assert recorder.failed("find").failure["errtype"] == "AutoReconnect"


def test_both_attempts_are_told(scripted_server: ScriptedServer, client_of: Connect) -> None:
    recorder = Recorder("commands")
    options = {"retryReads": True, "event_listeners": recorder.listeners}
    client = client_of(scripted_server.uri, **options)
    scripted_server.script("find", Answer(manner=hang_up))
    client.shop.items.find_one()
    assert recorder.names == [
        "CommandStarted",
        "CommandFailed",
        "CommandStarted",
        "CommandSucceeded",
    ]
    first, second = recorder.of(monitoring.CommandStartedEvent)
    assert first.request_id != second.request_id
    assert first.operation_id == second.operation_id


@pytest.mark.parametrize("w", [0, 1])
def test_the_batches_of_one_write_are_told_as_one_operation(
    w: int, scripted_server: ScriptedServer, client_of: Connect
) -> None:
    recorder = Recorder("commands")
    scripted_server.hello["maxWriteBatchSize"] = 2
    client = client_of(scripted_server.uri, event_listeners=recorder.listeners, w=w)
    client.admin.command("ping")
    client.shop.items.insert_many([{"_id": number} for number in range(5)])
    client.shop.items.insert_many([{"_id": number} for number in range(5, 7)])
    inserts = [
        event.operation_id
        for event in recorder.of(monitoring.CommandStartedEvent)
        if event.command_name == "insert"
    ]
    assert len(inserts) == 4
    assert len(set(inserts[:3])) == 1
    assert inserts[3] not in inserts[:3]


def test_an_unacknowledged_write_succeeds_at_once(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    recorder = Recorder("commands")
    client = client_of(scripted_server.uri, event_listeners=recorder.listeners, w=0)
    client.shop.items.insert_one({"_id": 1})
    assert recorder.succeeded("insert").reply == {"ok": 1}
    assert recorder.started("insert").command["writeConcern"] == {"w": 0}


def test_an_abandoned_command_has_an_end_too(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    recorder = Recorder("commands")
    client = client_of(scripted_server.uri, event_listeners=recorder.listeners)
    client.admin.command("ping")
    gate = Gate()
    scripted_server.on("find", Answer(EMPTY, gate))

    def leave() -> None:
        caller = gevent.spawn(client.shop.items.find_one)
        wait_until(lambda: gate.waiting)
        caller.kill()

    in_hub(leave)
    wait_until(lambda: recorder.names[-1] == "CommandFailed")
    assert recorder.failed("find").failure["errtype"] == "CallAbandoned"
    gate.open()


def test_credentials_are_not_told(scripted_server: ScriptedServer, client_of: Connect) -> None:
    recorder = Recorder("commands")
    client = client_of(scripted_server.uri, event_listeners=recorder.listeners)
    scripted_server.on("saslStart", {"payload": b"secret"})
    client.admin.command({"saslStart": 1, "payload": b"secret"})
    assert recorder.started("saslStart").command == {}
    assert recorder.succeeded("saslStart").reply == {}
    refusal = {"ok": 0, "code": 18, "errmsg": "secret"}
    scripted_server.on("saslStart", refusal)
    with pytest.raises(OperationFailure):
        client.admin.command({"saslStart": 1, "payload": b"secret"})
    assert recorder.failed("saslStart").failure == {"code": 18}
    scripted_server.on("saslStart", Answer(manner=hang_up))
    with pytest.raises(AutoReconnect):
        client.admin.command({"saslStart": 1, "payload": b"secret"})
    assert recorder.failed("saslStart").failure["errtype"] == "AutoReconnect"


def test_greetings_and_checks_are_no_commands(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    recorder = Recorder("commands")
    client = client_of(scripted_server.uri, event_listeners=recorder.listeners)
    client.admin.command("ping")
    client.close()
    assert [event.command_name for event in recorder.events] == ["ping"] * 2 + ["endSessions"] * 2


def test_the_failures_of_an_authentication_are_told_to_listeners_only(
    scripted_server: ScriptedServer, client_of: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "greenmongo.command")
    recorder = Recorder("commands")
    refusal = {"ok": 0, "code": 18, "errmsg": "Authentication failed."}
    scripted_server.on("saslStart", refusal)
    client = client_of(
        scripted_server.uri,
        event_listeners=recorder.listeners,
        username="me",
        password="secret",
        authMechanism="PLAIN",
    )
    with pytest.raises(OperationFailure):
        client.admin.command("ping")
    assert recorder.names == ["CommandStarted", "CommandFailed"]
    assert recorder.started("saslStart").command == {}
    assert recorder.failed("saslStart").failure == {"code": 18}
    assert not [each for each in caplog.records if each.name == "greenmongo.command"]


class Watcher(monitoring.CommandListener):
    """Writes down the value of a context variable."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self.seen.append(variable.get())
        variable.set("changed by the listener")

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        return

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        return


@pytest.mark.parametrize("door", ["thread", "greenlet"])
def test_listeners_see_the_callers_context_variables(
    door: str, scripted_server: ScriptedServer, client_of: Connect
) -> None:
    watcher = Watcher()
    client = client_of(scripted_server.uri, event_listeners=[watcher])

    def work() -> str:
        variable.set(door)
        client.admin.command("ping")
        client.admin.command("ping")
        return variable.get()

    left = in_hub(work) if door == "greenlet" else start(work).result()
    assert watcher.seen == [door, door]
    assert left == door


@pytest.mark.asyncio
async def test_listeners_see_the_tasks_context_variables(scripted_server: ScriptedServer) -> None:
    watcher = Watcher()
    variable.set("task")
    uri, options = scripted_server.uri, dict[str, Any](event_listeners=[watcher])
    async with AsyncMongoClient[dict[str, Any]](uri, **options) as client:
        await client.admin.command("ping")
        async with client.start_request():
            await client.admin.command("ping")
        assert watcher.seen == ["task", "task"]
        assert variable.get() == "task"


def test_without_command_listeners_no_context_is_copied(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    assert not lowlevel.wants_context(client_of(scripted_server.uri))
    pools = Recorder("pools").listeners
    assert not lowlevel.wants_context(client_of(scripted_server.uri, event_listeners=pools))
    assert lowlevel.wants_context(client_of(scripted_server.uri, event_listeners=[Watcher()]))
