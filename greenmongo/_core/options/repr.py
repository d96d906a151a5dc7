"""How a client shows its options: as arguments that would make another one, without secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["option_texts"]

_NEVER_SHOWN = frozenset({"document_class", "tz_aware", "connect", "username", "password"})
"""Secrets, and what is shown first."""
_REDACTED = frozenset({"proxyusername", "proxypassword", "tlscertificatekeyfilepassword"})
_HARMLESS_PROPERTIES = frozenset(
    {
        "ALLOWED_HOSTS",
        "CANONICALIZE_HOST_NAME",
        "ENVIRONMENT",
        "SERVICE_HOST",
        "SERVICE_NAME",
        "SERVICE_REALM",
        "TOKEN_RESOURCE",
    }
)
_KEPT_IN_SECONDS = frozenset(
    {
        "connecttimeoutms",
        "heartbeatfrequencyms",
        "maxidletimems",
        "serverselectiontimeoutms",
        "sockettimeoutms",
        "timeoutms",
        "waitqueuetimeoutms",
    }
)
_HIDDEN = "<redacted>"


def option_texts(said: Mapping[str, Any]) -> list[str]:
    """Return `name=value` for each option; those that have parameters of their own are left out.

    Args:
        said: checked options under their lower-case names.
    """
    return [f"{name}={_shown(name, it)!r}" for name, it in said.items() if name not in _NEVER_SHOWN]


def _shown(name: str, value: Any) -> Any:
    if name in _REDACTED:
        return _HIDDEN
    if name == "authmechanismproperties" and isinstance(value, Mapping):
        return {
            key: it if str(key).upper() in _HARMLESS_PROPERTIES else _HIDDEN
            for key, it in value.items()
        }
    if name in _KEPT_IN_SECONDS and value is not None:
        return round(value * 1000)
    if name == "event_listeners" and value is not None:
        return list(value)
    return value
