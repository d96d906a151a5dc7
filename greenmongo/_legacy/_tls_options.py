"""The ssl options of PyMongo 2.x, said with the tls options of today."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pymongo.errors import ConfigurationError

__all__ = ["TLS_NAMES", "translate_tls"]

TLS_NAMES = ("ssl_ca_certs", "ssl_cert_reqs", "ssl_certfile", "ssl_keyfile", "ssl_match_hostname")

_REQUIREMENTS = {
    "0": False,
    "cert_none": False,
    "1": True,
    "cert_optional": True,
    "2": True,
    "cert_required": True,
}
"""Whether the server's certificate is checked: the values, and the names, of `ssl.CERT_...`."""


def translate_tls(old: Mapping[str, Any], *, is_refused: bool) -> dict[str, Any]:
    """Return today's options for those of then; any of them asks for encryption.

    Args:
        old: the options of `TLS_NAMES` that were given.
        is_refused: ssl=False is among the other options.

    Raises:
        ConfigurationError: an option has no such value, or contradicts another.
    """
    given = {name: old[name] for name in TLS_NAMES if old.get(name) is not None}
    if not given:
        return {}
    if is_refused:
        raise ConfigurationError(f"ssl=False contradicts {', '.join(given)}")
    modern: dict[str, Any] = {"tls": True}
    if "ssl_ca_certs" in given:
        modern["tlsCAFile"] = given["ssl_ca_certs"]
    if "ssl_cert_reqs" in given:
        modern["tlsAllowInvalidCertificates"] = not is_checked(given["ssl_cert_reqs"])
    if "ssl_match_hostname" in given:
        modern["tlsAllowInvalidHostnames"] = not is_true(given["ssl_match_hostname"])
    certificate, key = given.get("ssl_certfile"), given.get("ssl_keyfile")
    if key is not None and key != certificate:
        raise ConfigurationError(
            f"ssl_keyfile={key!r}: put certificate and key into one file and name that as "
            "ssl_certfile, or as tlsCertificateKeyFile"
        )
    if certificate is not None:
        modern["tlsCertificateKeyFile"] = certificate
    return modern


def is_checked(requirement: Any) -> bool:
    """Tell whether a value of ssl_cert_reqs asks for a check."""
    number = int(requirement) if isinstance(requirement, int) else requirement
    found = _REQUIREMENTS.get(str(number).lower())
    if found is None or isinstance(requirement, bool):
        raise ConfigurationError(f"ssl_cert_reqs must be one of ssl.CERT_..., not {requirement!r}")
    return found


def is_true(value: Any) -> bool:
    """Read ssl_match_hostname, of a URI or of the keywords."""
    if value in (True, "true"):
        return True
    if value in (False, "false"):
        return False
    raise ConfigurationError(f"ssl_match_hostname must be True or False, not {value!r}")
