"""The words every layer shares."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, Protocol, TypeAlias, TypeVar

from pymongo.read_preferences import (
    Nearest,
    Primary,
    PrimaryPreferred,
    Secondary,
    SecondaryPreferred,
)

__all__ = [
    "Address",
    "Conversation",
    "DocT",
    "Document",
    "Named",
    "ReadMode",
    "format_address",
]

Document: TypeAlias = dict[str, Any]
"""A command or reply envelope. User documents are `DocT`."""

Address: TypeAlias = tuple[str, int | None]
"""Host and port; the port is None for a Unix domain socket path."""

ReadMode: TypeAlias = Primary | PrimaryPreferred | Secondary | SecondaryPreferred | Nearest
"""A read preference object of pymongo's."""

DocT = TypeVar("DocT", bound=Mapping[str, Any])
"""A user's document type, `dict[str, Any]` unless `document_class` says otherwise."""

R = TypeVar("R")

Conversation: TypeAlias = Generator[Document, Document, R]
"""Yields a command, is sent the server's reply, returns its conclusion."""


class Named(Protocol):
    """A database or a collection where its name would do."""

    @property
    def name(self) -> str:
        """The bare name."""
        ...


def format_address(address: Address) -> str:
    """Return `host:port`, or the path of a Unix domain socket."""
    host, port = address
    if port is None:
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
