"""A server may demand that a connection logs in again (error 391, ReauthenticationRequired)."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo.errors import AutoReconnect, OperationFailure
from pymongo.monitoring import CommandFailedEvent, CommandStartedEvent, CommandSucceededEvent

from tests.support.fix_hub import Client, Connect
from tests.support.fix_scripted import Answer, ScriptedServer, hang_up
from tests.support.listeners import Recorder

EXPIRED = {"ok": 0.0, "code": 391, "codeName": "ReauthenticationRequired", "errmsg": "expired"}
REFUSED = {"ok": 0.0, "code": 18, "codeName": "AuthenticationFailed", "errmsg": "no"}
USER: dict[str, Any] = {"username": "user", "password": "x", "authMechanism": "PLAIN"}


@pytest.fixture
def server(scripted_server: ScriptedServer) -> ScriptedServer:
    """A server that takes any user of PLAIN."""
    scripted_server.on("saslStart", {"conversationId": 1, "done": True, "payload": b""})
    return scripted_server


def connections_of(server: ScriptedServer, name: str) -> list[int]:
    return [each.connection.number for each in server.commands(name)]


def ready(client: Client) -> Client:
    client.admin.command("ping")
    return client


def test_the_same_connection_logs_in_again_and_the_command_is_sent_once_more(
    server: ScriptedServer, client_of: Connect
) -> None:
    client = ready(client_of(server.uri, **USER))
    server.script("insert", EXPIRED)
    assert client.db.things.insert_one({"_id": 1}).inserted_id == 1
    (number,) = set(connections_of(server, "insert"))
    assert connections_of(server, "insert") == [number] * 2
    assert connections_of(server, "saslStart") == [number] * 2
    first, second = server.commands("insert")
    assert first.document == second.document


def test_a_second_demand_is_told(server: ScriptedServer, client_of: Connect) -> None:
    client = ready(client_of(server.uri, **USER))
    server.script("find", EXPIRED, EXPIRED)
    with pytest.raises(OperationFailure, match="expired"):
        client.db.things.find_one()
    assert server.count("find") == 2
    assert client.db.things.find_one() is None


def test_a_refused_login_is_told_and_ends_the_connection_alone(
    server: ScriptedServer, client_of: Connect
) -> None:
    client = ready(client_of(server.uri, **USER))
    server.script("find", EXPIRED)
    server.script("saslStart", REFUSED)
    with pytest.raises(OperationFailure) as caught:
        client.db.things.find_one()
    assert caught.value.code == 18
    assert client.db.things.find_one() is None
    old, new = connections_of(server, "find")
    assert old != new


def test_a_login_that_breaks_off_is_an_error_of_the_network(
    server: ScriptedServer, client_of: Connect
) -> None:
    client = ready(client_of(server.uri, **USER))
    server.script("find", EXPIRED)
    server.script("saslStart", Answer(manner=hang_up))
    with pytest.raises(AutoReconnect):
        client.db.things.find_one()
    assert client.db.things.find_one() is None


def test_a_request_keeps_its_connection(server: ScriptedServer, client_of: Connect) -> None:
    client = client_of(server.uri, **USER)
    with client.start_request():
        first = client.admin.command("whoami")["connectionId"]
        server.script("find", EXPIRED)
        assert client.db.things.find_one() is None
        assert client.admin.command("whoami")["connectionId"] == first


def test_without_a_user_the_command_is_just_sent_again(
    server: ScriptedServer, client_of: Connect
) -> None:
    client = client_of(server.uri)
    server.script("find", EXPIRED)
    assert client.db.things.find_one() is None
    assert server.count("saslStart") == 0


def test_listeners_hear_of_the_failure_the_login_and_the_success(
    server: ScriptedServer, client_of: Connect
) -> None:
    heard = Recorder("commands")
    client = ready(client_of(server.uri, event_listeners=heard.listeners, **USER))
    heard.events.clear()
    server.script("find", EXPIRED)
    client.db.things.find_one()
    told = [(type(event), event.command_name) for event in heard.events]
    assert told == [
        (CommandStartedEvent, "find"),
        (CommandFailedEvent, "find"),
        (CommandStartedEvent, "saslStart"),
        (CommandSucceededEvent, "saslStart"),
        (CommandStartedEvent, "find"),
        (CommandSucceededEvent, "find"),
    ]
    assert heard.started("saslStart").command == {}
    first, *_, last = heard.of(CommandStartedEvent)
    assert first.operation_id == last.operation_id


def test_a_listener_sees_each_try_with_a_number_of_its_own(
    server: ScriptedServer, client_of: Connect
) -> None:
    heard = Recorder("commands")
    client = ready(client_of(server.uri, event_listeners=heard.listeners, **USER))
    server.script("find", EXPIRED)
    client.db.things.find_one()
    finds = [e for e in heard.of(CommandStartedEvent) if e.command_name == "find"]
    assert len({event.request_id for event in finds}) == 2
