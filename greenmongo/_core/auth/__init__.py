"""Logging in: which mechanism, and the conversation it takes. No I/O; a connection carries it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymongo.errors import ConfigurationError

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

__all__ = ["KeyCache", "authenticate", "negotiation_user", "speculative_document"]

_SCRAM = (SCRAM_SHA_1, SCRAM_SHA_256)


def negotiation_user(credentials: Credentials) -> str | None:
    """Return the handshake's `saslSupportedMechs`: whose mechanisms to list, None for nobody's."""
    if credentials.mechanism is not None:
        return None
    return f"{credentials.source}.{credentials.username}"


def speculative_document(credentials: Credentials, nonce: bytes) -> Document | None:
    """Return the handshake's `speculativeAuthenticate`, None if the mechanism has no such start.

    Args:
        credentials: who logs in.
        nonce: random bytes, the same that `authenticate` is then given.
    """
    mechanism = credentials.mechanism or SCRAM_SHA_256
    if mechanism == "MONGODB-X509":
        start = x509_command(credentials.username)
    elif mechanism in _SCRAM:
        start = scram_start(mechanism, credentials.username or "", nonce)
    else:
        return None
    return {**start, "db": credentials.source}


def authenticate(
    credentials: Credentials,
    *,
    nonce: bytes,
    hello_reply: Document,
    cache: KeyCache,
) -> Conversation[None]:
    """Return the conversation that logs a connection in; send its commands to `source`.

    It may be over at once, if the handshake already did the work.

    Args:
        credentials: who logs in.
        nonce: random bytes, those of `speculative_document` if that was sent.
        hello_reply: the handshake's answer, for what it says about authentication.
        cache: salted keys, shared by the connections of one client.

    Raises:
        ConfigurationError: the mechanism is not supported yet.
    """
    mechanism = credentials.mechanism
    username, password = credentials.username or "", credentials.password or ""
    speculated: Document | None = hello_reply.get("speculativeAuthenticate")
    if mechanism is None:
        mechanism = _negotiated(hello_reply)
    if mechanism in _SCRAM:
        return scram_conversation(
            mechanism, username, password, nonce=nonce, cache=cache, speculated=speculated
        )
    if mechanism == "PLAIN":
        return plain_conversation(username, password)
    if mechanism == "MONGODB-X509":
        return x509_conversation(credentials.username, speculated)
    raise ConfigurationError(
        f"authMechanism {mechanism} is not supported yet; supported are "
        "SCRAM-SHA-256, SCRAM-SHA-1, PLAIN and MONGODB-X509"
    )


def _negotiated(hello_reply: Document) -> str:
    """Choose the best mechanism; a server that lists none is taken to know the oldest."""
    # An answer to the handshake's SCRAM-SHA-256 start says as much as the list.
    listed = hello_reply.get("saslSupportedMechs") or ()
    if SCRAM_SHA_256 in listed or hello_reply.get("speculativeAuthenticate"):
        return SCRAM_SHA_256
    return SCRAM_SHA_1
