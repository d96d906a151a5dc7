"""What timeout errors say at their end."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo.errors import (
    ExecutionTimeout,
    NetworkTimeout,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from greenmongo import timeout
from tests.support.fix_doors import Door
from tests.support.fix_hub import Connect
from tests.support.fix_scripted import Answer, ScriptedServer, silently

LATE = {"ok": 0, "code": 50, "codeName": "MaxTimeMSExpired", "errmsg": "time limit"}
OPTIONS: dict[str, Any] = {"connectTimeoutMS": 9000}


def end_of(error: BaseException) -> str:
    message, _, reply = str(error).partition(", full error: ")
    assert "configured timeouts" not in reply
    _, _, end = message.partition(" (configured timeouts: ")
    return end


def test_a_reply_that_does_not_come_says_what_was_waited_for(
    scripted_server: ScriptedServer, every_door: Door, connect_through: Connect
) -> None:
    """D10: socketTimeoutMS, or timeoutMS in its place."""
    scripted_server.on("ping", Answer({}, silently))
    client = connect_through(scripted_server.uri, socketTimeoutMS=20, **OPTIONS)
    with pytest.raises(NetworkTimeout) as caught:
        every_door.call(lambda: client.admin.command("ping"))
    assert end_of(caught.value) == "socketTimeoutMS: 20.0ms, connectTimeoutMS: 9000.0ms)"


def test_an_operation_whose_time_is_over_says_how_long_it_had(
    scripted_server: ScriptedServer, every_door: Door, connect_through: Connect
) -> None:
    """D10: the client's timeoutMS."""
    scripted_server.on("ping", Answer({}, silently))
    limits = {"timeoutMS": 50, "socketTimeoutMS": 20, **OPTIONS}
    client = connect_through(scripted_server.uri, **limits)
    with pytest.raises(PyMongoError) as caught:
        every_door.call(lambda: client.admin.command("ping"))
    assert caught.value.timeout
    assert end_of(caught.value) == "timeoutMS: 50.0ms, connectTimeoutMS: 9000.0ms)"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"timeoutMS": 9999}, "timeoutMS: 9999.0ms)"),
        ({"socketTimeoutMS": 500}, "socketTimeoutMS: 500.0ms)"),
        ({"socketTimeoutMS": 500, "connectTimeoutMS": 700, "timeoutMS": 0}, None),
        ({}, ""),
    ],
)
def test_a_servers_timeout_says_what_is_configured(
    scripted_server: ScriptedServer,
    client_of: Connect,
    given: dict[str, Any],
    expected: str | None,
) -> None:
    """D10: what the server sent is kept as it is."""
    scripted_server.on("ping", LATE)
    client = client_of(scripted_server.uri, **{"connectTimeoutMS": 0, **given})
    with pytest.raises(ExecutionTimeout) as caught:
        client.admin.command("ping")
    if expected is None:
        expected = "socketTimeoutMS: 500.0ms, connectTimeoutMS: 700.0ms)"
    assert end_of(caught.value) == expected
    assert (caught.value.code, caught.value.details) == (50, LATE)


def test_a_block_of_operations_says_its_own_limit(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    """D10: also when nothing is sent any more."""
    client = client_of(scripted_server.uri, timeoutMS=60_000, **OPTIONS)
    client.admin.command("ping")
    scripted_server.on("ping", LATE)
    with timeout(20), pytest.raises(ExecutionTimeout) as caught:
        client.admin.command("ping")
    assert end_of(caught.value) == "timeoutMS: 20000.0ms, connectTimeoutMS: 9000.0ms)"


def test_a_connection_that_is_not_answered_says_how_long_it_took(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    """D10: once, within the error of a selection that finds no server."""
    scripted_server.on("hello", Answer({}, silently))
    scripted_server.on("ismaster", Answer({}, silently))
    scripted_server.on("isMaster", Answer({}, silently))
    client = client_of(scripted_server.uri, connectTimeoutMS=50, serverSelectionTimeoutMS=400)
    with pytest.raises(ServerSelectionTimeoutError) as caught:
        client.admin.command("ping")
    assert "(configured timeouts: connectTimeoutMS: 50.0ms), Timeout: 0.4s" in str(caught.value)


def test_what_is_retried_says_it_once(scripted_server: ScriptedServer, client_of: Connect) -> None:
    """D10: with the labels and the cause that the error had."""
    scripted_server.on("insert", Answer({}, silently))
    client = client_of(scripted_server.uri, socketTimeoutMS=20, retryWrites=True, **OPTIONS)
    with pytest.raises(NetworkTimeout) as caught:
        client.db.c.insert_one({})
    assert str(caught.value).count("configured timeouts") == 1
    assert caught.value.timeout
