from __future__ import annotations

from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any

import pytest
from pymongo.errors import ConfigurationError, OperationFailure

from greenmongo._core.auth.scram import (
    SCRAM_SHA_1,
    SCRAM_SHA_256,
    KeyCache,
    scram_conversation,
    scram_start,
)

if TYPE_CHECKING:
    from greenmongo._core.types import Conversation, Document

# The example conversations of the authentication specification: user "user", password "pencil".
SHA_1 = {
    "mechanism": SCRAM_SHA_1,
    "nonce": "fyko+d2lbbFgONRv9qkxdawL",
    "server_first": "r=fyko+d2lbbFgONRv9qkxdawLHo+Vgk7qvUOKUwuWLIWg4l/9SraGMHEE"
    ",s=rQ9ZY3MntBeuP3E1TDVC4w==,i=10000",
    "client_final": "c=biws,r=fyko+d2lbbFgONRv9qkxdawLHo+Vgk7qvUOKUwuWLIWg4l/9SraGMHEE"
    ",p=MC2T8BvbmWRckDw8oWl5IVghwCY=",
    "server_final": "v=UMWeI25JD1yNYZRMpZ4VHvhZ9e0=",
}
SHA_256 = {
    "mechanism": SCRAM_SHA_256,
    "nonce": "rOprNGfwEbeRWgbNEkqO",
    "server_first": "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
    "client_final": "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    "server_final": "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
}
BOTH = pytest.mark.parametrize("example", [SHA_1, SHA_256], ids=lambda it: it["mechanism"])

SERVER_NONCE = "rOprNGfwEbeRWgbNEkqO+server"
SALT = "W22ZaJ0SNY7soEsUEjb6gQ=="


def begin(example: dict[str, str], **overrides: Any) -> Conversation[None]:
    arguments: dict[str, Any] = {
        "username": "user",
        "password": "pencil",
        "nonce": b64decode(example["nonce"]),
        "cache": KeyCache(),
        **overrides,
    }
    return scram_conversation(example["mechanism"], **arguments)


def answer(payload: str, *, done: bool = False) -> Document:
    return {"ok": 1.0, "conversationId": 7, "done": done, "payload": payload.encode()}


def finish(conversation: Conversation[None], reply: Document) -> None:
    with pytest.raises(StopIteration):
        conversation.send(reply)


@BOTH
def test_the_specifications_example_is_spoken_word_for_word(example: dict[str, str]) -> None:
    conversation = begin(example)
    assert next(conversation) == {
        "saslStart": 1,
        "mechanism": example["mechanism"],
        "payload": f"n,,n=user,r={example['nonce']}".encode(),
        "autoAuthorize": 1,
        "options": {"skipEmptyExchange": True},
    }
    assert conversation.send(answer(example["server_first"])) == {
        "saslContinue": 1,
        "conversationId": 7,
        "payload": example["client_final"].encode(),
    }
    finish(conversation, answer(example["server_final"], done=True))


@BOTH
def test_a_handshake_may_have_begun_the_conversation(example: dict[str, str]) -> None:
    conversation = begin(example, speculated=answer(example["server_first"]))
    assert next(conversation)["payload"] == example["client_final"].encode()
    finish(conversation, answer(example["server_final"], done=True))


def test_a_server_that_wants_one_more_message_gets_an_empty_one() -> None:
    conversation = begin(SHA_256, speculated=answer(SHA_256["server_first"]))
    next(conversation)
    last = conversation.send(answer(SHA_256["server_final"]))
    assert last == {"saslContinue": 1, "conversationId": 7, "payload": b""}
    finish(conversation, answer("", done=True))


def test_a_server_that_never_ends_is_given_up() -> None:
    conversation = begin(SHA_256, speculated=answer(SHA_256["server_first"]))
    next(conversation)
    conversation.send(answer(SHA_256["server_final"]))
    with pytest.raises(OperationFailure, match="failed to complete"):
        conversation.send(answer(""))


@pytest.mark.parametrize("final", ["v=AAAA", "x=1", ""])
def test_a_server_that_does_not_know_the_password_is_refused(final: str) -> None:
    conversation = begin(SHA_256, speculated=answer(SHA_256["server_first"]))
    next(conversation)
    with pytest.raises(OperationFailure, match="invalid signature"):
        conversation.send(answer(final, done=True))


def test_a_conversation_declared_done_too_early_still_needs_the_signature() -> None:
    conversation = begin(SHA_256, speculated=answer(SHA_256["server_first"], done=True))
    next(conversation)
    with pytest.raises(OperationFailure, match="invalid signature"):
        conversation.send({"ok": 1.0, "done": True, "payload": b""})


@pytest.mark.parametrize(
    ("first", "complaint"),
    [
        (f"r={SERVER_NONCE},s={SALT},i=4095", "iteration count"),
        (f"r={SERVER_NONCE},s={SALT},i=1000001", "iteration count"),
        (f"r={SERVER_NONCE},s={SALT},i=many", "iteration count"),
        (f"r={SERVER_NONCE},s={SALT}", "iteration count"),
        (f"r=stranger,s={SALT},i=4096", "nonce"),
        (f"r={SHA_256['nonce']},s={SALT},i=4096", "nonce"),
        (f"s={SALT},i=4096", "nonce"),
        (f"r={SERVER_NONCE},s=!,i=4096", "salt"),
        (f"r={SERVER_NONCE},i=4096", "salt"),
        (f"m=new,r={SERVER_NONCE},s={SALT},i=4096", "extension"),
        ("e=unknown-user", "unknown-user"),
        ("", "nonce"),
    ],
)
def test_a_malformed_or_weak_challenge_is_refused(first: str, complaint: str) -> None:
    conversation = begin(SHA_256, speculated=answer(first))
    with pytest.raises(OperationFailure, match=complaint):
        next(conversation)


def test_a_reply_without_payload_is_refused() -> None:
    conversation = begin(SHA_256)
    next(conversation)
    with pytest.raises(OperationFailure, match="no SASL payload"):
        conversation.send({"ok": 1.0})


def test_the_names_own_commas_and_equal_signs_are_escaped() -> None:
    payload = scram_start(SCRAM_SHA_256, "a=b,c", b"123456")["payload"]
    assert payload == b"n,,n=a=3Db=2Cc,r=" + b64encode(b"123456")


def test_only_the_password_of_sha_256_is_prepared() -> None:
    spelled_twice = [
        begin(SHA_256, password=password, speculated=answer(SHA_256["server_first"]))
        for password in ("I\N{SOFT HYPHEN}X", "IX")
    ]
    assert next(spelled_twice[0]) == next(spelled_twice[1])
    different = [
        begin(SHA_1, password=password, speculated=answer(SHA_1["server_first"]))
        for password in ("I\N{SOFT HYPHEN}X", "IX")
    ]
    assert next(different[0]) != next(different[1])


def test_a_forbidden_password_is_the_configurations_fault() -> None:
    with pytest.raises(ConfigurationError, match=r"'user'.*prohibited"):
        next(begin(SHA_256, password="\x07"))


def test_keys_are_computed_once_for_all_connections() -> None:
    cache = KeyCache()
    for _ in range(2):
        conversation = begin(SHA_256, cache=cache, speculated=answer(SHA_256["server_first"]))
        next(conversation)
        finish(conversation, answer(SHA_256["server_final"], done=True))
    assert len(cache) == 1


@pytest.mark.parametrize(
    "other",
    [
        (SCRAM_SHA_1, b"pencil", b"salt", 4096),
        (SCRAM_SHA_256, b"pen", b"salt", 4096),
        (SCRAM_SHA_256, b"pencil", b"pepper", 4096),
        (SCRAM_SHA_256, b"pencil", b"salt", 4097),
    ],
    ids=["mechanism", "password", "salt", "iterations"],
)
def test_whatever_changes_makes_other_keys(other: tuple[str, bytes, bytes, int]) -> None:
    cache = KeyCache()
    keys = cache.keys_for(SCRAM_SHA_256, b"pencil", b"salt", 4096)
    assert cache.keys_for(*other) != keys
    assert cache.keys_for(SCRAM_SHA_256, b"pencil", b"salt", 4096) is keys
    assert len(cache) == 2


def test_the_cache_forgets_what_was_used_longest_ago() -> None:
    cache = KeyCache(capacity=2)
    first = cache.keys_for(SCRAM_SHA_1, b"a", b"salt", 1)
    second = cache.keys_for(SCRAM_SHA_1, b"b", b"salt", 1)
    assert cache.keys_for(SCRAM_SHA_1, b"a", b"salt", 1) is first
    cache.keys_for(SCRAM_SHA_1, b"c", b"salt", 1)
    assert len(cache) == 2
    assert cache.keys_for(SCRAM_SHA_1, b"a", b"salt", 1) is first
    assert cache.keys_for(SCRAM_SHA_1, b"b", b"salt", 1) is not second
