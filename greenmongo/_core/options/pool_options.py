"""The options of a pool, by the names of PyMongo's `PoolOptions`: programs look at them there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pymongo.server_api import ServerApi

    from greenmongo._core.client_metadata import DriverInfoLike

__all__ = ["PoolOptions"]

_DEFAULTS = {"maxPoolSize": 100, "minPoolSize": 0, "maxConnecting": 2}


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """What `client.options.pool_options` is. Durations are seconds; None means no limit."""

    max_pool_size: int | None
    """As it was given: 0 is no limit, as None is."""
    min_pool_size: int
    max_connecting: int
    max_idle_time_seconds: float | None
    connect_timeout: float | None
    socket_timeout: float | None
    wait_queue_timeout: float | None
    tls_allow_invalid_hostnames: bool
    appname: str | None
    driver: DriverInfoLike | None
    """The first wrapping library."""
    metadata: dict[str, Any]
    """What handshakes tell of the client now, in a copy."""
    server_api: ServerApi | None
    load_balanced: bool
    pause_enabled: bool = True
    """Whether a pool waits for the monitor after an error; always, here."""

    @property
    def non_default_options(self) -> dict[str, Any]:
        """What differs from the defaults, by the options' own names, in milliseconds."""
        sizes = {
            "maxPoolSize": self.max_pool_size,
            "minPoolSize": self.min_pool_size,
            "maxConnecting": self.max_connecting,
        }
        times = {
            "maxIdleTimeMS": self.max_idle_time_seconds,
            "waitQueueTimeoutMS": self.wait_queue_timeout,
        }
        return {
            **{name: size for name, size in sizes.items() if size != _DEFAULTS[name]},
            **{name: time * 1000 for name, time in times.items() if time is not None},
        }
