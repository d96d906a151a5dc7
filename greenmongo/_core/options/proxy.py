"""The SOCKS5 proxy that all connections of a client go through (SOCKS5 support specification)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pymongo.errors import ConfigurationError

if TYPE_CHECKING:
    from greenmongo._core.types import Address

__all__ = ["DEFAULT_PROXY_PORT", "ProxyOptions", "build_proxy_options"]

DEFAULT_PROXY_PORT = 1080
_LONGEST = 255  # bytes: SOCKS5 gives a length one byte


@dataclass(frozen=True, slots=True)
class ProxyOptions:
    """Where the proxy is, and as whom to speak to it."""

    address: Address
    username: str | None = None
    password: str | None = field(default=None, repr=False)


def build_proxy_options(options: Mapping[str, Any]) -> ProxyOptions | None:
    """Return the proxy that validated options ask for, None for direct connections.

    Raises:
        ConfigurationError: options are missing that others need, or one is too long.
    """
    host: str | None = options.get("proxyhost")
    username: str | None = options.get("proxyusername") or None
    password: str | None = options.get("proxypassword") or None
    if not host:
        for name, spelling in (
            ("proxyport", "proxyPort"),
            ("proxyusername", "proxyUsername"),
            ("proxypassword", "proxyPassword"),
        ):
            if options.get(name):
                raise ConfigurationError(f"{spelling} needs a proxyHost")
        return None
    if (username is None) != (password is None):
        raise ConfigurationError("proxyUsername and proxyPassword must be given together")
    for spelling, value in (("proxyUsername", username), ("proxyPassword", password)):
        if value is not None and len(value.encode()) > _LONGEST:
            raise ConfigurationError(f"{spelling} must not be longer than {_LONGEST} bytes")
    return ProxyOptions((host, options.get("proxyport") or DEFAULT_PROXY_PORT), username, password)
