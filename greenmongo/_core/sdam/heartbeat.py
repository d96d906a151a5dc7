"""What an error says about a server, and when a server is checked again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from greenmongo._core.client_metadata import detect_faas
from greenmongo._core.sdam.compatibility import MIN_WIRE_VERSION
from greenmongo._core.sdam.freshness import compare_topology_versions
from greenmongo._core.sdam.kinds import ServerKind
from greenmongo._core.server_codes import (
    NODE_IS_SHUTTING_DOWN,
    SERVER_4_2_WIRE_VERSION,
    STATE_CHANGE_CODES,
)

if TYPE_CHECKING:
    from greenmongo._core.sdam.server_description import ServerDescription

__all__ = [
    "MIN_HEARTBEAT_INTERVAL",
    "ErrorFact",
    "ErrorKind",
    "ErrorVerdict",
    "RoundTripTimes",
    "delay_before_check",
    "judge_check_failure",
    "judge_error",
    "may_stream",
    "updated_round_trip_time",
]

MIN_HEARTBEAT_INTERVAL = 0.5
"""The least time between two checks of a server, in seconds; not configurable."""

_RTT_WEIGHT = 0.2
"""Puts about 85% of the average's weight on the nine latest samples."""

# A server that steps down keeps its connections open since this version.
_KEEPS_CONNECTIONS = SERVER_4_2_WIRE_VERSION


class ErrorKind(Enum):
    """How an operation failed."""

    NETWORK = "network"
    """Reading or writing failed; not for lack of time."""
    TIMEOUT = "timeout"
    """The server did not answer in time."""
    COMMAND = "command"
    """The server answered with an error, or with a write concern error."""
    AUTHENTICATION = "authentication"
    """The server did not accept the credentials."""


@dataclass(frozen=True, slots=True)
class ErrorFact:
    """What is known of an error that an application's operation met."""

    kind: ErrorKind
    before_handshake: bool = False
    """The connection was still being established: connect, TLS, hello, authentication."""
    code: int | None = None
    """The server's error code, or that of its write concern error."""
    topology_version: Mapping[str, Any] | None = None
    """From the server's reply, if there was one."""
    pool_generation: int = 0
    """The generation of the connection the error happened on."""
    current_generation: int = 0
    """The generation of the server's pool now."""
    max_wire_version: int = MIN_WIRE_VERSION
    is_overload: bool = False
    """The error has the label SystemOverloadedError."""
    load_balanced: bool = False
    has_service_id: bool = False
    """Behind a load balancer: the connection knows which server it reached. Only connections to
    that server are cleared."""


@dataclass(frozen=True, slots=True)
class ErrorVerdict:
    """What an error calls for. Marking unknown and clearing the pool go together, at once."""

    ignore: bool = False
    mark_unknown: bool = False
    topology_version: Mapping[str, Any] | None = None
    """Goes into the unknown server's description."""
    clear_pool: bool = False
    interrupt_in_use: bool = False
    request_check: bool = False
    cancel_check: bool = False


_NOTHING = ErrorVerdict(ignore=True)


def judge_error(server: ServerDescription, fact: ErrorFact) -> ErrorVerdict:
    """Return what an application's error means for a server (SDAM, "Application errors").

    Args:
        server: the server's description now, not at the time the operation began.
        fact: the error.
    """
    if fact.pool_generation < fact.current_generation:
        return _NOTHING
    if fact.load_balanced and not fact.has_service_id:
        # Whichever of the servers behind the balancer it was.
        return _NOTHING
    if compare_topology_versions(server.topology_version, fact.topology_version) >= 0:
        return _NOTHING
    if fact.kind is ErrorKind.COMMAND and fact.code in STATE_CHANGE_CODES:
        return ErrorVerdict(
            mark_unknown=not fact.load_balanced,
            topology_version=fact.topology_version,
            clear_pool=fact.code in NODE_IS_SHUTTING_DOWN
            or fact.max_wire_version < _KEEPS_CONNECTIONS,
            request_check=True,
        )
    if fact.is_overload or not (fact.before_handshake or fact.kind is ErrorKind.NETWORK):
        return _NOTHING
    return ErrorVerdict(
        mark_unknown=not fact.load_balanced,
        clear_pool=True,
        cancel_check=True,
    )


def judge_check_failure(server: ServerDescription, kind: ErrorKind) -> ErrorVerdict:
    """Return what a failed check means (Server Monitoring, "Network or command error").

    `request_check` says that the next check follows at once, on a new connection.

    Args:
        server: the server's description before the check.
        kind: how the check failed.
    """
    is_network_error = kind in (ErrorKind.NETWORK, ErrorKind.TIMEOUT)
    return ErrorVerdict(
        mark_unknown=True,
        clear_pool=True,
        interrupt_in_use=kind is ErrorKind.TIMEOUT,
        request_check=is_network_error and server.kind is not ServerKind.UNKNOWN,
    )


def may_stream(mode: str, environ: Mapping[str, str]) -> bool:
    """Tell whether `serverMonitoringMode` lets servers stream their hellos.

    A function service freezes the process between two calls, and would find its streams dead.
    """
    return mode == "stream" or (mode == "auto" and detect_faas(environ) is None)


def delay_before_check(
    last_check_ended: float, now: float, heartbeat_interval: float, *, requested: bool
) -> float:
    """Return the seconds a monitor waits before the next check.

    Args:
        last_check_ended: on the same clock as `now`.
        now: the time.
        heartbeat_interval: the usual time between two checks.
        requested: somebody waits for news, so the shortest interval applies.
    """
    interval = MIN_HEARTBEAT_INTERVAL if requested else heartbeat_interval
    return max(0.0, last_check_ended + interval - now)


def updated_round_trip_time(average: float | None, sample: float) -> float:
    """Return the exponentially weighted moving average with a new sample in it.

    Args:
        average: the average so far, None if the server was unknown.
        sample: the duration of the latest check.
    """
    if average is None:
        return sample
    return _RTT_WEIGHT * sample + (1 - _RTT_WEIGHT) * average


@dataclass(frozen=True, slots=True)
class RoundTripTimes:
    """The durations of a server's checks: the moving average and the latest ten."""

    average: float | None = None
    recent: tuple[float, ...] = ()

    def with_sample(self, seconds: float) -> RoundTripTimes:
        """Return the times with one more check counted in."""
        return RoundTripTimes(
            updated_round_trip_time(self.average, seconds), (*self.recent[-9:], seconds)
        )

    @property
    def minimum(self) -> float:
        """The shortest of the latest ten; zero until there are two to choose from."""
        return min(self.recent) if len(self.recent) > 1 else 0.0
