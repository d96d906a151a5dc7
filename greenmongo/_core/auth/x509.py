"""MONGODB-X509: the TLS certificate already said who the client is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from greenmongo._core.types import Conversation, Document

__all__ = ["x509_command", "x509_conversation"]


def x509_command(username: str | None) -> Document:
    """Return the one command of this mechanism; without a name the certificate's subject counts."""
    command: Document = {"authenticate": 1, "mechanism": "MONGODB-X509"}
    if username is not None:
        command["user"] = username
    return command


def x509_conversation(username: str | None, speculated: Document | None) -> Conversation[None]:
    """Log in with MONGODB-X509, unless the handshake already did."""
    if not speculated:
        yield x509_command(username)
