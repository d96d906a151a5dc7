"""What spans say of operations and commands, and how a client comes to trace."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo.errors import ConfigurationError

from greenmongo._core.command import Command, Retryability
from greenmongo._core.events import CommandFacts
from greenmongo._core.options import ClientOptions
from greenmongo._core.tracing import (
    command_attributes,
    cursor_id_of,
    facts_of,
    failure_attributes,
    tracing_options,
)

ENABLED = "OTEL_PYTHON_INSTRUMENTATION_MONGODB_ENABLED"
TEXT_LENGTH = "OTEL_PYTHON_INSTRUMENTATION_MONGODB_QUERY_TEXT_MAX_LENGTH"


def facts(name: str, address: Any = ("h", 1), db: str = "db") -> CommandFacts:
    return CommandFacts(name, db, 1, 1, address, 2, 3, None, is_sensitive=False)


@pytest.mark.parametrize(
    ("given", "environ", "is_on"),
    [
        (None, {}, False),
        (None, {ENABLED: "true"}, True),
        (None, {ENABLED: " 1 "}, True),
        (None, {ENABLED: "false"}, False),
        (None, {ENABLED: "perhaps"}, False),
        ({"enabled": False}, {ENABLED: "true"}, False),
        ({"enabled": True}, {ENABLED: "false"}, True),
        ({"query_text_max_length": 7}, {}, False),
    ],
)
def test_the_option_wins_over_the_environment(
    given: Any, environ: dict[str, str], is_on: bool
) -> None:
    assert (tracing_options(given, environ) is not None) is is_on


@pytest.mark.parametrize(
    ("given", "environ", "length"),
    [
        ({"enabled": True}, {}, 0),
        ({"enabled": True}, {TEXT_LENGTH: "12"}, 12),
        ({"enabled": True}, {TEXT_LENGTH: "-12"}, 0),
        ({"enabled": True}, {TEXT_LENGTH: "many"}, 0),
        ({"enabled": True, "query_text_max_length": 0}, {TEXT_LENGTH: "12"}, 0),
        ({"enabled": True, "query_text_max_length": 5}, {TEXT_LENGTH: "12"}, 5),
    ],
)
def test_so_much_of_a_command_is_shown(given: Any, environ: dict[str, str], length: int) -> None:
    options = tracing_options(given, environ)
    assert options is not None
    assert options.query_text_max_length == length


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (True, TypeError, "must be a dict, not True"),
        ({"enabled": "yes"}, TypeError, "enabled must be True or False, not 'yes'"),
        ({"query_text_max_length": "9"}, TypeError, "must be a number, not '9'"),
        ({"query_text_max_length": True}, TypeError, "must be a number, not True"),
        ({"query_text_max_length": -1}, ValueError, "cannot be negative, but was -1"),
        ({"enable": True}, ConfigurationError, "has no setting 'enable'"),
    ],
)
def test_a_wrong_setting_is_named(value: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        ClientOptions.build(tracing=value)


@pytest.mark.parametrize(
    ("command", "summary"),
    [
        (Command("find", {"find": "c"}, "db"), "find db.c"),
        (Command("aggregate", {"aggregate": 1, "pipeline": []}, "db"), "aggregate db"),
        (
            Command("aggregate", {"aggregate": "c", "pipeline": [{"$changeStream": {}}]}, "db"),
            "watch db.c",
        ),
        (
            Command("aggregate", {"aggregate": "c"}, "db", operation_name="countDocuments"),
            "countDocuments db.c",
        ),
        (Command("create", {"create": "c"}, "db"), "createCollection db.c"),
        (Command("create", {"create": "c", "viewOn": "d"}, "db"), "createView db.c"),
        (Command("drop", {"drop": "c"}, "db"), "dropCollection db.c"),
        (
            Command("renameCollection", {"renameCollection": "db.c"}, "admin"),
            "renameCollection db.c",
        ),
        (Command("getMore", {"getMore": 7, "collection": "c"}, "db"), "getMore db.c"),
        (
            Command("commitTransaction", {"commitTransaction": 1}, "admin"),
            "commitTransaction admin",
        ),
        (Command("ping", {"ping": 1}, "db", retry=Retryability.UNKNOWN), "runCommand db"),
        (Command("find", {"find": "c"}, "db", retry=Retryability.UNKNOWN), "runCommand db"),
        (
            Command("find", {"find": "c"}, "db", retry=Retryability.UNKNOWN, opens_cursor=True),
            "runCommand db.c",
        ),
    ],
)
def test_an_operation_is_called_what_it_does(command: Command, summary: str) -> None:
    assert facts_of(command).summary == summary


def test_a_command_says_where_it_goes() -> None:
    shown = command_attributes(facts("find"), {"find": "c", "filter": {}, "$db": "db"}, 100)
    assert shown == {
        "db.system.name": "mongodb",
        "db.namespace": "db",
        "db.collection.name": "c",
        "db.command.name": "find",
        "db.query.summary": "find db.c",
        "db.query.text": '{"find": "c", "filter": {}}',
        "db.mongodb.driver_connection_id": 2,
        "db.mongodb.server_connection_id": 3,
        "server.address": "h",
        "server.port": 1,
        "network.transport": "tcp",
    }


def test_a_unix_socket_has_no_port() -> None:
    shown = command_attributes(facts("ping", ("/tmp/mongodb.sock", None)), {"ping": 1}, 0)
    assert shown["network.transport"] == "unix"
    assert "server.port" not in shown


def test_of_the_administrators_database_no_collection_is_told() -> None:
    shown = command_attributes(facts("find", db="admin"), {"find": "c"}, 0)
    assert shown["db.query.summary"] == "find admin"
    assert "db.collection.name" not in shown


@pytest.mark.parametrize(
    ("body", "reply", "expected"),
    [
        ({"find": "c"}, {"cursor": {"id": 5}}, 5),
        ({"find": "c"}, {"cursor": {"id": 0}}, None),
        ({"find": "c"}, {"cursor": []}, None),
        ({"insert": "c"}, {}, None),
        ({"getMore": 5, "collection": "c"}, {"cursor": {"id": 0}}, 5),
    ],
)
def test_the_cursor_is_that_which_was_sent_or_left_open(
    body: dict[str, Any], reply: dict[str, Any], expected: int | None
) -> None:
    assert cursor_id_of(Command(next(iter(body)), body, "db"), reply) == expected


def test_a_failure_without_a_code_has_its_class_as_type() -> None:
    shown = failure_attributes({"errmsg": "gone", "errtype": "AutoReconnect"})
    assert shown["error.type"] == shown["exception.type"] == "AutoReconnect"
    assert "db.response.status_code" not in shown
