"""The authentication mechanisms by their names. A new one is one row here, and its conversation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from greenmongo._core.auth.plain import plain_conversation
from greenmongo._core.auth.scram import (
    SCRAM_SHA_1,
    SCRAM_SHA_256,
    KeyCache,
    scram_conversation,
    scram_start,
)
from greenmongo._core.auth.x509 import x509_command, x509_conversation

if TYPE_CHECKING:
    from greenmongo._core.options.credentials import Credentials
    from greenmongo._core.types import Conversation, Document

__all__ = ["MECHANISMS", "Login", "Mechanism"]


@dataclass(frozen=True, slots=True)
class Login:
    """What a conversation has to work with."""

    credentials: Credentials
    nonce: bytes
    """Random bytes, the same that the handshake's start was made of."""
    cache: KeyCache
    """Salted keys, shared by the connections of one client."""
    speculated: Document | None = None
    """The server's answer to the start that the handshake carried."""


@dataclass(frozen=True, slots=True)
class Mechanism:
    """How one mechanism logs in."""

    converse: Callable[[Login], Conversation[None]]
    start: Callable[[Credentials, bytes], Document] | None = None
    """Its first command, given the nonce, if the handshake may carry it (MongoDB Handshake,
    "Speculative Authentication")."""


def _scram(mechanism: str) -> Mechanism:
    def start(credentials: Credentials, nonce: bytes) -> Document:
        return scram_start(mechanism, credentials.username or "", nonce)

    def converse(login: Login) -> Conversation[None]:
        credentials = login.credentials
        return scram_conversation(
            mechanism,
            credentials.username or "",
            credentials.password or "",
            nonce=login.nonce,
            cache=login.cache,
            speculated=login.speculated,
        )

    return Mechanism(converse, start)


def _plain(login: Login) -> Conversation[None]:
    credentials = login.credentials
    return plain_conversation(credentials.username or "", credentials.password or "")


def _start_x509(credentials: Credentials, _nonce: bytes) -> Document:
    return x509_command(credentials.username)


def _x509(login: Login) -> Conversation[None]:
    return x509_conversation(login.credentials.username, login.speculated)


MECHANISMS: Mapping[str, Mechanism] = {
    SCRAM_SHA_256: _scram(SCRAM_SHA_256),
    SCRAM_SHA_1: _scram(SCRAM_SHA_1),
    "PLAIN": Mechanism(_plain),
    "MONGODB-X509": Mechanism(_x509, _start_x509),
}
