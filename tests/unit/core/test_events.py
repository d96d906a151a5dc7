from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import bson
import pytest
from bson.codec_options import CodecOptions
from bson.decimal128 import Decimal128
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument
from hypothesis import given
from hypothesis import strategies as st
from pymongo.errors import (
    AutoReconnect,
    NetworkTimeout,
    OperationFailure,
    WaitQueueTimeoutError,
)
from pymongo.monitoring import ConnectionCheckOutFailedReason, ConnectionClosedReason

from greenmongo._core.close_reasons import CLOSED_TEXTS
from greenmongo._core.command import Command, DocumentSequence
from greenmongo._core.events import (
    CHECKOUT_FAILED_TEXTS,
    CommandFacts,
    as_sent,
    checkout_failed_reason,
    failure_document,
    pool_options,
)
from greenmongo._core.heartbeat_reply import HelloReply
from greenmongo._core.hello_reply import parse_hello
from greenmongo._core.log_message import (
    LogMessage,
    address_fields,
    extended_json,
    max_document_length,
)
from greenmongo._core.options import ClientOptions
from greenmongo._core.pool_rules import PoolCleared, PoolClosed, PoolLimits

ADDRESS = ("db.example", 27017)


def facts(name: str = "find", *, sensitive: bool = False) -> CommandFacts:
    return CommandFacts(name, "db", 7, 8, ADDRESS, 3, 42, None, sensitive)


# ---- commands -----------------------------------------------------------------------------------


def test_the_events_of_a_command_share_its_facts() -> None:
    command = facts()
    started = command.started({"find": "c", "$db": "db"})
    succeeded = command.succeeded(0.25, {"ok": 1})
    failed = command.failed(0.5, {"ok": 0, "errmsg": "no"})
    for event in (started, succeeded, failed):
        assert event.command_name == "find"
        assert event.database_name == "db"
        assert event.request_id == 7
        assert event.operation_id == 8
        assert event.connection_id == ADDRESS
        assert event.server_connection_id == 42
        assert event.service_id is None
    assert started.command == {"find": "c", "$db": "db"}
    assert (succeeded.duration_micros, succeeded.reply) == (250_000, {"ok": 1})
    assert (failed.duration_micros, failed.failure) == (500_000, {"ok": 0, "errmsg": "no"})


def test_credentials_are_in_no_event() -> None:
    command = facts("saslStart", sensitive=True)
    assert command.started({"saslStart": 1, "payload": b"secret"}).command == {}
    assert command.succeeded(0.1, {"ok": 1, "payload": b"secret"}).reply == {}
    failure = {"ok": 0, "errmsg": "secret", "code": 18, "codeName": "x", "errorLabels": ["y"]}
    shown = {"code": 18, "codeName": "x", "errorLabels": ["y"]}
    assert command.shown_failure(failure) == shown
    assert command.failed(0.1, shown).failure == shown


def test_a_refusal_of_another_command_is_shown_whole() -> None:
    failure = {"ok": 0, "errmsg": "no", "code": 5}
    assert facts().shown_failure(failure) is failure


def test_a_greeting_with_credentials_is_shown_empty() -> None:
    command = facts("hello", sensitive=True)
    assert command.started({"hello": 1, "speculativeAuthenticate": {"x": 1}}).command == {}
    assert command.succeeded(0.1, {"ok": 1}).reply == {}


def test_log_fields_name_connection_and_server() -> None:
    assert facts().log_fields("Command started") == {
        "message": "Command started",
        "commandName": "find",
        "databaseName": "db",
        "requestId": 7,
        "operationId": 8,
        "driverConnectionId": 3,
        "serverConnectionId": 42,
        "serverHost": "db.example",
        "serverPort": 27017,
        "serviceId": None,
    }


def test_a_service_id_is_logged_as_text() -> None:
    service = ObjectId()
    command = CommandFacts("find", "db", 7, 8, ("/tmp/x.sock", None), 3, None, service, False)
    fields = LogMessage(command.log_fields("Command started")).fields
    assert fields["serviceId"] == str(service)
    assert "serverPort" not in fields


def test_what_is_sent_beside_the_body_is_an_array_in_the_event() -> None:
    documents = [bson.encode({"_id": number}) for number in range(2)]
    command = Command(
        "insert", {"insert": "c"}, "db", sequences=(DocumentSequence("documents", documents),)
    )
    assert as_sent(command, {"insert": "c", "$db": "db"}, int) == {
        "insert": "c",
        "$db": "db",
        "documents": [{"_id": 0}, {"_id": 1}],
    }


def test_what_was_sent_is_shown_as_it_was_given() -> None:
    options: CodecOptions[Any] = CodecOptions(document_class=RawBSONDocument, uuid_representation=4)
    identity = UUID(int=5)
    documents = [bson.encode({"_id": identity}, codec_options=options)]
    command = Command(
        "insert",
        {"insert": "c"},
        "db",
        codec_options=options,
        sequences=(DocumentSequence("documents", documents),),
    )
    assert as_sent(command, {"insert": "c"}, int)["documents"] == [{"_id": identity}]


def test_a_body_alone_is_shown_as_it_is() -> None:
    body = {"find": "c", "$db": "db"}
    assert as_sent(Command("find", {"find": "c"}, "db"), body, int) is body


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (AutoReconnect("gone"), "AutoReconnect"),
        (KeyboardInterrupt("gone"), "KeyboardInterrupt"),
    ],
)
def test_a_failure_without_reply_is_told_as_a_document(error: BaseException, kind: str) -> None:
    assert failure_document(error) == {"errmsg": "gone", "errtype": kind}


# ---- pools --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (WaitQueueTimeoutError("late"), "timeout"),
        (PoolClosed("closed"), "poolClosed"),
        (PoolCleared("paused"), "connectionError"),
        (NetworkTimeout("connecting took too long"), "connectionError"),
        (OperationFailure("wrong password", 18), "connectionError"),
        (GeneratorExit(), "timeout"),
    ],
)
def test_a_checkout_fails_for_a_reason(error: BaseException, reason: str) -> None:
    assert checkout_failed_reason(error) == reason


def test_every_reason_has_a_text() -> None:
    def values(kind: type) -> set[str]:
        return {value for name, value in vars(kind).items() if name.isupper()}

    assert set(CLOSED_TEXTS) == values(ConnectionClosedReason)
    assert set(CHECKOUT_FAILED_TEXTS) == values(ConnectionCheckOutFailedReason)


def limits(**options: Any) -> PoolLimits:
    return PoolLimits.of(ClientOptions.build(**options))


def test_default_pool_options_are_not_told() -> None:
    assert pool_options(limits()) == {}


def test_pool_options_are_told_in_the_specifications_words() -> None:
    options = {
        "maxPoolSize": 5,
        "minPoolSize": 1,
        "maxIdleTimeMS": 300,
        "maxConnecting": 3,
        "waitQueueTimeoutMS": 50,
    }
    assert pool_options(limits(**options)) == options


def test_an_unlimited_pool_is_told_as_zero() -> None:
    assert pool_options(limits(maxPoolSize=0)) == {"maxPoolSize": 0}


# ---- heartbeats ---------------------------------------------------------------------------------


def hello_reply(**fields: Any) -> HelloReply:
    document = {
        "ok": 1.0,
        "isWritablePrimary": True,
        "helloOk": True,
        "setName": "rs",
        "hosts": ["a:1", "b:2"],
        "me": "a:1",
        "primary": "a:1",
        "minWireVersion": 0,
        "maxWireVersion": 21,
        "logicalSessionTimeoutMinutes": 30,
        "connectionId": 9,
        **fields,
    }
    return HelloReply(document, parse_hello(("a", 1), document, now=0.0))


def test_a_heartbeats_reply_says_what_it_says() -> None:
    reply = hello_reply(tags={"dc": "here"}, setVersion=2)
    assert reply.document["setName"] == "rs"
    assert reply.server_type_name == "RSPrimary"
    assert reply.replica_set_name == "rs"
    assert reply.all_hosts == {("a", 1), ("b", 2)}
    assert reply.me == reply.primary == ("a", 1)
    assert reply.tags == {"dc": "here"}
    assert reply.set_version == 2
    assert reply.is_writable
    assert reply.is_readable
    assert reply.hello_ok
    assert not reply.awaitable
    assert (reply.min_wire_version, reply.max_wire_version) == (0, 21)
    assert reply.logical_session_timeout_minutes == 30
    assert reply.connection_id == 9
    assert "setName" in repr(reply)


def test_what_a_heartbeats_reply_does_not_say_is_none() -> None:
    reply = hello_reply()
    assert reply.election_id is None
    assert reply.topology_version is None
    assert reply.cluster_time is None
    assert reply.last_write_date is None
    assert reply.service_id is None
    assert reply.compressors is None
    assert reply.sasl_supported_mechs == []
    assert reply.speculative_authenticate is None


def test_a_heartbeats_reply_has_the_attributes_of_pymongos() -> None:
    from pymongo.hello import Hello

    theirs = Hello({"ok": 1, "isWritablePrimary": True, "maxWireVersion": 21})
    document = dict(theirs.document)
    ours = HelloReply(document, parse_hello(("a", 1), document, now=0.0))
    for name in (name for name in dir(Hello) if not name.startswith("_")):
        assert getattr(ours, name) == getattr(theirs, name), name


# ---- log messages -------------------------------------------------------------------------------


def test_a_message_is_json_without_what_is_not_known() -> None:
    message = LogMessage({"message": "hi", "serverPort": None, "id": ObjectId(b"twelve bytes")})
    assert json.loads(str(message)) == {
        "message": "hi",
        "id": {"$oid": "7477656c7665206279746573"},
    }
    assert message.fields["message"] == "hi"


def test_a_socket_path_has_no_port() -> None:
    assert LogMessage(address_fields(("/tmp/mongo.sock", None))).fields == {
        "serverHost": "/tmp/mongo.sock"
    }


@pytest.mark.parametrize(
    ("environ", "length"),
    [
        ({}, 1000),
        ({"GREENMONGO_LOG_MAX_DOCUMENT_LENGTH": "5"}, 5),
        ({"MONGODB_LOG_MAX_DOCUMENT_LENGTH": "6"}, 6),
        ({"MONGOB_LOG_MAX_DOCUMENT_LENGTH": "7"}, 7),
        ({"GREENMONGO_LOG_MAX_DOCUMENT_LENGTH": "-1"}, 1000),
        ({"GREENMONGO_LOG_MAX_DOCUMENT_LENGTH": "many"}, 1000),
        (
            {
                "GREENMONGO_LOG_MAX_DOCUMENT_LENGTH": "8",
                "MONGODB_LOG_MAX_DOCUMENT_LENGTH": "6",
            },
            8,
        ),
    ],
)
def test_the_environment_says_how_much_of_a_document_is_logged(
    environ: dict[str, str], length: int
) -> None:
    assert max_document_length(environ) == length


def test_a_short_document_is_logged_whole() -> None:
    assert extended_json({"ok": 1, "x": [True, None]}, 1000) == '{"ok": 1, "x": [true, null]}'


def test_letters_of_all_scripts_are_logged_and_counted_as_themselves() -> None:
    assert extended_json({"x": "\u754c\u00e9"}, 1000) == '{"x": "\u754c\u00e9"}'
    assert extended_json({"x": "\u754c" * 20}, 10) == '{"x": "' + "\u754c" * 3 + "..."


def test_a_long_document_is_cut_and_says_so() -> None:
    assert extended_json({"insert": "c" * 100}, 20) == '{"insert": "cccccccc...'


def test_values_that_json_does_not_know_are_extended_json() -> None:
    document = {"b": b"\x01", "n": 2**40, "d": Decimal128("1.5")}
    assert json.loads(extended_json(document, 1000)) == {
        "b": {"$binary": {"base64": "AQ==", "subType": "00"}},
        "n": 2**40,
        "d": {"$numberDecimal": "1.5"},
    }


def test_what_is_no_bson_is_logged_as_it_prints() -> None:
    assert extended_json({"x": ...}, 1000) == '{"x": "Ellipsis"}'


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=30,
)


@given(st.dictionaries(st.text(), values, max_size=6), st.integers(0, 200))
def test_cutting_first_shows_what_cutting_last_would(document: dict[str, Any], limit: int) -> None:
    whole = extended_json(document, 10**9)
    expected = whole if len(whole) <= limit else whole[:limit] + "..."
    assert extended_json(document, limit) == expected


def test_a_huge_document_is_not_written_out_to_be_cut() -> None:
    class Endless(dict[str, Any]):
        def items(self) -> Any:
            number = 0
            while True:
                number += 1
                yield f"key{number}", [b"x" * 1_000_000]

    text = extended_json(Endless(), 50)
    assert len(text) == 53
