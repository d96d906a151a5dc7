"""What counts as a value of an option, where PyMongo's own checks do not say it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pymongo.errors import ConfigurationError
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

from greenmongo._core.options.users_line import users_stacklevel
from greenmongo._wire.compression import is_available

__all__ = [
    "COMPRESSORS",
    "accept_anything",
    "check_callable",
    "check_compressors",
    "check_listeners",
    "check_port",
    "check_read_preference",
    "check_switch",
    "check_text",
    "check_tracing",
    "refuse_encryption",
]

COMPRESSORS = ("snappy", "zlib", "zstd")

_LISTENERS = (
    CommandListener,
    ServerHeartbeatListener,
    ServerListener,
    TopologyListener,
    ConnectionPoolListener,
)
_READ_MODES = (Primary, PrimaryPreferred, Secondary, SecondaryPreferred, Nearest)


def accept_anything(name: str, value: Any) -> Any:
    """Leave the check to the class the value is handed to (`CodecOptions`)."""
    return value


def check_text(name: str, value: Any) -> str | None:
    """Check text; None is none."""
    if value is None or isinstance(value, str):
        return value
    raise TypeError(f"Wrong type for {name}, value must be an instance of str, not {type(value)}")


def check_callable(name: str, value: Any) -> Callable[..., Any] | None:
    """Check a function of the user's; None is none."""
    if value is None or callable(value):
        return value  # type: ignore[no-any-return]
    raise TypeError(f"{name} must be a callable, not {type(value)}")


def check_read_preference(name: str, value: Any) -> Any:
    """Check a read preference object."""
    if isinstance(value, _READ_MODES):
        return value
    raise TypeError(f"{name}: {value!r} is not a read preference")


def check_listeners(name: str, value: Any) -> tuple[Any, ...]:
    """Check that each listener is of one of PyMongo's listener classes."""
    if not isinstance(value, Sequence):
        raise TypeError(f"{name} must be a list or tuple, not {type(value)}")
    for listener in value:
        if not isinstance(listener, _LISTENERS):
            kinds = ", ".join(kind.__name__ for kind in _LISTENERS)
            raise TypeError(f"Listeners for {name} must be one of {kinds}, not {type(listener)}")
    return tuple(value)


def refuse_encryption(name: str, value: Any) -> None:
    """Refuse to encrypt: a program that believes its fields are encrypted must not run on."""
    if value is not None:
        raise ConfigurationError(f"{name} is not supported yet: pass None or leave it out")


def check_compressors(name: str, value: Any) -> list[str]:
    """Keep what can be used here: a list is an offer, so one entry less does no harm."""
    offered = value.split(",") if isinstance(value, str) else list(value)
    usable = []
    for compressor in offered:
        if compressor not in COMPRESSORS:
            warnings.warn(
                f"Unsupported compressor in {name}: {compressor}", stacklevel=users_stacklevel()
            )
        elif not is_available(compressor):
            warnings.warn(
                f"Wire protocol compression with {compressor} is not available:"
                " its library is not installed",
                stacklevel=users_stacklevel(),
            )
        else:
            usable.append(compressor)
    return usable


def check_switch(name: str, value: Any) -> bool:
    """Check one of our own switches; these are never ignored with a warning."""
    if isinstance(value, bool):
        return value
    if value in ("true", "false") and isinstance(value, str):
        return value == "true"
    raise ConfigurationError(
        f"{name} must be True or False (in a URI: true or false), not {value!r}"
    )


def check_port(name: str, value: Any) -> int | None:
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


def check_tracing(name: str, value: Any) -> Mapping[str, Any] | None:
    """Check how a client traces; None is what the environment says."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a dict, not {value!r}")
    unknown = value.keys() - {"enabled", "query_text_max_length", "tracer_provider"}
    if unknown:
        raise ConfigurationError(f"{name} has no setting {', '.join(map(repr, sorted(unknown)))}")
    enabled, length = value.get("enabled"), value.get("query_text_max_length")
    if not isinstance(enabled, bool | None):
        raise TypeError(f"{name}: enabled must be True or False, not {enabled!r}")
    if length is not None and (isinstance(length, bool) or not isinstance(length, int)):
        raise TypeError(f"{name}: query_text_max_length must be a number, not {length!r}")
    if length is not None and length < 0:
        raise ValueError(f"{name}: query_text_max_length cannot be negative, but was {length}")
    return dict(value)
