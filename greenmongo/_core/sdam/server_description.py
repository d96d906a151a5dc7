"""What is known of one server, as a value that never changes.

Monitoring events carry it, so it also answers to the documented attribute names of
`pymongo.server_description`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from greenmongo._core.sdam.kinds import ServerKind

if TYPE_CHECKING:
    from bson.objectid import ObjectId

    from greenmongo._core.types import Address

__all__ = ["ServerDescription"]

# Tuples, not sets: `in` compares by identity first, and hashing an Enum member is slow.
_WRITABLE = (
    ServerKind.RS_PRIMARY,
    ServerKind.STANDALONE,
    ServerKind.MONGOS,
    ServerKind.LOAD_BALANCER,
)
_DATA_BEARING = (*_WRITABLE, ServerKind.RS_SECONDARY)

_SERVER_NUMBERS = {kind.value: number for number, kind in enumerate(ServerKind)}

_NOBODY: frozenset[Address] = frozenset()


@dataclass(frozen=True, slots=True)
class ServerDescription:
    """The latest view of one server. Times are in seconds.

    Two descriptions are equal when the fields the specification marks for "Server Description
    Equality" are: a heartbeat that brings no news gives an equal description.
    """

    address: Address
    kind: ServerKind = ServerKind.UNKNOWN
    error: Exception | None = None
    round_trip_time: float | None = field(default=None, compare=False)
    """The moving average; None while the server is unknown."""
    min_round_trip_time: float | None = field(default=None, compare=False)
    last_write_date: float | None = field(default=None, compare=False)
    """Seconds since the epoch by the primary's clock."""
    op_time: Any = field(default=None, compare=False)
    min_wire_version: int = 0
    max_wire_version: int = 0
    me: Address | None = None
    hosts: frozenset[Address] = _NOBODY
    passives: frozenset[Address] = _NOBODY
    arbiters: frozenset[Address] = _NOBODY
    tags: Mapping[str, str] = field(default_factory=dict)
    set_name: str | None = None
    set_version: int | None = None
    election_id: ObjectId | None = None
    primary: Address | None = None
    last_update_time: float = field(default=float("-inf"), compare=False)
    """When the server was last checked, on a monotonic clock."""
    logical_session_timeout_minutes: int | None = None
    topology_version: Mapping[str, Any] | None = None
    is_cryptd: bool | None = None
    max_bson_size: int = field(default=16 * 1024 * 1024, compare=False)
    max_message_size: int = field(default=48_000_000, compare=False)
    max_write_batch_size: int = field(default=100_000, compare=False)
    cluster_time: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)

    def __hash__(self) -> int:
        """Hash by address: some of the fields that make two descriptions equal are mappings."""
        return hash(self.address)

    @classmethod
    def unknown(
        cls,
        address: Address,
        error: Exception | None = None,
        topology_version: Mapping[str, Any] | None = None,
    ) -> ServerDescription:
        """Return the description of a server that was not reached, or not yet."""
        return cls(address, error=error, topology_version=topology_version)

    @classmethod
    def load_balancer(cls, address: Address) -> ServerDescription:
        """Return the only description a load balancer ever has: it is never checked."""
        return cls(address, ServerKind.LOAD_BALANCER)

    @property
    def is_data_bearing(self) -> bool:
        """Whether application data can be read from this type of server."""
        return self.kind in _DATA_BEARING

    @property
    def is_writable(self) -> bool:
        """Whether this type of server takes writes."""
        return self.kind in _WRITABLE

    @property
    def is_readable(self) -> bool:
        """Whether this type of server answers reads under some read preference."""
        return self.kind in _DATA_BEARING

    @property
    def all_hosts(self) -> set[Address]:
        """Every member of the replica set this server knows of."""
        return {*self.hosts, *self.passives, *self.arbiters}

    def to_unknown(self, error: Exception | None = None) -> ServerDescription:
        """Return the description of this server once it cannot be reached."""
        return self.unknown(self.address, error, self.topology_version)

    @property
    def server_type(self) -> int:
        """The kind as PyMongo's number for it."""
        return _SERVER_NUMBERS[self.kind.value]

    @property
    def server_type_name(self) -> str:
        """The kind as the specification names it."""
        return self.kind.value

    @property
    def replica_set_name(self) -> str | None:
        """The replica set this server says it belongs to."""
        return self.set_name

    @property
    def election_tuple(self) -> tuple[int | None, ObjectId | None]:
        """The set version and election id."""
        return self.set_version, self.election_id

    @property
    def mongos(self) -> bool:
        """Whether this is a mongos."""
        return self.kind is ServerKind.MONGOS

    @property
    def is_server_type_known(self) -> bool:
        """Whether the last check told what this server is."""
        return self.kind is not ServerKind.UNKNOWN

    @property
    def retryable_writes_supported(self) -> bool:
        """Whether this server accepts writes with a transaction number."""
        if self.kind is ServerKind.LOAD_BALANCER:
            return True
        return self.logical_session_timeout_minutes is not None and self.kind in (
            ServerKind.MONGOS,
            ServerKind.RS_PRIMARY,
        )

    @property
    def retryable_reads_supported(self) -> bool:
        """Whether a read may be sent again, which every supported server allows."""
        return True
