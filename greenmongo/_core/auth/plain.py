"""SASL PLAIN (RFC 4616): the password itself, for servers that ask a directory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymongo.errors import OperationFailure

if TYPE_CHECKING:
    from greenmongo._core.types import Conversation

__all__ = ["plain_conversation"]


def plain_conversation(username: str, password: str) -> Conversation[None]:
    """Log in with PLAIN.

    Raises:
        OperationFailure: the server does not come to an end.
    """
    reply = yield {
        "saslStart": 1,
        "mechanism": "PLAIN",
        "payload": b"\0".join((b"", username.encode(), password.encode())),
        "autoAuthorize": 1,
    }
    if not reply.get("done"):
        # A server may ask for one more, empty, exchange.
        reply = yield {
            "saslContinue": 1,
            "conversationId": reply.get("conversationId"),
            "payload": b"",
        }
    if not reply.get("done"):
        raise OperationFailure("SASL conversation failed to complete.")
