"""What the constructors of PyMongo 2.x understood, said with today's options."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import unquote_plus

from pymongo.errors import ConfigurationError, InvalidURI

from greenmongo._core.options.connection_string import NOT_ESCAPED
from greenmongo._legacy._read_preference import MODE_NUMBERS, read_mode
from greenmongo._legacy._tls_options import TLS_NAMES, translate_tls

if TYPE_CHECKING:
    from greenmongo._core.types import ReadMode

__all__ = ["Hosts", "translate"]

Hosts: TypeAlias = str | Sequence[str] | None

_RENAMED = {
    "j": "journal",
    "max_pool_size": "maxPoolSize",
    "secondary_acceptable_latency_ms": "localThresholdMS",
    "secondaryacceptablelatencyms": "localThresholdMS",
    "wtimeout": "wTimeoutMS",
}
_ACKNOWLEDGING = {"w", "wtimeoutms", "wtimeout", "journal", "j", "fsync"}


def translate(
    host: Hosts, keywords: Mapping[str, Any], defaults: Mapping[str, Any]
) -> tuple[Hosts, dict[str, Any]]:
    """Return the hosts without, and the keywords with, what the old options mean today.

    A keyword wins over the same option in the URI. What is unknown here is left alone.

    Raises:
        ConfigurationError: an old option has a wrong value, or two contradict each other.
    """
    host, in_uri = _take_from_uri(host)
    modern = {n: value for n, value in keywords.items() if n.lower() not in _OLD}
    old: dict[str, Any] = {n: _READ_FROM_URI[n](v) for n, v in in_uri.items() if n in _OLD}
    said: dict[str, Any] = {n.lower(): v for n, v in keywords.items() if v is not None}
    old |= {n: value for n, value in said.items() if n in _OLD}
    said = in_uri | said

    for name, today in _RENAMED.items():
        if name in old and today.lower() not in {n.lower() for n in modern}:
            modern[today] = old[name]
    if "network_timeout" in old:
        modern = {n: value for n, value in modern.items() if n.lower() != "sockettimeoutms"}
        modern["socketTimeoutMS"] = _milliseconds(old["network_timeout"])
    if "safe" in old:
        modern |= _acknowledgement(_switch("safe", old["safe"]), said)
    modern |= translate_tls(old, is_refused=_says_no(said.get("tls", said.get("ssl"))))
    modern |= _mechanism_properties(old, said)
    if "socketkeepalive" in old:
        _switch("socketKeepAlive", old["socketkeepalive"])  # and nothing else: it is always on
    preference = _read_preference(old, said)
    if preference is not None:
        modern["read_preference"] = preference
    given = in_uri.keys() | {n.lower() for n in keywords}
    modern |= {n: value for n, value in defaults.items() if n.lower() not in given}
    return host, modern


def _take_from_uri(host: Hosts) -> tuple[Hosts, dict[str, str]]:
    """Return the hosts without the old options of their URI, and all the URI's options."""
    if isinstance(host, str):
        return _split(host)
    if not isinstance(host, list | tuple):
        return host, {}
    entries: list[Any] = []
    found: dict[str, str] = {}
    for entry in host:
        rest, options = _split(entry) if isinstance(entry, str) else (entry, {})
        entries.append(rest)
        found |= options
    return entries, found


def _split(uri: str) -> tuple[str, dict[str, str]]:
    base, question, query = uri.partition("?")
    separator = "&" if "&" in query else ";"
    pairs = query.split(separator) if query else []
    found = {name.lower(): value for name, _, value in (pair.partition("=") for pair in pairs)}
    if "@" in query and "@" not in base and _OLD & found.keys():
        # Perhaps a password that nobody has escaped: an old option's error would show its rest.
        raise InvalidURI(NOT_ESCAPED)
    kept = [pair for pair in pairs if pair.partition("=")[0].lower() not in _OLD]
    return (f"{base}{question}{separator.join(kept)}" if kept else base), found


def _switch(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise ConfigurationError(f"{name} must be True or False, not {value!r}")


def _milliseconds(seconds: Any) -> float:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds <= 0:
        raise ConfigurationError(f"network_timeout must be a positive number, not {seconds!r}")
    return seconds * 1000


def _says_no(value: Any) -> bool:
    return value is False or value == "false"


def _mechanism_properties(old: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    service = old.get("gssapiservicename")
    if service is None:
        return {}
    if "authmechanismproperties" in said:
        raise ConfigurationError("gssapiServiceName contradicts authMechanismProperties")
    return {"authMechanismProperties": {"SERVICE_NAME": service}}


def _acknowledgement(safe: bool, said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the option that `safe` adds: any option about acknowledgement says it better."""
    if safe and str(said.get("w")) == "0":
        raise ConfigurationError("safe=True contradicts w=0")
    return {} if safe or _ACKNOWLEDGING & said.keys() else {"w": 0}


def _read_preference(old: Mapping[str, Any], said: Mapping[str, Any]) -> ReadMode | None:
    given, tag_sets = old.get("read_preference"), old.get("tag_sets")
    slave_okay = any(_switch(name, old[name]) for name in ("slave_okay", "slaveok") if name in old)
    if slave_okay:
        warnings.warn(
            "slave_okay is deprecated: use readPreference='secondaryPreferred'",
            DeprecationWarning,
            stacklevel=4,
        )
    if given is None and (slave_okay or tag_sets is not None):
        given = MODE_NUMBERS.get(said.get("readpreference", ""), 3 if slave_okay else 0)
    if given is None or (tag_sets is None and not isinstance(given, int)):
        # Nothing to translate: an object is today's way, and what it is not is seen there.
        return given
    return read_mode(given, tag_sets)


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text  # to be refused with the option's name


def _mode_number(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


_READ_FROM_URI: Mapping[str, Callable[[str], Any]] = {
    **dict.fromkeys((*_RENAMED, *TLS_NAMES, "gssapiservicename", "socketkeepalive"), unquote_plus),
    "network_timeout": _number,
    "read_preference": _mode_number,
    "safe": str,
    "slave_okay": str,
    "slaveok": str,
    "tag_sets": str,
}
_OLD = _READ_FROM_URI.keys()
