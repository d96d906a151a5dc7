from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pymongo.errors import ConfigurationError, OperationFailure

from greenmongo._core.auth import KeyCache, authenticate, negotiation_user, speculative_document
from greenmongo._core.options.credentials import Credentials

if TYPE_CHECKING:
    from greenmongo._core.types import Conversation, Document

NONCE = b"0" * 24


def who(mechanism: str | None = None, **fields: Any) -> Credentials:
    values = {"source": "admin", "username": "ada", "password": "pw", **fields}
    return Credentials(mechanism=mechanism, **values)


def log_in(credentials: Credentials, **hello_reply: Any) -> Conversation[None]:
    return authenticate(credentials, nonce=NONCE, hello_reply=hello_reply, cache=KeyCache())


def ends(conversation: Conversation[None]) -> bool:
    return next(conversation, None) is None


@pytest.mark.parametrize(
    ("listed", "chosen"),
    [
        (["SCRAM-SHA-1", "SCRAM-SHA-256"], "SCRAM-SHA-256"),
        (["SCRAM-SHA-256"], "SCRAM-SHA-256"),
        (["SCRAM-SHA-1"], "SCRAM-SHA-1"),
        ([], "SCRAM-SHA-1"),
        (None, "SCRAM-SHA-1"),
    ],
)
def test_the_best_listed_mechanism_is_chosen(listed: list[str] | None, chosen: str) -> None:
    assert next(log_in(who(), saslSupportedMechs=listed))["mechanism"] == chosen


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256"])
def test_a_configured_mechanism_is_not_negotiated(mechanism: str) -> None:
    assert negotiation_user(who(mechanism)) is None
    listed = ["SCRAM-SHA-1", "SCRAM-SHA-256"]
    assert next(log_in(who(mechanism), saslSupportedMechs=listed))["mechanism"] == mechanism


def test_the_handshake_asks_about_the_user_of_that_database() -> None:
    assert negotiation_user(who(source="shop")) == "shop.ada"


@pytest.mark.parametrize(
    ("configured", "tried"),
    [(None, "SCRAM-SHA-256"), ("SCRAM-SHA-1", "SCRAM-SHA-1"), ("SCRAM-SHA-256", "SCRAM-SHA-256")],
)
def test_scram_is_begun_in_the_handshake(configured: str | None, tried: str) -> None:
    document = speculative_document(who(configured, source="shop"), NONCE)
    assert document is not None
    assert (document["mechanism"], document["db"]) == (tried, "shop")


def test_the_handshakes_answer_is_continued() -> None:
    first = b"r=" + b"MDAw" * 8 + b"more,s=c2FsdA==,i=4096"
    answer = {"conversationId": 3, "done": False, "payload": first}
    command = next(log_in(who(), speculativeAuthenticate=answer))
    assert (command["saslContinue"], command["conversationId"]) == (1, 3)


def test_an_answer_to_another_mechanism_is_not_continued() -> None:
    answer = {"conversationId": 3, "done": False, "payload": b""}
    conversation = log_in(who("PLAIN"), speculativeAuthenticate=answer)
    assert next(conversation)["mechanism"] == "PLAIN"


def test_plain_sends_name_and_password_at_once() -> None:
    assert speculative_document(who("PLAIN"), NONCE) is None
    conversation = log_in(who("PLAIN", username="ä"))
    assert next(conversation) == {
        "saslStart": 1,
        "mechanism": "PLAIN",
        "payload": "\0ä\0pw".encode(),
        "autoAuthorize": 1,
    }
    with pytest.raises(StopIteration):
        conversation.send({"ok": 1.0, "done": True, "conversationId": 1})


def test_plain_answers_one_empty_exchange_and_no_more() -> None:
    conversation = log_in(who("PLAIN"))
    next(conversation)
    unfinished: Document = {"ok": 1.0, "done": False, "conversationId": 1}
    assert conversation.send(unfinished) == {
        "saslContinue": 1,
        "conversationId": 1,
        "payload": b"",
    }
    with pytest.raises(OperationFailure, match="failed to complete"):
        conversation.send(unfinished)


@pytest.mark.parametrize("username", [None, "CN=client"])
def test_x509_names_a_user_only_if_one_is_configured(username: str | None) -> None:
    credentials = who("MONGODB-X509", source="$external", username=username, password=None)
    expected: Document = {"authenticate": 1, "mechanism": "MONGODB-X509"}
    if username:
        expected["user"] = username
    conversation = log_in(credentials)
    assert next(conversation) == expected
    with pytest.raises(StopIteration):
        conversation.send({"ok": 1.0})
    assert speculative_document(credentials, NONCE) == {**expected, "db": "$external"}


def test_x509_has_nothing_to_add_to_a_handshake_that_logged_in() -> None:
    assert ends(log_in(who("MONGODB-X509"), speculativeAuthenticate={"user": "CN=client"}))


@pytest.mark.parametrize("mechanism", ["GSSAPI", "MONGODB-AWS", "MONGODB-OIDC"])
def test_a_mechanism_that_is_not_there_yet_is_named(mechanism: str) -> None:
    assert speculative_document(who(mechanism), NONCE) is None
    with pytest.raises(ConfigurationError, match=rf"{mechanism} is not supported yet"):
        log_in(who(mechanism))
