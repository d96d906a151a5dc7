"""What a reply to hello, of either name, tells of a server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from bson.datetime_ms import DatetimeMS
from bson.objectid import ObjectId
from pymongo.errors import OperationFailure, ProtocolError

from greenmongo._core.reply_shape import check_topology_version
from greenmongo._core.sdam.kinds import ServerKind
from greenmongo._core.sdam.server_description import ServerDescription
from greenmongo._core.types import format_address

if TYPE_CHECKING:
    from greenmongo._core.types import Address

__all__ = ["parse_address", "parse_hello"]

DEFAULT_PORT = 27017


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
