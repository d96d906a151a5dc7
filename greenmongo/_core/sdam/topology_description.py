"""What is known of the whole deployment, as a value that never changes.

Monitoring events carry it, so it also answers to the documented attribute names of
`pymongo.topology_description`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pymongo.errors import ConfigurationError
from pymongo.read_preferences import ReadPreference

from greenmongo._core.sdam.compatibility import (
    common_wire_version,
    compatibility_error,
    session_timeout,
)
from greenmongo._core.sdam.kinds import ServerKind, TopologyKind
from greenmongo._core.sdam.pymongo_selectors import select_as_pymongo
from greenmongo._core.sdam.selection import suitable_servers
from greenmongo._core.types import format_address

if TYPE_CHECKING:
    from bson.objectid import ObjectId

    from greenmongo._core.sdam.server_description import ServerDescription
    from greenmongo._core.types import Address, ReadMode

__all__ = ["TopologyDescription"]

_WRITABLE_IN = {
    TopologyKind.SHARDED.value: ServerKind.MONGOS,
    TopologyKind.REPLICA_SET_WITH_PRIMARY.value: ServerKind.RS_PRIMARY,
    TopologyKind.LOAD_BALANCED.value: ServerKind.LOAD_BALANCER,
}

_TOPOLOGY_NUMBERS = {kind.value: number for number, kind in enumerate(TopologyKind)}


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
    local_threshold: float = field(default=0.015, repr=False)
    srv_max_hosts: int = field(default=0, repr=False)
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
    def candidate_servers(self) -> list[ServerDescription]:
        """All servers, as no selection has left any out: PyMongo's name for it."""
        return list(self.servers.values())

    @property
    def heartbeat_frequency(self) -> float:
        """The seconds between two checks of a server, as PyMongo calls them."""
        return self.heartbeat_interval

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

    def apply_selector(
        self,
        selector: Callable[[Any], Any],
        address: Address | None = None,
        custom_selector: Callable[[list[Any]], list[Any]] | None = None,
        deprioritized_servers: Sequence[ServerDescription] | None = None,
    ) -> list[ServerDescription]:
        """Return the servers that a selector of PyMongo's would choose from.

        Args:
            selector: a read preference, or what makes one `Selection` of another.
            address: the only server that will do.
            custom_selector: chooses among the servers that suit, before latency does.
            deprioritized_servers: to take only if no other suits.

        Raises:
            ConfigurationError: the read preference's maximum staleness is too small.
        """
        return select_as_pymongo(
            self, selector, address, custom_selector, deprioritized_servers or ()
        )

    def reset_server(self, address: Address) -> TopologyDescription:
        """Return what is known if that server turns out to be out of reach."""
        unknown = self.servers[address].to_unknown()
        kind = self.kind
        if kind is TopologyKind.REPLICA_SET_WITH_PRIMARY and self.servers[address] in self.writable:
            kind = TopologyKind.REPLICA_SET_NO_PRIMARY
        return replace(self, kind=kind, servers={**self.servers, address: unknown})

    def reset(self) -> TopologyDescription:
        """Return what is known if all servers turn out to be out of reach."""
        kind = self.kind
        if kind is TopologyKind.REPLICA_SET_WITH_PRIMARY:
            kind = TopologyKind.REPLICA_SET_NO_PRIMARY
        unknown = {
            address: type(server).unknown(address) for address, server in self.servers.items()
        }
        return replace(self, kind=kind, servers=unknown)

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
