"""An abort that was sent, and not answered in time, is sent again by the hub."""

from __future__ import annotations

import logging
from typing import Any

import anyio
import pytest
from pymongo.monitoring import CommandStartedEvent

from bridge import AsyncMongoClient
from greenmongo._hub.background import wait_for_background
from tests.support.fix_hub import Client, Connect
from tests.support.fix_leaks import wait_until
from tests.support.fix_scripted import MONGOS, Answer, ScriptedServer, silently
from tests.support.listeners import Recorder

ABORT = "abortTransaction"
NEVER = Answer(manner=silently)


@pytest.fixture
def server(scripted_server: ScriptedServer) -> ScriptedServer:
    scripted_server.hello.update(MONGOS)
    scripted_server.on("insert", {"n": 1})
    scripted_server.on(ABORT, {"ok": 1.0})
    return scripted_server


@pytest.fixture
def seen() -> Recorder:
    return Recorder("commands")


@pytest.fixture
def client(server: ScriptedServer, client_of: Connect, seen: Recorder) -> Client:
    client = client_of(server.uri, timeoutMS=300, event_listeners=seen.listeners)
    client.admin.command("ping")
    return client


def assert_sent_twice(server: ScriptedServer, seen: Recorder) -> None:
    wait_until(lambda: server.count(ABORT) == 2)
    first, second = (each.document for each in server.commands(ABORT))
    assert (first["lsid"], first["txnNumber"]) == (second["lsid"], second["txnNumber"])
    # Listeners hear of what the caller has asked for.
    assert [e.command_name for e in seen.of(CommandStartedEvent)].count(ABORT) == 1


def test_a_blocking_callers_abort_without_an_answer_is_repeated(
    client: Client, server: ScriptedServer, seen: Recorder
) -> None:
    with client.start_session() as session:
        session.start_transaction()
        client.t.c.insert_one({}, session=session)
        server.script(ABORT, NEVER)
        session.abort_transaction()
        assert not session.in_transaction
    assert_sent_twice(server, seen)


@pytest.mark.anyio
async def test_so_is_that_of_a_task(client: Client, server: ScriptedServer, seen: Recorder) -> None:
    face = AsyncMongoClient.from_client(client)
    async with face.start_session() as session:
        await session.start_transaction()
        await face.t.c.insert_one({}, session=session)
        server.script(ABORT, NEVER)
        await session.abort_transaction()
    await anyio.to_thread.run_sync(assert_sent_twice, server, seen)


def leave_transaction(client: Client, server: ScriptedServer, answer: dict[str, Any]) -> None:
    with client.start_session() as session:
        session.start_transaction()
        client.t.c.insert_one({}, session=session)
        server.script(ABORT, NEVER, {"ok": 0.0, **answer})
        session.abort_transaction()
        # It waits for the hub's abort.
        client.t.c.insert_one({}, session=session)


def test_an_abort_that_fails_is_logged(
    client: Client, server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "greenmongo"):
        leave_transaction(client, server, {"code": 1, "errmsg": "not today"})
        wait_until(lambda: caplog.records)
    (record,) = caplog.records
    assert "could not abort a transaction" in record.getMessage()
    assert "not today" in record.getMessage()


def test_one_that_finds_nothing_to_abort_is_not(
    client: Client, server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "greenmongo"):
        leave_transaction(client, server, {"code": 251, "errmsg": "no such transaction"})
        # What is logged in the background has been logged by then.
        assert wait_for_background(10.0)
    assert not caplog.records


def test_the_next_operation_of_the_session_waits_for_it(
    client: Client, server: ScriptedServer
) -> None:
    with client.start_session() as session:
        session.start_transaction()
        client.t.c.insert_one({}, session=session)
        server.script(ABORT, NEVER)
        session.abort_transaction()
        client.t.c.insert_one({}, session=session)
    names = [each.name for each in server.received if each.name in ("insert", ABORT)]
    assert names == ["insert", ABORT, ABORT, "insert"]


def test_it_is_repeated_once(client: Client, server: ScriptedServer) -> None:
    with client.start_session() as session:
        session.start_transaction()
        client.t.c.insert_one({}, session=session)
        server.on(ABORT, {"ok": 0.0, "code": 251, "errmsg": "no such transaction"})
        server.script(ABORT, NEVER)
        session.abort_transaction()
        client.t.c.insert_one({}, session=session)
    assert server.count(ABORT) == 2


def test_an_abort_without_time_to_wait_for_what_was_left_is_left_to_the_hub(
    client: Client, server: ScriptedServer
) -> None:
    """What was left is ended on the server first, which does not answer to that either."""
    with client.start_session() as session:
        session.start_transaction()
        server.script("insert", NEVER)
        server.script("aggregate", NEVER)
        with pytest.raises(Exception, match="timed out"):
            client.t.c.insert_one({}, session=session)
        session.abort_transaction()
        assert not session.in_transaction
        assert not server.commands(ABORT)
        wait_until(lambda: server.count(ABORT) == 1)
