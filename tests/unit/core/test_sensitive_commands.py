from __future__ import annotations

import pytest

from greenmongo._core.sensitive_commands import is_sensitive, may_compress


@pytest.mark.parametrize(
    "name",
    [
        "authenticate",
        "saslStart",
        "saslContinue",
        "getnonce",
        "createUser",
        "updateUser",
        "copydbgetnonce",
        "copydbsaslstart",
        "copydb",
        "SASLSTART",
    ],
)
def test_commands_that_carry_credentials_are_sensitive(name: str) -> None:
    assert is_sensitive(name, {name: 1})


@pytest.mark.parametrize("name", ["hello", "isMaster", "ismaster"])
def test_a_greeting_is_sensitive_if_it_authenticates(name: str) -> None:
    assert not is_sensitive(name, {name: 1})
    assert is_sensitive(name, {name: 1, "speculativeAuthenticate": {"saslStart": 1}})


def test_other_commands_are_not_sensitive() -> None:
    assert not is_sensitive("find", {"find": "c", "filter": {"speculativeAuthenticate": 1}})


@pytest.mark.parametrize("name", ["hello", "isMaster", "saslStart", "saslContinue", "createUser"])
def test_secrets_and_the_handshake_are_never_compressed(name: str) -> None:
    assert not may_compress(name)


def test_other_commands_may_be_compressed() -> None:
    assert may_compress("find")
