"""What all servers of a deployment have in common: wire versions and session timeout."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from greenmongo._core.sdam.kinds import ServerKind
from greenmongo._core.server_codes import SERVER_4_2_WIRE_VERSION, SERVER_9_0_WIRE_VERSION
from greenmongo._core.types import format_address

if TYPE_CHECKING:
    from greenmongo._core.sdam.server_description import ServerDescription

__all__ = [
    "MAX_WIRE_VERSION",
    "MIN_SERVER_VERSION",
    "MIN_WIRE_VERSION",
    "common_wire_version",
    "compatibility_error",
    "session_timeout",
]

MIN_WIRE_VERSION = SERVER_4_2_WIRE_VERSION
MIN_SERVER_VERSION = "4.2"
"""The server that first spoke `MIN_WIRE_VERSION`, for the error message."""
MAX_WIRE_VERSION = SERVER_9_0_WIRE_VERSION

# A load balancer's description is made up by the driver, so its versions mean nothing.
_UNCHECKED = (ServerKind.UNKNOWN, ServerKind.LOAD_BALANCER)


def compatibility_error(servers: Iterable[ServerDescription]) -> str | None:
    """Return what is wrong with the first incompatible server, if there is one.

    SDAM, "Checking wire protocol compatibility".
    """
    for server in servers:
        if server.kind in _UNCHECKED:
            continue
        if server.min_wire_version > MAX_WIRE_VERSION:
            return (
                f"Server at {format_address(server.address)} requires wire version "
                f"{server.min_wire_version}, but this version of greenmongo only supports up to "
                f"{MAX_WIRE_VERSION}."
            )
        if server.max_wire_version < MIN_WIRE_VERSION:
            return (
                f"Server at {format_address(server.address)} reports wire version "
                f"{server.max_wire_version}, but this version of greenmongo requires at least "
                f"{MIN_WIRE_VERSION} (MongoDB {MIN_SERVER_VERSION})."
            )
    return None


def session_timeout(servers: Iterable[ServerDescription]) -> int | None:
    """Return the smallest session timeout of the data-bearing servers, None if any lacks one.

    SDAM, "Logical Session Timeout".
    """
    smallest: int | None = None
    for server in servers:
        if not server.is_data_bearing:
            continue
        minutes = server.logical_session_timeout_minutes
        if minutes is None:
            return None
        smallest = minutes if smallest is None else min(smallest, minutes)
    return smallest


def common_wire_version(servers: Iterable[ServerDescription]) -> int | None:
    """Return the highest wire version every known server speaks."""
    known = [s.max_wire_version for s in servers if s.kind is not ServerKind.UNKNOWN]
    return min(known, default=None)
