"""What `check URI` finds out about a deployment, as plain values."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from statistics import median
from time import perf_counter
from typing import Any

from pymongo.errors import OperationFailure, PyMongoError
from pymongo.read_preferences import Nearest

from greenmongo import MongoClient
from greenmongo.hub import statistics_of

__all__ = ["Deployment", "Unreachable", "look_at"]

PINGS = 20


class Unreachable(Exception):
    """No server answered in time; the text says which, and why."""


@dataclass(frozen=True)
class Server:
    """One server of the deployment."""

    address: str
    kind: str
    """As the specifications call it: RSPrimary, RSSecondary, Standalone, Mongos, ..."""
    round_trip_ms: float | None
    """Of the last heartbeat."""
    wire_versions: tuple[int, int]
    tags: Mapping[str, str]
    error: str | None


@dataclass(frozen=True)
class Deployment:
    """A deployment, as one client sees it."""

    kind: str
    set_name: str | None
    version: str
    servers: list[Server]
    primary: str | None
    ping_ms: dict[str, float]
    """Of a `ping` of the nearest server: `min`, `median` and `max` of a few, in milliseconds."""
    tls: bool
    users: list[str]
    """As whom the client is logged in; empty: as nobody."""
    pool: dict[str, int] = field(default_factory=dict)
    """Connections to that server: `created` and `open`; `max` is the limit, 0 for none."""

    def as_document(self) -> dict[str, Any]:
        """Return it as JSON can write it."""
        return asdict(self)


def look_at(uri: str, timeout: float) -> Deployment:
    """Connect and look.

    Args:
        uri: the connection string, or a host.
        timeout: how many seconds each step may take.

    Raises:
        Unreachable: no server answered in time.
        PyMongoError: what else went wrong: the URI, or the login.
    """
    milliseconds = int(timeout * 1000)
    with MongoClient[dict[str, Any]](
        uri,
        serverSelectionTimeoutMS=milliseconds,
        connectTimeoutMS=milliseconds,
        read_preference=Nearest(),
        appname="greenmongo check",
    ) as client:
        try:
            pings = [_ping(client) for _ in range(PINGS)]
        except PyMongoError as error:
            if isinstance(error, OperationFailure):
                raise
            raise Unreachable(_why(client, error)) from error
        return _describe(client, pings)


def _ping(client: MongoClient[Any]) -> float:
    began = perf_counter()
    client.admin.command("ping")
    return (perf_counter() - began) * 1000


def _describe(client: MongoClient[Any], pings: list[float]) -> Deployment:
    topology = client.topology_description
    primaries = [s for s in _servers(topology) if s.kind in {"RSPrimary", "Standalone", "Mongos"}]
    build = client.admin.command("buildInfo")
    status = client.admin.command("connectionStatus")
    users = status.get("authInfo", {}).get("authenticatedUsers", [])
    pools = statistics_of(client).pools
    return Deployment(
        kind=topology.topology_type_name,
        set_name=topology.replica_set_name,
        version=str(build.get("version", "unknown")),
        servers=list(_servers(topology)),
        primary=primaries[0].address if primaries else None,
        ping_ms={"min": min(pings), "median": median(pings), "max": max(pings)},
        tls=client._executor.current_options.tls is not None,
        users=[f"{each['user']}@{each['db']}" for each in users],
        pool={
            "created": sum(pool.created for pool in pools),
            "open": sum(pool.open for pool in pools),
            "max": client._executor.current_options.max_pool_size or 0,
        },
    )


def _servers(topology: Any) -> Iterator[Server]:
    for description in topology.server_descriptions().values():
        host, port = description.address
        round_trip = description.round_trip_time
        yield Server(
            address=host if port is None else f"{host}:{port}",
            kind=description.server_type_name,
            round_trip_ms=None if round_trip is None else round_trip * 1000,
            wire_versions=(description.min_wire_version, description.max_wire_version),
            tags=dict(description.tags),
            error=None if description.error is None else str(description.error),
        )


def _why(client: MongoClient[Any], error: PyMongoError) -> str:
    """Return in one line why nobody answered."""
    problems = [s.error for s in _servers(client.topology_description) if s.error is not None]
    if not problems:
        return str(error).partition(", Timeout")[0]
    text = "; ".join(dict.fromkeys(problems))
    if isinstance(error.__cause__, ssl.SSLError) or "CERTIFICATE" in text:
        return f"{text} (see tlsCAFile)"
    return text
