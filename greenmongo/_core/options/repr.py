"""How a client shows its options: as arguments that would make another one, without secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from greenmongo._core.options.table import OPTIONS, Secrecy

__all__ = ["arguments_of"]

_SHOWN_FIRST = frozenset({"document_class", "tz_aware", "connect"})
"""What the client itself puts at the beginning, given or not."""
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
_HIDDEN = "<redacted>"


def arguments_of(given: Mapping[str, Any]) -> list[str]:
    """Return `name=value` for each option, without those that the client shows first.

    Args:
        given: checked options under their lower-case names.
    """
    return [
        f"{name}={_shown(name, value)!r}"
        for name, value in given.items()
        if name not in _SHOWN_FIRST and OPTIONS[name].secrecy is not Secrecy.LEFT_OUT
    ]


def _shown(name: str, value: Any) -> Any:
    option = OPTIONS[name]
    if option.secrecy is Secrecy.SOME_PROPERTIES:
        return _without_secrets(value)
    if option.secrecy is not Secrecy.NONE:
        return _HIDDEN
    if option.is_kept_in_seconds and value is not None:
        return round(value * 1000)
    if name == "event_listeners" and value is not None:
        return list(value)
    return value


def _without_secrets(properties: Any) -> Any:
    if not isinstance(properties, Mapping):
        return properties
    return {
        key: value if str(key).upper() in _HARMLESS_PROPERTIES else _HIDDEN
        for key, value in properties.items()
    }
