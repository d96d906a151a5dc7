"""What is known of one server and of the whole deployment, as values that never change.

Both classes are what monitoring events carry, so they also answer to the documented attribute
names of `pymongo.server_description` and `pymongo.topology_description`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pymongo.errors import ConfigurationError
from pymongo.read_preferences import ReadPreference

from greenmongo._core.sdam.compatibility import (
    common_wire_version,
    compatibility_error,
    session_timeout,
)
from greenmongo._core.sdam.kinds import ServerKind, TopologyKind
from greenmongo._core.selection import suitable_servers
from greenmongo._core.types import format_address

if TYPE_CHECKING:
    from bson.objectid import ObjectId

    from greenmongo._core.types import Address, ReadMode

__all__ = ["ServerDescription", "ServerKind", "TopologyDescription", "TopologyKind"]

# Tuples, not sets: `in` compares by identity first, and hashing an Enum member is slow.
_WRITABLE = (
    ServerKind.RS_PRIMARY,
    ServerKind.STANDALONE,
    ServerKind.MONGOS,
    ServerKind.LOAD_BALANCER,
)
_DATA_BEARING = (*_WRITABLE, ServerKind.RS_SECONDARY)

_WRITABLE_IN = {
    TopologyKind.SHARDED.value: ServerKind.MONGOS,
    TopologyKind.REPLICA_SET_WITH_PRIMARY.value: ServerKind.RS_PRIMARY,
    TopologyKind.LOAD_BALANCED.value: ServerKind.LOAD_BALANCER,
}

_SERVER_NUMBERS = {kind.value: number for number, kind in enumerate(ServerKind)}
_TOPOLOGY_NUMBERS = {kind.value: number for number, kind in enumerate(TopologyKind)}

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
    def all_hosts(self) -> frozenset[Address]:
        """Every member of the replica set this server knows of."""
        return self.hosts | self.passives | self.arbiters

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


@dataclass(frozen=True, slots=True)
class TopologyDescription:
    """The latest view of the whole deployment."""

    kind: TopologyKind
    set_name: str | None = None
    max_set_version: int | None = None
    max_election_id: ObjectId | None = None
    servers: Mapping[Address, ServerDescription] = field(default_factory=dict)
    seed_count: int = field(default=1, repr=False)
    """How many seeds there were: a standalone among several is a mistake, alone it is not."""
    heartbeat_interval: float = field(default=10.0, repr=False)
    logical_session_timeout_minutes: int | None = field(init=False, repr=False, compare=False)
    compatibility_error: str | None = field(init=False, repr=False, compare=False)
    writable: tuple[ServerDescription, ...] = field(init=False, repr=False, compare=False)
    """The servers that take writes here, worked out once because every operation asks."""
    secondaries: tuple[ServerDescription, ...] = field(init=False, repr=False, compare=False)
    """The secondaries, if this is a replica set."""

    def __post_init__(self) -> None:
        """Work out what follows from the servers."""
        servers = tuple(self.servers.values())
        for name, value in (
            ("logical_session_timeout_minutes", session_timeout(servers)),
            ("compatibility_error", compatibility_error(servers)),
            ("writable", tuple(s for s in servers if _takes_writes(self.kind, s))),
            ("secondaries", tuple(s for s in servers if s.kind is ServerKind.RS_SECONDARY)),
        ):
            object.__setattr__(self, name, value)

    def __hash__(self) -> int:
        """Hash by what is hashable."""
        return hash((self.kind, self.set_name, tuple(self.servers)))

    @classmethod
    def empty(cls) -> TopologyDescription:
        """Return what is known before a client opens and after it closes: nothing."""
        return cls(TopologyKind.UNKNOWN)

    @property
    def topology_type(self) -> int:
        """The kind as PyMongo's number for it."""
        return _TOPOLOGY_NUMBERS[self.kind.value]

    @property
    def topology_type_name(self) -> str:
        """The kind as the specification names it."""
        return self.kind.value

    @property
    def replica_set_name(self) -> str | None:
        """The name of the replica set, asked for or discovered."""
        return self.set_name

    @property
    def known_servers(self) -> list[ServerDescription]:
        """The servers whose type is known."""
        return [server for server in self.servers.values() if server.is_server_type_known]

    @property
    def has_known_servers(self) -> bool:
        """Whether the type of any server is known."""
        return any(server.is_server_type_known for server in self.servers.values())

    @property
    def readable_servers(self) -> list[ServerDescription]:
        """The servers that answer reads under some read preference."""
        return [server for server in self.servers.values() if server.is_readable]

    @property
    def common_wire_version(self) -> int | None:
        """The highest wire version every known server speaks, or None if none is known."""
        return common_wire_version(self.servers.values())

    def server_descriptions(self) -> dict[Address, ServerDescription]:
        """Return the servers by address."""
        return dict(self.servers)

    def has_server(self, address: Address) -> bool:
        """Tell whether a server is part of this topology."""
        return address in self.servers

    def has_readable_server(self, read_preference: ReadMode = ReadPreference.PRIMARY) -> bool:
        """Tell whether some server suits a read preference.

        Args:
            read_preference: a read preference object of PyMongo's.

        Raises:
            ConfigurationError: the topology is incompatible or the preference is not valid in it.
        """
        self.check_compatible()
        return bool(
            suitable_servers(
                self,
                read_preference,
                local_threshold=float("inf"),
                heartbeat_interval=self.heartbeat_interval,
            )
        )

    def has_writable_server(self) -> bool:
        """Tell whether some server takes writes.

        Raises:
            ConfigurationError: the topology is incompatible.
        """
        self.check_compatible()
        return bool(self.writable)

    def check_compatible(self) -> None:
        """Refuse a topology with a server too old or too new for this driver.

        Raises:
            ConfigurationError: there is such a server; the message names it.
        """
        if self.compatibility_error is not None:
            raise ConfigurationError(self.compatibility_error)

    def __str__(self) -> str:
        """Return one line that tells the state of every server."""
        members = ", ".join(
            f"{format_address(server.address)} {server.kind.value}"
            for server in self.servers.values()
        )
        return f"{self.kind.value}({members})"


def _takes_writes(kind: TopologyKind, server: ServerDescription) -> bool:
    """Tell whether a server of this topology is suitable for writes (Server Selection, "Rules").

    A directly connected server is suitable whatever it is, as long as it answers.
    """
    if kind is TopologyKind.SINGLE:
        return server.is_server_type_known
    return server.kind is _WRITABLE_IN.get(kind.value)
