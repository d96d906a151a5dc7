"""Clients, under the name of PyMongo's module."""

from __future__ import annotations

from greenmongo._api.client import MongoClient

__all__ = ["MongoClient"]
