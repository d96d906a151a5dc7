"""What is known of a server, under the name of PyMongo's module."""

from __future__ import annotations

from greenmongo._core.sdam.server_description import ServerDescription

__all__ = ["ServerDescription"]
