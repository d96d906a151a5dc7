"""How news about one server changes the view of the deployment: SDAM's rules as values.

`apply_description` decides and returns what is to be done; it does nothing itself. `RULES` is the
specification's "TopologyType table".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from pymongo.errors import ConfigurationError, NotPrimaryError

from greenmongo._core.sdam.freshness import compare_topology_versions
from greenmongo._core.sdam.kinds import ServerKind, TopologyKind
from greenmongo._core.sdam.server_description import ServerDescription
from greenmongo._core.sdam.topology_description import TopologyDescription
from greenmongo._core.server_codes import SERVER_6_0_WIRE_VERSION

if TYPE_CHECKING:
    from greenmongo._core.types import Address

__all__ = [
    "Change",
    "CloseServer",
    "Effect",
    "MarkReady",
    "OpenServer",
    "RequestCheck",
    "ServerChanged",
    "TopologyChanged",
    "apply_description",
    "initial_topology",
]

_STALE_PRIMARY = "primary marked stale due to electionId/setVersion mismatch"
_FORMER_PRIMARY = "primary marked stale due to discovery of newer primary"


@dataclass(frozen=True, slots=True)
class OpenServer:
    """Begin to monitor a server that was discovered."""

    address: Address


@dataclass(frozen=True, slots=True)
class CloseServer:
    """Stop monitoring a server that left, and close its pool."""

    address: Address


@dataclass(frozen=True, slots=True)
class MarkReady:
    """Let the server's pool hand out connections."""

    address: Address


@dataclass(frozen=True, slots=True)
class RequestCheck:
    """Have the server checked soon: what was believed of it was just proved wrong."""

    address: Address


@dataclass(frozen=True, slots=True)
class ServerChanged:
    """Tell listeners that a server's description is another one now."""

    previous: ServerDescription
    current: ServerDescription


@dataclass(frozen=True, slots=True)
class TopologyChanged:
    """Tell listeners that the topology is another one now."""

    previous: TopologyDescription
    current: TopologyDescription


Effect: TypeAlias = (
    MarkReady | ServerChanged | OpenServer | CloseServer | TopologyChanged | RequestCheck
)


@dataclass(frozen=True, slots=True)
class Change:
    """A new view of the deployment and what follows from it, in the order to do it."""

    topology: TopologyDescription
    effects: tuple[Effect, ...] = ()


@dataclass(slots=True)
class _Draft:
    """The topology while a rule works on it."""

    kind: TopologyKind
    set_name: str | None
    max_set_version: int | None
    max_election_id: Any
    servers: dict[Address, ServerDescription]
    seed_count: int
    to_check: list[Address] = field(default_factory=list)

    def remove(self, address: Address) -> None:
        """Forget a server."""
        del self.servers[address]

    def add(self, addresses: Iterable[Address]) -> None:
        """Learn of servers, in an order that does not depend on hashing."""
        for address in sorted(addresses, key=str):
            if address not in self.servers:
                self.servers[address] = ServerDescription.unknown(address)

    def check_if_has_primary(self) -> None:
        """Name the replica set's topology type after what is known now."""
        has_primary = any(s.kind is ServerKind.RS_PRIMARY for s in self.servers.values())
        self.kind = (
            TopologyKind.REPLICA_SET_WITH_PRIMARY
            if has_primary
            else TopologyKind.REPLICA_SET_NO_PRIMARY
        )


Rule: TypeAlias = Callable[[_Draft, ServerDescription], None]


def initial_topology(
    seeds: Sequence[Address],
    *,
    replica_set: str | None = None,
    direct_connection: bool | None = None,
    load_balanced: bool = False,
    heartbeat_interval: float = 10.0,
    local_threshold: float = 0.015,
    srv_max_hosts: int = 0,
) -> TopologyDescription:
    """Return what a new client knows: its seeds and what the options say of them.

    A load-balanced topology is complete as soon as `ServerDescription.load_balancer` is applied.

    Raises:
        ConfigurationError: the options contradict each other.
    """
    if load_balanced and (direct_connection or replica_set):
        raise ConfigurationError(
            "loadBalanced=true cannot be combined with directConnection=true or replicaSet"
        )
    for option, is_set in (
        ("loadBalanced", load_balanced),
        ("directConnection", direct_connection),
    ):
        if is_set and len(seeds) != 1:
            raise ConfigurationError(f"{option}=true needs exactly one host, not {len(seeds)}")
    if load_balanced:
        kind = TopologyKind.LOAD_BALANCED
    elif direct_connection:
        kind = TopologyKind.SINGLE
    elif replica_set:
        kind = TopologyKind.REPLICA_SET_NO_PRIMARY
    else:
        kind = TopologyKind.UNKNOWN
    return TopologyDescription(
        kind,
        set_name=replica_set,
        servers={address: ServerDescription.unknown(address) for address in seeds},
        seed_count=len(seeds),
        heartbeat_interval=heartbeat_interval,
        local_threshold=local_threshold,
        srv_max_hosts=srv_max_hosts,
    )


def apply_description(topology: TopologyDescription, server: ServerDescription) -> Change:
    """Return the topology with the outcome of a check, or of an error, taken into account.

    Nothing changes for a server that is not part of the topology any more, and for news older than
    what is known. Store the new topology before performing the effects.
    """
    previous = topology.servers.get(server.address)
    if previous is None or _is_outdated(topology, previous, server):
        return Change(topology)
    server = _of_right_set(topology, server)
    draft = _Draft(
        topology.kind,
        topology.set_name,
        topology.max_set_version,
        topology.max_election_id,
        {**topology.servers, server.address: server},
        topology.seed_count,
    )
    rule = RULES.get((topology.kind, server.kind))
    if rule is not None:
        rule(draft, server)
    current = replace(
        topology,
        kind=draft.kind,
        set_name=draft.set_name,
        max_set_version=draft.max_set_version,
        max_election_id=draft.max_election_id,
        servers=draft.servers,
    )
    effects = _effects(topology, current, draft.servers.get(server.address, server))
    return Change(current, (*effects, *map(RequestCheck, draft.to_check)))


def _is_outdated(
    topology: TopologyDescription, known: ServerDescription, reported: ServerDescription
) -> bool:
    """Tell whether news about a server must be dropped."""
    if topology.kind is TopologyKind.LOAD_BALANCED:
        # A load balancer is never checked and stays what it is through every error.
        return reported.kind is not ServerKind.LOAD_BALANCER
    return compare_topology_versions(known.topology_version, reported.topology_version) > 0


def _of_right_set(topology: TopologyDescription, server: ServerDescription) -> ServerDescription:
    """Return the server, or an unknown one if a direct connection reached the wrong set.

    SDAM, "Verifying setName with TopologyType Single".
    """
    wanted = topology.set_name
    if (
        topology.kind is not TopologyKind.SINGLE
        or wanted is None
        or server.kind is ServerKind.UNKNOWN
        or server.set_name == wanted
    ):
        return server
    actual = "no replica set" if server.set_name is None else f"replica set {server.set_name!r}"
    return ServerDescription.unknown(
        server.address,
        ConfigurationError(f"expected a member of replica set {wanted!r}, found {actual}"),
    )


def _effects(
    before: TopologyDescription, after: TopologyDescription, checked: ServerDescription
) -> list[Effect]:
    """Return what follows from a change, in the order the monitoring specification wants told.

    The pool comes first: the server may be selected from now on.
    """
    effects: list[Effect] = []
    if checked.address in after.servers and (
        checked.is_data_bearing
        or (after.kind is TopologyKind.SINGLE and checked.is_server_type_known)
    ):
        effects.append(MarkReady(checked.address))
    # The checked server's news is told even if it made the server leave.
    told = {**after.servers, checked.address: checked}
    for address, previous in before.servers.items():
        if address in told and previous != told[address]:
            effects.append(ServerChanged(previous, told[address]))
    effects.extend(OpenServer(a) for a in after.servers if a not in before.servers)
    effects.extend(CloseServer(a) for a in before.servers if a not in after.servers)
    if before != after:
        effects.append(TopologyChanged(before, after))
    return effects


def _remove(draft: _Draft, server: ServerDescription) -> None:
    """Drop a server that has no place in this kind of topology."""
    draft.remove(server.address)


def _remove_from_set(draft: _Draft, server: ServerDescription) -> None:
    """Drop a server that is not a member; it may have been the primary."""
    draft.remove(server.address)
    draft.check_if_has_primary()


def _check_primary(draft: _Draft, server: ServerDescription) -> None:
    """Take into account that the primary may be lost."""
    draft.check_if_has_primary()


def _discover_sharded(draft: _Draft, server: ServerDescription) -> None:
    """Take the first mongos as proof of a sharded cluster."""
    draft.kind = TopologyKind.SHARDED


def _discover_standalone(draft: _Draft, server: ServerDescription) -> None:
    """SDAM, "updateUnknownWithStandalone"."""
    if draft.seed_count == 1:
        draft.kind = TopologyKind.SINGLE
    else:
        draft.remove(server.address)


def _member_without_primary(draft: _Draft, server: ServerDescription) -> None:
    """SDAM, "updateRSWithoutPrimary"."""
    draft.kind = TopologyKind.REPLICA_SET_NO_PRIMARY
    if draft.set_name is None:
        draft.set_name = server.set_name
    elif draft.set_name != server.set_name:
        draft.remove(server.address)
        return
    draft.add(server.all_hosts)
    if _is_reached_by_another_name(server):
        draft.remove(server.address)


def _member_with_primary(draft: _Draft, server: ServerDescription) -> None:
    """SDAM, "updateRSWithPrimaryFromMember"."""
    if draft.set_name != server.set_name or _is_reached_by_another_name(server):
        draft.remove(server.address)
    draft.check_if_has_primary()


def _is_reached_by_another_name(server: ServerDescription) -> bool:
    """Tell whether a member's own name is not the address it was reached at."""
    return server.me is not None and server.me != server.address


def _adopt_primary(draft: _Draft, server: ServerDescription) -> None:
    """SDAM, "updateRSFromPrimary": the primary's host list is the truth."""
    if draft.set_name is None:
        draft.set_name = server.set_name
    elif draft.set_name != server.set_name:
        _remove_from_set(draft, server)
        return
    if _is_stale_primary(draft, server):
        draft.servers[server.address] = _stale(server.address, _STALE_PRIMARY)
        draft.check_if_has_primary()
        return
    for address, other in draft.servers.items():
        if other.kind is ServerKind.RS_PRIMARY and address != server.address:
            draft.servers[address] = _stale(address, _FORMER_PRIMARY)
            draft.to_check.append(address)
    members = server.all_hosts
    draft.add(members)
    for address in draft.servers.keys() - members:
        draft.remove(address)
    draft.to_check = [address for address in draft.to_check if address in members]
    draft.check_if_has_primary()


def _stale(address: Address, reason: str) -> ServerDescription:
    """Return the description of a server that only believes it is primary."""
    return ServerDescription.unknown(address, NotPrimaryError(reason))


def _is_stale_primary(draft: _Draft, server: ServerDescription) -> bool:
    """Tell whether a later primary is known already; remember this one if not.

    SDAM, "Using electionId and setVersion to detect stale primaries".
    """
    if server.max_wire_version >= SERVER_6_0_WIRE_VERSION:
        # Since then the election id outranks the set version.
        reported = _rank(server.election_id), _rank(server.set_version)
        if reported < (_rank(draft.max_election_id), _rank(draft.max_set_version)):
            return True
        draft.max_election_id, draft.max_set_version = server.election_id, server.set_version
        return False
    version, election = server.set_version, server.election_id
    if version is not None and election is not None:
        known = draft.max_set_version, draft.max_election_id
        if None not in known and known > (version, election):
            return True
        draft.max_election_id = election
    if _rank(version) > _rank(draft.max_set_version):
        draft.max_set_version = version
    return False


def _rank(value: Any) -> tuple[bool, Any]:
    """Return a key by which None comes before everything."""
    return value is not None, value


def _table() -> Mapping[tuple[TopologyKind, ServerKind], Rule]:
    """Return SDAM's "TopologyType table"; what is missing there is a no-op here."""
    unknown, sharded = TopologyKind.UNKNOWN, TopologyKind.SHARDED
    without, with_primary = (
        TopologyKind.REPLICA_SET_NO_PRIMARY,
        TopologyKind.REPLICA_SET_WITH_PRIMARY,
    )
    rules: dict[tuple[TopologyKind, ServerKind], Rule] = {
        (with_primary, ServerKind.UNKNOWN): _check_primary,
        (unknown, ServerKind.STANDALONE): _discover_standalone,
        (sharded, ServerKind.STANDALONE): _remove,
        (without, ServerKind.STANDALONE): _remove,
        (with_primary, ServerKind.STANDALONE): _remove_from_set,
        (unknown, ServerKind.MONGOS): _discover_sharded,
        (without, ServerKind.MONGOS): _remove,
        (with_primary, ServerKind.MONGOS): _remove_from_set,
        (unknown, ServerKind.RS_PRIMARY): _adopt_primary,
        (sharded, ServerKind.RS_PRIMARY): _remove,
        (without, ServerKind.RS_PRIMARY): _adopt_primary,
        (with_primary, ServerKind.RS_PRIMARY): _adopt_primary,
        (sharded, ServerKind.RS_GHOST): _remove,
        (with_primary, ServerKind.RS_GHOST): _check_primary,
    }
    for member in (ServerKind.RS_SECONDARY, ServerKind.RS_ARBITER, ServerKind.RS_OTHER):
        rules[unknown, member] = _member_without_primary
        rules[sharded, member] = _remove
        rules[without, member] = _member_without_primary
        rules[with_primary, member] = _member_with_primary
    return rules


RULES = _table()
