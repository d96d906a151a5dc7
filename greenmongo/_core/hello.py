"""The first words on a connection: the handshake and its metadata, and what a hello reply tells.

Facts of the process (environment variables, operating system) are arguments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Protocol

import bson
from bson.datetime_ms import DatetimeMS
from bson.objectid import ObjectId
from pymongo.errors import OperationFailure, ProtocolError

from greenmongo._core.reply_shape import check_topology_version
from greenmongo._core.sdam.kinds import ServerKind
from greenmongo._core.sdam.server_description import ServerDescription
from greenmongo._core.types import format_address

if TYPE_CHECKING:
    from pymongo.server_api import ServerApi

    from greenmongo._core.types import Address, Document

__all__ = [
    "DriverInfoLike",
    "EnvironmentFacts",
    "build_handshake",
    "build_hello",
    "build_metadata",
    "detect_faas",
    "may_stream",
    "parse_address",
    "parse_hello",
]

DRIVER_NAME = "greenmongo"
DEFAULT_PORT = 27017
MAX_METADATA_SIZE = 512
"""The server refuses a handshake with a larger `client` document (Handshake, "Limitations")."""

BACKPRESSURE = "2"
"""We wait before we come back to a server that has too much to do, as long as that says."""

_DELIMITER = "|"


class DriverInfoLike(Protocol):
    """What a library that wraps the driver says of itself, as `pymongo.driver_info.DriverInfo`."""

    @property
    def name(self) -> str:
        """The library's name."""
        ...

    @property
    def version(self) -> str | None:
        """Its version."""
        ...

    @property
    def platform(self) -> str | None:
        """What it runs on."""
        ...


@dataclass(frozen=True, slots=True)
class EnvironmentFacts:
    """What the handshake tells of the process; `_net.environment` gathers it."""

    driver_version: str
    platform: str = ""
    """The interpreter, e.g. "CPython 3.12.1.final.0"."""
    os_type: str = ""
    os_name: str = ""
    os_architecture: str = ""
    os_version: str = ""
    environ: Mapping[str, str] = field(default_factory=dict)
    in_docker: bool = False
    """The file `/.dockerenv` exists."""


def build_metadata(
    app_name: str | None, driver_info: Iterable[DriverInfoLike], facts: EnvironmentFacts
) -> Document:
    """Return the handshake's `client` document, cut to what the server accepts.

    Args:
        app_name: what the application calls itself.
        driver_info: libraries that wrap the driver, the innermost first.
        facts: what is known of the process.

    Raises:
        ValueError: a wrapping library's words contain the delimiter.
    """
    os_document = {
        "type": facts.os_type or "unknown",
        "name": facts.os_name,
        "architecture": facts.os_architecture,
        "version": facts.os_version,
    }
    metadata: Document = {} if not app_name else {"application": {"name": app_name}}
    metadata["driver"] = {"name": DRIVER_NAME, "version": facts.driver_version}
    metadata["os"] = {key: value for key, value in os_document.items() if value}
    metadata["platform"] = facts.platform
    for info in driver_info:
        _append_driver_info(metadata, info)
    env = _environment(facts)
    if env:
        metadata["env"] = env
    _shrink(metadata)
    if metadata.get("platform") == "":
        del metadata["platform"]
    return metadata


def _append_driver_info(metadata: Document, info: DriverInfoLike) -> None:
    """Append a wrapping library's words to the driver's own.

    One without a version leaves its place empty: the second version is the second name's.
    """
    for key in ("name", "version", "platform"):
        value = getattr(info, key) or ""
        if _DELIMITER in value:
            raise ValueError(f"driver info {key} must not contain {_DELIMITER!r}: {value!r}")
        if key != "platform":
            metadata["driver"][key] += _DELIMITER + value
        elif value:
            known = metadata["platform"]
            metadata["platform"] = f"{known}{_DELIMITER}{value}" if known else value


def _shrink(metadata: Document) -> None:
    """Leave out fields in the order of the handshake specification until the document fits."""
    if not _excess(metadata):
        return
    env = metadata.pop("env", {})
    if "name" in env:
        metadata["env"] = {"name": env["name"]}
    if _excess(metadata):
        metadata["os"] = {"type": metadata["os"]["type"]}
    if _excess(metadata):
        metadata.pop("env", None)
    excess = _excess(metadata)
    if excess:
        metadata["platform"] = _cut(metadata["platform"], excess)
    _shrink_driver(metadata)


def _shrink_driver(metadata: Document) -> None:
    """Cut the wrapping libraries' words, the outermost first; the driver's own always fit."""
    if not metadata["platform"]:
        del metadata["platform"]
    driver = metadata["driver"]
    pairs = list(zip(*(driver[key].split(_DELIMITER) for key in ("name", "version")), strict=True))
    while len(pairs) > 1 and (excess := _excess(metadata)):
        name, version = pairs.pop()
        if version:
            pairs.append((name, _cut(version, excess)))
        elif name:
            pairs.append((_cut(name, excess), ""))
        names, versions = zip(*pairs, strict=True)
        metadata["driver"] = {
            "name": _DELIMITER.join(names),
            "version": _DELIMITER.join(versions),
        }


def _cut(text: str, excess: int) -> str:
    """Return a text without its last bytes; a character cut in two is left out."""
    encoded = text.encode()
    return encoded[: max(0, len(encoded) - excess)].decode(errors="ignore")


def _excess(metadata: Document) -> int:
    """Return by how many bytes the metadata is too large."""
    return max(0, len(bson.encode(metadata)) - MAX_METADATA_SIZE)


def detect_faas(environ: Mapping[str, str]) -> str | None:
    """Return the name of the function service the process runs on, None if none or unclear.

    Handshake, "client.env". Streaming monitoring is off where this returns a name.
    """
    names = set()
    if environ.get("AWS_EXECUTION_ENV", "").startswith("AWS_Lambda_") or environ.get(
        "AWS_LAMBDA_RUNTIME_API"
    ):
        names.add("aws.lambda")
    if environ.get("FUNCTIONS_WORKER_RUNTIME"):
        names.add("azure.func")
    if environ.get("K_SERVICE") or environ.get("FUNCTION_NAME"):
        names.add("gcp.func")
    if environ.get("VERCEL"):
        names.add("vercel")
    if names == {"vercel", "aws.lambda"}:
        return "vercel"
    return names.pop() if len(names) == 1 else None


def may_stream(mode: str, environ: Mapping[str, str]) -> bool:
    """Tell whether `serverMonitoringMode` lets servers stream their hellos.

    A function service freezes the process between two calls, and would find its streams dead.
    """
    return mode == "stream" or (mode == "auto" and detect_faas(environ) is None)


_FAAS_FIELDS: Mapping[str, Sequence[tuple[str, str, type[int | str]]]] = {
    "aws.lambda": (
        ("region", "AWS_REGION", str),
        ("memory_mb", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", int),
    ),
    "azure.func": (),
    "gcp.func": (
        ("memory_mb", "FUNCTION_MEMORY_MB", int),
        ("timeout_sec", "FUNCTION_TIMEOUT_SEC", int),
        ("region", "FUNCTION_REGION", str),
    ),
    "vercel": (("region", "VERCEL_REGION", str),),
}

_INT32 = range(-(2**31), 2**31)


def _environment(facts: EnvironmentFacts) -> Document:
    """Return the `client.env` document: function service and container."""
    env: Document = {}
    name = detect_faas(facts.environ)
    if name is not None:
        env["name"] = name
        for key, variable, kind in _FAAS_FIELDS[name]:
            text = facts.environ.get(variable, "")
            value = _int32(text) if kind is int else text or None
            if value is not None:
                env[key] = value
    container = {}
    if facts.in_docker:
        container["runtime"] = "docker"
    if facts.environ.get("KUBERNETES_SERVICE_HOST"):
        container["orchestrator"] = "kubernetes"
    if container:
        env["container"] = container
    return env


def _int32(text: str) -> int | None:
    """Return the number a variable holds, None if it holds something else."""
    try:
        number = int(text)
    except ValueError:
        return None
    return number if number in _INT32 else None


def build_handshake(
    metadata: Document,
    *,
    load_balanced: bool = False,
    compressors: Sequence[str] = (),
    server_api: ServerApi | None = None,
    sasl_supported_mechs: str | None = None,
    speculative_auth: Document | None = None,
) -> Document:
    """Return the first command on a new connection.

    Args:
        metadata: what `build_metadata` returned.
        load_balanced: the client is behind a load balancer.
        compressors: names of the compressors on offer, the preferred one first.
        server_api: the API version the client asked for.
        sasl_supported_mechs: "database.user", to learn which mechanisms the user may use.
        speculative_auth: the first command of authentication, sent along to save a round trip.
    """
    command = build_hello(hello_ok=load_balanced, server_api=server_api)
    command["backpressure"] = BACKPRESSURE
    command["client"] = metadata
    if compressors:
        command["compression"] = list(compressors)
    if load_balanced:
        command["loadBalanced"] = True
    if sasl_supported_mechs is not None:
        command["saslSupportedMechs"] = sasl_supported_mechs
    if speculative_auth is not None:
        command["speculativeAuthenticate"] = speculative_auth
    return command


def build_hello(
    *,
    hello_ok: bool,
    server_api: ServerApi | None = None,
    topology_version: Mapping[str, Any] | None = None,
    max_await_time: float | None = None,
) -> Document:
    """Return a hello for a connection that has shaken hands already.

    Args:
        hello_ok: the server said that it knows the command by its modern name.
        server_api: the API version the client asked for; it implies the modern name.
        topology_version: from the last reply; the server waits until it has news.
        max_await_time: how long it waits at most, in seconds; goes with `topology_version`.
    """
    name = "hello" if hello_ok or server_api is not None else "isMaster"
    command: Document = {name: 1, "helloOk": True}
    if topology_version is not None and max_await_time is not None:
        command["topologyVersion"] = topology_version
        command["maxAwaitTimeMS"] = int(max_await_time * 1000)
    if server_api is not None:
        command["apiVersion"] = server_api.version
        if server_api.strict is not None:
            command["apiStrict"] = server_api.strict
        if server_api.deprecation_errors is not None:
            command["apiDeprecationErrors"] = server_api.deprecation_errors
    return command


def parse_hello(
    address: Address,
    reply: Mapping[str, Any],
    *,
    round_trip_time: float | None = None,
    min_round_trip_time: float | None = None,
    now: float,
) -> ServerDescription:
    """Return what a reply to hello, of either name, tells of a server.

    Args:
        address: the address the client connected to, which need not be the server's own.
        reply: the reply document.
        round_trip_time: the moving average of the server's round trips.
        min_round_trip_time: the shortest of the latest ones.
        now: when the reply came, on a monotonic clock.

    Raises:
        ProtocolError: a field of the reply cannot be what it should be.
    """
    # null is as good as absent.
    reply = {name: value for name, value in reply.items() if value is not None}
    try:
        _check_fields(address, reply)
        return _described(address, reply, round_trip_time, min_round_trip_time, now)
    except (AttributeError, TypeError, ValueError) as error:
        # A host that is no text, a port that is no number, a date that is none.
        raise ProtocolError(
            f"{format_address(address)}: a hello reply makes no sense: {error}"
        ) from error


def _described(
    address: Address,
    reply: Mapping[str, Any],
    round_trip_time: float | None,
    min_round_trip_time: float | None,
    now: float,
) -> ServerDescription:
    kind = _kind(reply)
    version = reply.get("topologyVersion")
    if kind is ServerKind.UNKNOWN:
        error = OperationFailure(
            reply.get("errmsg", "hello failed"), reply.get("code"), dict(reply)
        )
        return ServerDescription(
            address, error=error, topology_version=version, last_update_time=now
        )
    last_write = reply.get("lastWrite", {})
    defaults = _DEFAULTS
    return ServerDescription(
        address,
        kind,
        round_trip_time=round_trip_time,
        min_round_trip_time=min_round_trip_time,
        last_write_date=_seconds(last_write.get("lastWriteDate")),
        op_time=last_write.get("opTime"),
        min_wire_version=reply.get("minWireVersion", 0),
        max_wire_version=reply.get("maxWireVersion", 0),
        me=_optional_address(reply.get("me")),
        hosts=_addresses(reply.get("hosts", ())),
        passives=_addresses(reply.get("passives", ())),
        arbiters=_addresses(reply.get("arbiters", ())),
        tags=reply.get("tags", {}),
        set_name=reply.get("setName"),
        set_version=reply.get("setVersion"),
        election_id=reply.get("electionId"),
        primary=_optional_address(reply.get("primary")),
        last_update_time=now,
        logical_session_timeout_minutes=reply.get("logicalSessionTimeoutMinutes"),
        topology_version=version,
        is_cryptd=reply.get("iscryptd"),
        max_bson_size=reply.get("maxBsonObjectSize", defaults.max_bson_size),
        max_message_size=reply.get("maxMessageSizeBytes", defaults.max_message_size),
        max_write_batch_size=reply.get("maxWriteBatchSize", defaults.max_write_batch_size),
        cluster_time=reply.get("$clusterTime"),
    )


_DEFAULTS = ServerDescription(("", None))

_SIZES = ("maxBsonObjectSize", "maxMessageSizeBytes", "maxWriteBatchSize")
_FIELDS: Mapping[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("hosts", "passives", "arbiters"), list),
    **dict.fromkeys(("compression", "saslSupportedMechs"), list),
    **dict.fromkeys(("me", "primary", "setName"), str),
    **dict.fromkeys(("tags", "lastWrite", "speculativeAuthenticate"), Mapping),
    **dict.fromkeys(
        (
            "connectionId",
            "setVersion",
            "minWireVersion",
            "maxWireVersion",
            "logicalSessionTimeoutMinutes",
            *_SIZES,
        ),
        (int, float),
    ),
    **dict.fromkeys(("electionId", "serviceId"), ObjectId),
}


def _check_fields(address: Address, reply: Mapping[str, Any]) -> None:
    """Refuse a reply that would do harm later, where nobody expects it."""
    for name, kind in _FIELDS.items():
        value = reply.get(name)
        if value is not None and not isinstance(value, kind):
            raise _senseless(address, name, value)
    for name in _SIZES:
        if not reply.get(name, 1) >= 1:  # so that NaN is refused as well
            raise _senseless(address, name, reply[name])
    check_topology_version(reply.get("topologyVersion"))


def _senseless(address: Address, name: str, value: object) -> ProtocolError:
    return ProtocolError(
        f"{format_address(address)}: {name} in a hello reply cannot be {value!r:.100}"
    )


def _kind(reply: Mapping[str, Any]) -> ServerKind:
    """Return the type of the server that gave this reply (SDAM, "type")."""
    if not reply.get("ok"):
        return ServerKind.UNKNOWN
    if reply.get("serviceId") is not None:
        return ServerKind.LOAD_BALANCER
    if reply.get("msg") == "isdbgrid":
        return ServerKind.MONGOS
    if reply.get("isreplicaset"):
        return ServerKind.RS_GHOST
    if not reply.get("setName"):
        return ServerKind.STANDALONE
    if reply.get("hidden"):
        return ServerKind.RS_OTHER
    if reply.get("isWritablePrimary", reply.get("ismaster")):
        return ServerKind.RS_PRIMARY
    if reply.get("secondary"):
        return ServerKind.RS_SECONDARY
    if reply.get("arbiterOnly"):
        return ServerKind.RS_ARBITER
    return ServerKind.RS_OTHER


def _seconds(date: datetime | DatetimeMS | None) -> float | None:
    """Return a BSON date, however it was decoded, as seconds since the epoch."""
    if date is None:
        return None
    if isinstance(date, DatetimeMS):
        return int(date) / 1000
    # bson decodes to UTC; unless asked otherwise it does not say so in the value.
    return (date if date.tzinfo else date.replace(tzinfo=timezone.utc)).timestamp()


def _optional_address(text: str | None) -> Address | None:
    """Return the address in a field that may be missing."""
    return parse_address(text) if text else None


def _addresses(texts: Iterable[str]) -> frozenset[Address]:
    """Return the addresses in a list of hosts."""
    return frozenset(map(parse_address, texts))


def parse_address(text: str, default_port: int = DEFAULT_PORT) -> Address:
    """Return host and port of `host`, `host:port`, `[ipv6]:port` or a socket's path.

    Host names are lower-cased, so that one server is not taken for two.
    """
    if text.endswith(".sock"):
        return text, None
    host, colon, port = text.rpartition(":")
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        colon, port = rest[:1], rest[1:]
    elif ":" in host or not colon:
        # An IPv6 address without brackets cannot carry a port.
        host, colon = text, ""
    return host.lower(), int(port) if colon else default_port
