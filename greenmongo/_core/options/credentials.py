"""Who the client is: one value made of user name, password and the authentication options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pymongo.errors import ConfigurationError

__all__ = ["Credentials", "build_credentials"]

EXTERNAL = "$external"

_WITHOUT_USER = frozenset({"MONGODB-X509", "MONGODB-AWS", "MONGODB-OIDC"})
_EXTERNAL_ONLY = frozenset({"GSSAPI", *_WITHOUT_USER})
_OIDC_ENVIRONMENTS = ("test", "azure", "gcp", "k8s")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a connection logs in with."""

    source: str
    """The database the authentication commands are sent to."""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    mechanism: str | None = None
    """None: the best SCRAM mechanism both sides know."""
    mechanism_properties: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False)

    def in_source(self, source: str) -> Credentials:
        """Return the credentials for another database, unless the mechanism is outside of them all.

        Raises:
            ConfigurationError, ValueError: the mechanism forbids the authentication source.
        """
        _check_source(self.mechanism, source)
        return self if self.mechanism in _EXTERNAL_ONLY else replace(self, source=source)


def build_credentials(
    options: Mapping[str, Any],
    *,
    username: str | None,
    password: str | None,
    database: str | None,
) -> Credentials | None:
    """Return the credentials that options and user information ask for, None for nobody.

    Args:
        options: validated options under their lower-case names.
        username: from the URI or a keyword.
        password: from the URI or a keyword.
        database: the database named in the URI; the source of last resort but one.

    Raises:
        ConfigurationError: the mechanism does not take what was given, or lacks something.
        ValueError: the mechanism forbids the authentication source.
    """
    mechanism: str | None = options.get("authmechanism")
    if mechanism == "DEFAULT":
        mechanism = None
    elif mechanism is None and not username:
        return None
    source: str | None = options.get("authsource") or None
    properties: Mapping[str, Any] = options.get("authmechanismproperties") or {}
    _check_user(mechanism, username, password)
    _check_source(mechanism, source)
    if mechanism == "GSSAPI":
        properties = {"SERVICE_NAME": "mongodb", **properties}
    elif mechanism == "MONGODB-OIDC":
        _check_oidc(username, properties)
    if mechanism in _EXTERNAL_ONLY:
        source = EXTERNAL
    elif mechanism == "PLAIN":
        source = source or database or EXTERNAL
    return Credentials(
        source=source or database or "admin",
        username=username or None,
        password=password,
        mechanism=mechanism,
        mechanism_properties=properties,
    )


def _check_user(mechanism: str | None, username: str | None, password: str | None) -> None:
    """Check that the mechanism has the user name and password it needs, and no more."""
    name = mechanism or "DEFAULT"
    if not username and name not in _WITHOUT_USER:
        raise ConfigurationError(f"{name} requires a username")
    if name == "MONGODB-X509" and password is not None:
        raise ConfigurationError("Passwords are not supported by MONGODB-X509")
    if name == "MONGODB-OIDC" and password is not None:
        raise ConfigurationError("password is not supported by MONGODB-OIDC")
    if name == "MONGODB-AWS" and username and password is None:
        raise ConfigurationError("username without a password is not supported by MONGODB-AWS")
    if name not in _EXTERNAL_ONLY and not password:
        raise ConfigurationError("A password is required")


def _check_source(mechanism: str | None, source: str | None) -> None:
    """Check that a mechanism of the outside world is not given a database to look in."""
    if source in (None, EXTERNAL) or mechanism not in _EXTERNAL_ONLY:
        return
    # Not what it is: in a URI it may be a piece of a password.
    message = f"authentication source must be $external or None for {mechanism}"
    if mechanism in ("MONGODB-AWS", "MONGODB-OIDC"):
        raise ConfigurationError(message)
    # The class PyMongo raises for these two.
    raise ValueError(message)


def _check_oidc(username: str | None, properties: Mapping[str, Any]) -> None:
    """Check that MONGODB-OIDC has exactly one source of tokens, and what that source needs."""
    callback = properties.get("OIDC_CALLBACK")
    human_callback = properties.get("OIDC_HUMAN_CALLBACK")
    environment = properties.get("ENVIRONMENT")
    if callback and human_callback:
        raise ConfigurationError("cannot set both OIDC_CALLBACK and OIDC_HUMAN_CALLBACK")
    if bool(callback or human_callback) == (environment is not None):
        raise ConfigurationError(
            "authentication with MONGODB-OIDC requires providing either a callback or a environment"
        )
    if properties.get("ALLOWED_HOSTS") is not None and human_callback is None:
        raise ConfigurationError("ALLOWED_HOSTS is only valid with OIDC_HUMAN_CALLBACK")
    if environment is None:
        return
    if environment not in _OIDC_ENVIRONMENTS:
        raise ConfigurationError(f"unrecognized ENVIRONMENT for MONGODB-OIDC: {environment}")
    if environment == "test" and username:
        raise ConfigurationError("test environment for MONGODB-OIDC does not support username")
    if environment in ("azure", "gcp") and not properties.get("TOKEN_RESOURCE"):
        raise ConfigurationError(
            f"ENVIRONMENT {environment} for MONGODB-OIDC requires a TOKEN_RESOURCE"
            " auth mechanism property"
        )
