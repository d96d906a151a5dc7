"""Logging in: which mechanism, and the conversation it takes. No I/O; a connection carries it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymongo.errors import ConfigurationError

from greenmongo._core.auth.mechanisms import MECHANISMS, Login
from greenmongo._core.auth.scram import SCRAM_SHA_1, SCRAM_SHA_256, KeyCache

if TYPE_CHECKING:
    from greenmongo._core.options.credentials import Credentials
    from greenmongo._core.types import Conversation, Document

__all__ = ["KeyCache", "authenticate", "negotiation_user", "speculative_document"]


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
    mechanism = MECHANISMS.get(credentials.mechanism or SCRAM_SHA_256)
    if mechanism is None or mechanism.start is None:
        return None
    return {**mechanism.start(credentials, nonce), "db": credentials.source}


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
    name = credentials.mechanism or _negotiated(hello_reply)
    mechanism = MECHANISMS.get(name)
    if mechanism is None:
        *others, last = MECHANISMS
        raise ConfigurationError(
            f"authMechanism {name} is not supported yet; supported are "
            f"{', '.join(others)} and {last}"
        )
    speculated = hello_reply.get("speculativeAuthenticate")
    return mechanism.converse(Login(credentials, nonce, cache, speculated))


def _negotiated(hello_reply: Document) -> str:
    """Choose the best mechanism; a server that lists none is taken to know the oldest.

    Authentication, "Default Authentication Methods".
    """
    # An answer to the handshake's SCRAM-SHA-256 start says as much as the list.
    listed = hello_reply.get("saslSupportedMechs") or ()
    if SCRAM_SHA_256 in listed or hello_reply.get("speculativeAuthenticate"):
        return SCRAM_SHA_256
    return SCRAM_SHA_1
