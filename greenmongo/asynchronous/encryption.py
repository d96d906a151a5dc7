"""Client-side encryption, under the name of PyMongo's module; see `greenmongo.encryption`."""

from __future__ import annotations

from greenmongo.encryption import Algorithm, ClientEncryption, QueryType, RewrapManyDataKeyResult

__all__ = ["Algorithm", "AsyncClientEncryption", "QueryType", "RewrapManyDataKeyResult"]


class AsyncClientEncryption(ClientEncryption):
    """What PyMongo's async API encrypts with. Here it can be named, but not made."""
