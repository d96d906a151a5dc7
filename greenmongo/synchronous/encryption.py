"""The same as `greenmongo.encryption`, under the name of PyMongo's module."""

from __future__ import annotations

from greenmongo.encryption import Algorithm, ClientEncryption, QueryType, RewrapManyDataKeyResult

__all__ = ["Algorithm", "ClientEncryption", "QueryType", "RewrapManyDataKeyResult"]
