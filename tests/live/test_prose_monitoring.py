"""Prose tests of CRUD, Command Logging, CMAP and SDAM, by their numbers.

CMAP's 1 to 3 are about what options there are: `tests/unit/core/options`. CMAP's 4: `test_events`.
"""

from __future__ import annotations

import json
import logging
import time
from typing import Any

import pymongo
import pytest
from pymongo.errors import OperationFailure, PyMongoError, WriteConcernError, WriteError
from pymongo.monitoring import (
    ConnectionCheckOutFailedEvent,
    ServerDescriptionChangedEvent,
    ServerHeartbeatFailedEvent,
    ServerHeartbeatStartedEvent,
    ServerHeartbeatSucceededEvent,
)

from greenmongo import MongoClient
from greenmongo._hub.background import wait_for_background
from tests.live.test_prose_retries import failing
from tests.support.fix_leaks import wait_until
from tests.support.fix_scripted import Answer, ScriptedServer, hang_up
from tests.support.listeners import Recorder

pytestmark = pytest.mark.live

NAME = "test_prose_monitoring"


# ---- CRUD -----------------------------------------------------------------------------------


def test_crud_prose_1_the_details_of_a_write_concern_error_have_its_error_info(
    mongo_uri: str, reference: pymongo.MongoClient[Any]
) -> None:
    info = {"writeConcern": {"w": 2, "wtimeout": 0, "provenance": "clientSupplied"}}
    error = {
        "code": 100,
        "codeName": "UnsatisfiableWriteConcern",
        "errmsg": "Not enough data-bearing nodes",
        "errInfo": info,
    }
    with (
        MongoClient[Any](mongo_uri) as client,
        failing(reference, {"times": 1}, "insert", writeConcernError=error),
        pytest.raises(WriteConcernError) as caught,
    ):
        client[NAME].c.insert_one({"x": 1})
    assert caught.value.details is not None
    assert caught.value.details["errInfo"] == info
    reference.drop_database(NAME)


def test_crud_prose_2_the_details_of_a_write_error_have_its_error_info(
    mongo_uri: str, reference: pymongo.MongoClient[Any]
) -> None:
    reference[NAME].create_collection("c", validator={"x": {"$type": "string"}})
    seen = Recorder("commands")
    with (
        MongoClient[Any](mongo_uri, event_listeners=seen.listeners) as client,
        pytest.raises(WriteError) as caught,
    ):
        client[NAME].c.insert_one({"x": 1})
    reply = seen.succeeded("insert").reply
    assert caught.value.code == 121
    assert caught.value.details is not None
    assert caught.value.details["errInfo"] == reply["writeErrors"][0]["errInfo"]
    reference.drop_database(NAME)


# ---- command logging ------------------------------------------------------------------------


def logged(caplog: pytest.LogCaptureFixture, message: str, command: str) -> dict[str, Any]:
    """Return the last message of its kind about a command."""
    wait_for_background(15.0)
    found = [json.loads(record.getMessage()) for record in caplog.records]
    return next(
        each
        for each in reversed(found)
        if each["message"] == message and each["commandName"] == command
    )


def test_command_logging_prose_1_documents_are_cut_at_1000_characters(
    mongo_uri: str, reference: pymongo.MongoClient[Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "greenmongo.command")
    with MongoClient[Any](mongo_uri) as client:
        client[NAME].c.insert_many([{"x": "y"} for _ in range(100)])
        client[NAME].c.find().to_list()
        started = logged(caplog, "Command started", "insert")["command"]
        inserted = logged(caplog, "Command succeeded", "insert")["reply"]
        found = logged(caplog, "Command succeeded", "find")["reply"]
    assert len(started) == len(found) == 1000 + len("...")
    assert started.endswith("...")
    assert len(inserted) <= 1000 + len("...")
    reference.drop_database(NAME)


def test_command_logging_prose_2_the_length_may_be_set(
    mongo_uri: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GREENMONGO_LOG_MAX_DOCUMENT_LENGTH", "5")
    caplog.set_level(logging.DEBUG, "greenmongo.command")
    with MongoClient[Any](mongo_uri) as client:
        client.admin.command({"hello": True})
        with pytest.raises(OperationFailure):
            client.admin.command({"notARealCommand": True})
        started = logged(caplog, "Command started", "hello")["command"]
        succeeded = logged(caplog, "Command succeeded", "hello")["reply"]
        failed = logged(caplog, "Command failed", "notARealCommand")["failure"]
    assert len(started) == len(succeeded) == 5 + len("...")
    assert isinstance(failed, (str, dict))


def test_command_logging_prose_3_no_character_is_cut_in_two(
    mongo_uri: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "\N{GREEN HEART}" * 50
    caplog.set_level(logging.DEBUG, "greenmongo.command")
    for length in range(20, 60):
        monkeypatch.setenv("GREENMONGO_LOG_MAX_DOCUMENT_LENGTH", str(length))
        with MongoClient[Any](mongo_uri) as client:
            client.admin.command({"ping": 1, "comment": text})
        started = logged(caplog, "Command started", "ping")["command"]
        assert len(started) <= length + len("...")
        assert started.encode()


# ---- CMAP, SDAM -----------------------------------------------------------------------------


def test_cmap_prose_5_a_connection_that_cannot_be_set_up_fails_the_check_out(
    scripted_server: ScriptedServer,
) -> None:
    seen = Recorder("pools")
    with MongoClient[Any](
        scripted_server.uri, retryReads=False, event_listeners=seen.listeners
    ) as client:
        wait_until(lambda: client.topology_description.has_readable_server())
        for name in ("hello", "isMaster", "ismaster"):
            scripted_server.on(name, Answer(manner=hang_up))
        with pytest.raises(PyMongoError):
            client.db.c.find_one()
        (failed,) = seen.of(ConnectionCheckOutFailedEvent)
    assert failed.reason == "connectionError"


def test_sdam_prose_streaming_1_checks_follow_the_frequency_that_is_set(mongo_uri: str) -> None:
    seen = Recorder("heartbeats")
    with MongoClient[Any](
        mongo_uri, heartbeatFrequencyMS=500, event_listeners=seen.listeners
    ) as client:
        client.admin.command("ping")
        begun = time.monotonic()
        wait_until(lambda: len(seen.of(ServerHeartbeatSucceededEvent)) >= 5)
        assert 1.0 < time.monotonic() - begun < 8.0


def test_sdam_prose_rtt_1_the_round_trip_time_goes_on_to_be_measured(
    mongo_uri: str, reference: pymongo.MongoClient[Any]
) -> None:
    seen = Recorder("servers")
    application = "streamingRttTest"
    with MongoClient[Any](
        mongo_uri,
        heartbeatFrequencyMS=500,
        appName=application,
        event_listeners=seen.listeners,
    ) as client:
        client[NAME].c.find_one()

        def round_trip_time() -> float:
            (server,) = client.topology_description.server_descriptions().values()
            return server.round_trip_time or 0.0

        wait_until(lambda: round_trip_time() > 0)
        changes = seen.of(ServerDescriptionChangedEvent)
        assert all(each.new_description.round_trip_time for each in changes)
        with failing(
            reference,
            {"times": 1000},
            "hello",
            "isMaster",
            blockConnection=True,
            blockTimeMS=500,
            appName=application,
        ):
            wait_until(lambda: round_trip_time() > 0.25)


def test_sdam_prose_heartbeat_1_a_check_is_told_of_before_there_is_a_connection(
    scripted_server: ScriptedServer,
) -> None:
    connections: list[int] = []

    def note(event: Any) -> None:
        connections.append(len(scripted_server.connections))

    for name in ("hello", "isMaster", "ismaster"):
        scripted_server.on(name, Answer(manner=hang_up))
    seen = Recorder("heartbeats", also=note)
    with MongoClient[Any](
        scripted_server.uri, serverSelectionTimeoutMS=500, event_listeners=seen.listeners
    ) as client:
        with pytest.raises(PyMongoError):
            client.admin.command("ping")
        first, second, *_ = seen.events
    assert isinstance(first, ServerHeartbeatStartedEvent)
    assert isinstance(second, ServerHeartbeatFailedEvent)
    assert connections[1]
