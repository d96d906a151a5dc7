"""The options' names, and what counts as a value for each."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from inspect import signature
from typing import Any

from pymongo.errors import ConfigurationError, InvalidURI
from pymongo.monitoring import (
    CommandListener,
    ConnectionPoolListener,
    ServerHeartbeatListener,
    ServerListener,
    TopologyListener,
)
from pymongo.read_preferences import (
    Nearest,
    Primary,
    PrimaryPreferred,
    Secondary,
    SecondaryPreferred,
)
from pymongo.uri_parser import split_options, validate_options

from greenmongo._wire.compression import is_available

__all__ = ["OPTION_NAMES", "SECRETS", "read_keywords", "read_uri_options", "spelled"]

_URI_OPTIONS = """
    appname authMechanism authMechanismProperties authSource compressors connect connectTimeoutMS
    datetime_conversion directConnection driver enableOverloadRetargeting fsync
    heartbeatFrequencyMS journal loadBalanced localThresholdMS maxAdaptiveRetries maxConnecting
    maxIdleTimeMS maxPoolSize maxStalenessSeconds minPoolSize proxyHost proxyPassword proxyPort
    proxyUsername readConcernLevel readPreference readPreferenceTags replicaSet retryReads
    retryWrites serverMonitoringMode
    serverSelectionTimeoutMS server_api socketTimeoutMS srvAllowedHostsSuffix srvMaxHosts
    srvServiceName ssl timeoutMS tls tlsAllowInvalidCertificates tlsAllowInvalidHostnames tlsCAFile
    tlsCRLFile tlsCertificateKeyFile tlsCertificateKeyFilePassword tlsDisableOCSPEndpointCheck
    tlsInsecure tz_aware unicode_decode_error_handler uuidRepresentation w wTimeoutMS
    waitQueueMultiple waitQueueTimeoutMS zlibCompressionLevel
"""

SECRETS = frozenset(
    {
        "username",
        "password",
        "proxypassword",
        "authmechanismproperties",
        "tlscertificatekeyfilepassword",
    }
)
"""Options whose values are shown nowhere."""

_LISTENERS = (
    CommandListener,
    ServerHeartbeatListener,
    ServerListener,
    TopologyListener,
    ConnectionPoolListener,
)
_COMPRESSORS = ("snappy", "zlib", "zstd")
_READ_MODES = (Primary, PrimaryPreferred, Secondary, SecondaryPreferred, Nearest)


def _anything(name: str, value: Any) -> Any:
    """Leave the check to the class the value is handed to (`CodecOptions`)."""
    return value


def _text_or_none(name: str, value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise TypeError(f"Wrong type for {name}, value must be an instance of str, not {type(value)}")


def _callable_or_none(name: str, value: Any) -> Callable[..., Any] | None:
    if value is None or callable(value):
        return value  # type: ignore[no-any-return]
    raise TypeError(f"{name} must be a callable, not {type(value)}")


def _read_mode(name: str, value: Any) -> Any:
    if isinstance(value, _READ_MODES):
        return value
    raise TypeError(f"{name}: {value!r} is not a read preference")


def _listeners(name: str, value: Any) -> tuple[Any, ...]:
    if not isinstance(value, Sequence):
        raise TypeError(f"{name} must be a list or tuple, not {type(value)}")
    for listener in value:
        if not isinstance(listener, _LISTENERS):
            kinds = ", ".join(kind.__name__ for kind in _LISTENERS)
            raise TypeError(f"Listeners for {name} must be one of {kinds}, not {type(listener)}")
    return tuple(value)


def _no_encryption(name: str, value: Any) -> None:
    if value is not None:
        raise ConfigurationError(f"{name} is not supported yet: pass None or leave it out")


def _compressors(name: str, value: Any) -> list[str]:
    """Keep what can be used here: a list is an offer, so one entry less does no harm."""
    offered = value.split(",") if isinstance(value, str) else list(value)
    usable = []
    for compressor in offered:
        if compressor not in _COMPRESSORS:
            warnings.warn(f"Unsupported compressor in {name}: {compressor}", stacklevel=2)
        elif not is_available(compressor):
            warnings.warn(
                f"Wire protocol compression with {compressor} is not available:"
                " its library is not installed",
                stacklevel=2,
            )
        else:
            usable.append(compressor)
    return usable


def _switch(name: str, value: Any) -> bool:
    """Check one of our own switches; these are never ignored with a warning."""
    if isinstance(value, bool):
        return value
    if value in ("true", "false") and isinstance(value, str):
        return value == "true"
    raise ConfigurationError(
        f"{name} must be True or False (in a URI: true or false), not {value!r}"
    )


def _port(name: str, value: Any) -> int | None:
    """Check a port, which is text in a URI."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise TypeError(f"{name} must be an integer, not {value!r}")
    try:
        port = int(value)
    except ValueError as error:
        raise ConfigurationError(f"{name} must be an integer, not {value!r}") from error
    if not 0 < port < 65536:
        raise ConfigurationError(f"{name} must be between 1 and 65535, not {value!r}")
    return port


_OURS: Mapping[str, Callable[[str, Any], Any]] = {
    "auto_start_request": _switch,
    "use_greenlets": _switch,
}
# In a URI and as a keyword; everything else that may stand in a URI is checked by PyMongo.
_PROXY: Mapping[str, Callable[[str, Any], Any]] = {
    "proxyhost": _text_or_none,
    "proxypassword": _text_or_none,
    "proxyport": _port,
    "proxyusername": _text_or_none,
}
_CHECKED_HERE: Mapping[str, Callable[[str, Any], Any]] = {
    "compressors": _compressors,
    **_PROXY,
    **_OURS,
}
_KEYWORDS: Mapping[str, Callable[[str, Any], Any]] = {
    "auto_encryption_opts": _no_encryption,
    "document_class": _anything,
    "event_listeners": _listeners,
    "password": _text_or_none,
    "read_preference": _read_mode,
    "server_selector": _callable_or_none,
    "srv_host_validator": _callable_or_none,
    "type_registry": _anything,
    "tzinfo": _anything,
    "username": _text_or_none,
    **_OURS,
}

_ALIASES = {
    "max_adaptive_retries": "maxadaptiveretries",
    "enable_overload_retargeting": "enableoverloadretargeting",
}
# An older PyMongo always shows what it finds wrong, here as in its own client.
_NOT_SHOWN: Mapping[str, bool] = (
    {"from_uri": True} if "from_uri" in signature(validate_options).parameters else {}
)
_NOT_GIVEN_IF_NONE = {"connect", "document_class", "type_registry", "tz_aware"}

OPTION_NAMES: Mapping[str, str] = {
    name.lower(): name for name in (*_URI_OPTIONS.split(), *_KEYWORDS, *_ALIASES)
}
"""Every option as it is documented, under its lower-case name."""


def spelled(name: str) -> str:
    """Return the documented spelling of an option's name."""
    return OPTION_NAMES.get(name.lower(), name)


def read_keywords(keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Check keyword arguments; the result has lower-case names.

    Raises:
        ConfigurationError: no option has that name.
        TypeError, ValueError: the value is no value of that option.
    """
    checked: dict[str, Any] = {}
    for given, value in keywords.items():
        name = given.lower()
        if name not in OPTION_NAMES:
            raise ConfigurationError(_unknown(given))
        if value is None and name in _NOT_GIVEN_IF_NONE:
            continue
        check = _KEYWORDS.get(name) or _CHECKED_HERE.get(name)
        name = _ALIASES.get(name, name)
        checked[name] = check(given, value) if check else _validated(name, value)
    return checked


def read_uri_options(query: str) -> dict[str, Any]:
    """Check the options of a URI; the result has lower-case names.

    Messages name what is wrong, unless it may be a piece of a password that nobody has escaped.

    What is unknown or invalid is left out with a warning. Our own switches raise: taking
    `auto_start_request=yes` for "no" would change what a program reads back.

    Raises:
        InvalidURI: this is no list of options, or security options contradict each other.
        ConfigurationError: a switch of ours is neither true nor false.
    """
    checked: dict[str, Any] = {}
    _refuse_second_proxy(query)
    is_shown = not _may_hold_secrets(query)
    for given, value in split_options(query, validate=False, warn=True, normalize=False).items():
        name = given.lower()
        if name in _CHECKED_HERE:
            checked[name] = _checked_in_uri(name, value, is_shown=is_shown)
        elif name not in OPTION_NAMES or name in _KEYWORDS or name in _ALIASES:
            warnings.warn(_unknown(given, is_shown=is_shown), stacklevel=2)
        else:
            checked |= _validated_or_warned(spelled(name), value, is_shown=is_shown)
    if checked.get("authsource") == "":
        raise InvalidURI("the authSource database cannot be an empty string")
    return checked


def _may_hold_secrets(query: str) -> bool:
    """Tell whether a piece of a password may have become a part of a URI's options.

    A `?` that nobody escaped begins the options within the credentials, so that their `@` is
    among the options; a `&` or `;` that nobody escaped ends an option that is a secret itself.
    """
    return "@" in query or not SECRETS.isdisjoint(_names_in(query))


def _names_in(query: str) -> list[str]:
    return [part.partition("=")[0].lower() for part in query.replace(";", "&").split("&")]


def _checked_in_uri(name: str, value: str, *, is_shown: bool) -> Any:
    check = _CHECKED_HERE[name]
    if is_shown:
        return check(name, value)
    if name == "compressors":
        offered = value.split(",")
        value = ",".join(each if each in _COMPRESSORS else "<redacted>" for each in offered)
    try:
        return check(name, value)
    except ConfigurationError as error:
        raise ConfigurationError(str(error).removesuffix(f", not {value!r}")) from None


def _refuse_second_proxy(query: str) -> None:
    """Refuse a proxy option that is there twice: which of the two would the traffic go through?"""
    names = _names_in(query)
    for name in _PROXY:
        if names.count(name) > 1:
            raise InvalidURI(f"{spelled(name)} must not be given more than once")


def _validated(name: str, value: Any) -> Any:
    try:
        (checked,) = validate_options({spelled(name): value}).values()
    except IsADirectoryError:
        # PyMongo opens the file to see whether it is there; ours may be a directory of CAs.
        if name != "tlscafile":
            raise
        return value
    except ValueError as error:
        if name in SECRETS or str(value) in str(error):
            raise
        raise ValueError(f"{spelled(name)}={value!r}: {error}") from error
    return checked


def _validated_or_warned(public: str, value: Any, *, is_shown: bool) -> dict[str, Any]:
    hidden = {} if is_shown else _NOT_SHOWN
    try:
        found = validate_options({public: value}, warn=True, **hidden)
    except IsADirectoryError:
        if public != "tlsCAFile":
            raise
        found = {public: value}
    return {name.lower(): value for name, value in found.items()}


def _unknown(name: str, *, is_shown: bool = True) -> str:
    message = f"Unknown option: {name}." if is_shown else "Unknown option."
    close = get_close_matches(name.lower(), OPTION_NAMES, n=1, cutoff=0.6)
    return f"{message} Did you mean {OPTION_NAMES[close[0]]}?" if close else message
