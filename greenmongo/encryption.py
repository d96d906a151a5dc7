"""Client-side encryption: PyMongo's value classes. Encryption itself is not part of this driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from pymongo.errors import ConfigurationError

if TYPE_CHECKING:
    # Where they are defined; PyMongo's public module passes them on without telling checkers.
    from pymongo.encryption_shared import Algorithm, QueryType, RewrapManyDataKeyResult
else:
    from pymongo.encryption import Algorithm, QueryType, RewrapManyDataKeyResult

__all__ = ["Algorithm", "ClientEncryption", "QueryType", "RewrapManyDataKeyResult"]


class ClientEncryption:
    """What PyMongo encrypts and decrypts with. Here it can be named, but not made.

    Encryption needs PyMongo's bindings of libmongocrypt, which work with its own client only. A
    program that needs explicit encryption can keep a client of PyMongo's for it, and give the
    encrypted values to this driver, which stores them like any others.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Refuse.

        Raises:
            ConfigurationError: always.
        """
        _refuse(type(self).__name__)


def _refuse(name: str) -> NoReturn:
    raise ConfigurationError(
        f"{name}: greenmongo has no client-side encryption. Use pymongo.encryption with a client "
        f"of PyMongo's for it; values that are encrypted already can be stored with any client"
    )
