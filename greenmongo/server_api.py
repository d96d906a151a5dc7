"""The Stable API: PyMongo's classes."""

from __future__ import annotations

from pymongo.server_api import ServerApi, ServerApiVersion

__all__ = ["ServerApi", "ServerApiVersion"]
