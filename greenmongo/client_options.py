"""The options of a client, under the name of PyMongo's module."""

from __future__ import annotations

from greenmongo._core.options import ClientOptions

__all__ = ["ClientOptions"]
