"""The log messages of commands, connections, topology and server selection."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from pymongo.errors import (
    AutoReconnect,
    NetworkTimeout,
    OperationFailure,
    ServerSelectionTimeoutError,
)

from greenmongo._hub.background import wait_for_background
from tests.support.fix_hub import Connect
from tests.support.fix_leaks import wait_until
from tests.support.fix_scripted import (
    Answer,
    ScriptedServer,
    hang_up,
    silently,
)
from tests.support.peek import wait_until_known


@pytest.fixture
def logs(caplog: pytest.LogCaptureFixture) -> Logs:
    caplog.set_level(logging.DEBUG, "greenmongo")
    return Logs(caplog)


class Logs:
    """The fields of the messages that clients opened meanwhile have logged so far."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    def of(self, component: str) -> list[dict[str, Any]]:
        """Return what one logger got."""
        opened = {
            fields["clientId"]
            for fields in self._all("topology")
            if fields["message"] == "Starting topology monitoring"
        }
        return [fields for fields in self._all(component) if fields["clientId"] in opened]

    def _all(self, component: str) -> list[dict[str, Any]]:
        """Return what one logger got from any client, those of other tests included."""
        wait_for_background(15.0)
        records: list[Any] = [
            each for each in self._caplog.records if each.name == f"greenmongo.{component}"
        ]
        return [record.msg.fields for record in records]

    def messages(self, component: str) -> list[str]:
        """Return the texts that one logger got."""
        return [fields["message"] for fields in self.of(component)]


def test_commands_are_logged(
    scripted_server: ScriptedServer, client_of: Connect, logs: Logs
) -> None:
    client = client_of(scripted_server.uri)
    client.shop.items.insert_one({"_id": 1, "x": "x" * 2000})
    with pytest.raises(OperationFailure):
        client.shop.command("nope")
    started, succeeded, _, failed = logs.of("command")
    assert started["message"] == "Command started"
    assert started["commandName"] == "insert"
    assert started["databaseName"] == "shop"
    assert started["driverConnectionId"] == 1
    assert started["serverConnectionId"] == 2
    assert started["serverPort"] == scripted_server.address[1]
    assert started["command"].startswith('{"insert": "items"')
    assert started["command"].endswith("xxx...")
    assert len(started["command"]) == 1003
    assert succeeded["message"] == "Command succeeded"
    assert succeeded["reply"] == '{"n": 1, "ok": 1.0}'
    assert succeeded["durationMS"] >= 0
    assert succeeded["requestId"] == started["requestId"]
    assert failed["message"] == "Command failed"
    assert '"code": 59' in failed["failure"]


def test_credentials_are_not_logged(
    scripted_server: ScriptedServer, client_of: Connect, logs: Logs
) -> None:
    client = client_of(scripted_server.uri)
    scripted_server.on("saslStart", {"payload": b"secret"})
    client.admin.command({"saslStart": 1, "payload": b"secret"})
    started, succeeded = logs.of("command")
    assert started["command"] == succeeded["reply"] == "{}"


def test_the_length_of_documents_comes_from_the_environment(
    scripted_server: ScriptedServer,
    client_of: Connect,
    logs: Logs,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = client_of(scripted_server.uri)
    monkeypatch.setenv("GREENMONGO_LOG_MAX_DOCUMENT_LENGTH", "5")
    client.admin.command("ping")
    assert logs.of("command")[0]["command"] == '{"pin...'


def test_another_attempt_is_logged(
    scripted_server: ScriptedServer, client_of: Connect, logs: Logs
) -> None:
    client = client_of(scripted_server.uri, retryReads=True)
    scripted_server.script("find", Answer(manner=hang_up))
    client.shop.items.find_one()
    started, _, retrying, again, _ = logs.of("command")
    assert retrying["message"] == "Retrying read attempt number 1"
    assert retrying["commandName"] == "find"
    assert retrying["operationId"] == started["operationId"] == again["operationId"]


def test_connections_are_logged(
    scripted_server: ScriptedServer, client_of: Connect, logs: Logs
) -> None:
    client = client_of(scripted_server.uri, maxPoolSize=7)
    wait_until_known(client)
    client.admin.command("ping")
    scripted_server.script("find", Answer(manner=hang_up))
    with pytest.raises(AutoReconnect):
        client.shop.items.find_one()
    client.close()
    assert logs.messages("connection") == [
        "Connection pool created",
        "Connection pool ready",
        "Connection checkout started",
        "Connection created",
        "Connection ready",
        "Connection checked out",
        "Connection checked in",
        "Connection checkout started",
        "Connection checked out",
        "Connection pool cleared",
        "Connection checked in",
        "Connection closed",
        "Connection pool closed",
    ]
    created, *_, closed, _ = logs.of("connection")
    assert created["maxPoolSize"] == 7
    assert closed["reason"] == "An error occurred while using the connection"
    assert "AutoReconnect" in closed["error"]
    assert len({str(fields["clientId"]) for fields in logs.of("connection")}) == 1


def test_the_topology_is_logged(
    scripted_server: ScriptedServer, client_of: Connect, logs: Logs
) -> None:
    client = client_of(scripted_server.uri)
    client.admin.command("ping")
    client.close()
    messages = [each for each in logs.messages("topology") if "heartbeat" not in each]
    assert messages == [
        "Starting topology monitoring",
        "Topology description changed",
        "Starting server monitoring",
        "Topology description changed",
        "Stopped server monitoring",
        "Topology description changed",
        "Stopped topology monitoring",
    ]
    heartbeats = [each for each in logs.of("topology") if "heartbeat" in each["message"]]
    assert heartbeats[0]["message"] == "Server heartbeat started"
    assert heartbeats[1]["message"] == "Server heartbeat succeeded"
    assert heartbeats[1]["driverConnectionId"] == 1
    assert heartbeats[1]["serverConnectionId"] == 1
    assert heartbeats[1]["reply"].startswith("{")
    assert all("topologyId" in fields for fields in logs.of("topology"))


def test_each_heartbeat_record_tells_which_connection_it_is_about(
    scripted_server: ScriptedServer, client_of: Connect, logs: Logs
) -> None:
    """D07: from the first, whose connection is not open yet, and after a failure."""
    scripted_server.script("hello", Answer(manner=hang_up))
    client = client_of(scripted_server.uri)
    client.admin.command("ping")
    client.close()
    heartbeats = [each for each in logs.of("topology") if "heartbeat" in each["message"]]
    told = [(each["message"].split()[-1], each["driverConnectionId"]) for each in heartbeats]
    assert told[:4] == [("started", 1), ("failed", 1), ("started", 2), ("succeeded", 2)]
    assert "serverConnectionId" not in heartbeats[0]


def test_server_selection_is_logged(
    scripted_server: ScriptedServer, client_of: Connect, logs: Logs
) -> None:
    scripted_server.on("hello", Answer(manner=hang_up))
    client = client_of(scripted_server.uri, serverSelectionTimeoutMS=2500)
    with pytest.raises(ServerSelectionTimeoutError):
        client.shop.items.find_one()
    assert logs.messages("serverSelection") == [
        "Server selection started",
        "Waiting for suitable server to become available",
        "Server selection failed",
    ]
    started, waiting, failed = logs.of("serverSelection")
    assert started["operation"] == "find"
    assert started["selector"].startswith("Primary")
    assert 0 < waiting["remainingTimeMS"] <= 2500
    assert "topologyDescription" in failed
    assert failed["failure"]


LOGGERS = [
    f"greenmongo.{name}" for name in ("command", "connection", "serverSelection", "topology")
]


def test_who_logs_at_info_hears_of_waiting_only(
    scripted_server: ScriptedServer, client_of: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "greenmongo")
    client = client_of(scripted_server.uri)
    client.admin.command("ping")
    client.admin.command("ping")
    records = [each for each in caplog.records if each.name in LOGGERS]
    assert {each.levelno for each in records} <= {logging.INFO}
    assert len(records) <= 1


def test_a_connection_that_times_out_while_opening_has_an_error(
    scripted_server: ScriptedServer, client_of: Connect, logs: Logs
) -> None:
    client = client_of(scripted_server.uri, connectTimeoutMS=2500)
    wait_until_known(client)
    client.admin.command("ping")
    scripted_server.kill(2)
    wait_until(lambda: logs.messages("connection")[-1] == "Connection closed")
    scripted_server.script("hello", Answer(manner=silently))
    with pytest.raises(NetworkTimeout):
        client.admin.command("ping")
    failed = logs.of("connection")[-1]
    assert failed["message"] == "Connection checkout failed"
    assert failed["reason"] == "An error occurred while trying to establish a new connection"
    assert "NetworkTimeout" in failed["error"]
