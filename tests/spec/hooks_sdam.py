"""The specification suites of discovery, monitoring and selection, run against the pure core.

Plain data in, plain data out: a suite's runner knows nothing of this project's types.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from pymongo.errors import AutoReconnect, ConfigurationError
from pymongo.read_preferences import (
    Nearest,
    Primary,
    PrimaryPreferred,
    Secondary,
    SecondaryPreferred,
)
from pymongo.uri_parser import parse_uri

from greenmongo._core.hello_reply import parse_address, parse_hello
from greenmongo._core.sdam.heartbeat import (
    ErrorFact,
    ErrorKind,
    judge_error,
    updated_round_trip_time,
)
from greenmongo._core.sdam.kinds import ServerKind, TopologyKind
from greenmongo._core.sdam.selection import choose, suitable_servers
from greenmongo._core.sdam.server_description import ServerDescription
from greenmongo._core.sdam.topology_description import TopologyDescription
from greenmongo._core.sdam.transitions import (
    CloseServer,
    Effect,
    OpenServer,
    ServerChanged,
    TopologyChanged,
    apply_description,
    initial_topology,
)
from greenmongo._core.types import Address, Document, ReadMode, format_address
from tests.spec.server_types import known_type

__all__ = ["SdamHooks", "SdamRun"]

_MODES: Mapping[str, Callable[..., ReadMode]] = {
    "primarypreferred": PrimaryPreferred,
    "secondary": Secondary,
    "secondarypreferred": SecondaryPreferred,
    "nearest": Nearest,
}


class SdamHooks:
    """What the server-less suites of discovery and selection ask a driver for."""

    def update_rtt(self, average_ms: float | None, new_ms: float) -> float:
        """Return the moving average with one more sample."""
        return updated_round_trip_time(average_ms, new_ms)

    def select(
        self,
        topology: Document,
        operation: str,
        read_preference: Document,
        heartbeat_ms: float,
        threshold_ms: float,
        deprioritized: Iterable[str],
    ) -> tuple[list[str], list[str]]:
        """Return the addresses that are suitable, and those of them in the latency window."""
        preference = None if operation == "write" else _read_preference(read_preference)
        suitable, in_window = (
            suitable_servers(
                _topology(topology),
                preference,
                local_threshold=threshold,
                heartbeat_interval=heartbeat_ms / 1000,
                deprioritized=frozenset(map(parse_address, deprioritized)),
            )
            for threshold in (float("inf"), threshold_ms / 1000)
        )
        return _names(suitable), _names(in_window)

    def pick(
        self, topology: Document, operation_counts: Mapping[str, int], iterations: int
    ) -> dict[str, int]:
        """Return how often each server is chosen."""
        counts = {parse_address(text): count for text, count in operation_counts.items()}
        servers = suitable_servers(
            _topology(topology), Nearest(), local_threshold=0.015, heartbeat_interval=10
        )
        chosen: dict[str, int] = {}
        for _ in range(iterations):
            name = format_address(choose(servers, counts, random.sample).address)
            chosen[name] = chosen.get(name, 0) + 1
        return chosen

    def sdam(self, uri: str) -> SdamRun:
        """Return the topology of one client without any I/O."""
        return SdamRun(uri)


class SdamRun:
    """Holds a topology and its pools' generations, as the network layer would."""

    def __init__(self, uri: str) -> None:
        parsed = parse_uri(uri, warn=True)
        options = parsed["options"]
        self.load_balanced = bool(options.get("loadBalanced"))
        self.topology = initial_topology(
            parsed["nodelist"],
            replica_set=options.get("replicaSet"),
            direct_connection=options.get("directConnection"),
            load_balanced=self.load_balanced,
        )
        self.generations = dict.fromkeys(self.topology.servers, 0)
        self._events: list[Document] = [{"topology_opening_event": {}}]
        self._tell(TopologyChanged(TopologyDescription.empty(), self.topology))
        for address in self.topology.servers:
            self._tell(OpenServer(address))
            if self.load_balanced:
                self._apply(ServerDescription.load_balancer(address))

    def hello(self, address: str, reply: Document | None) -> None:
        """Take in the outcome of a check; no reply is a network error."""
        where = parse_address(address)
        if reply is None:
            self._apply(ServerDescription.unknown(where, AutoReconnect("network error")))
            if where in self.generations:
                self.generations[where] += 1
        else:
            self._apply(parse_hello(where, reply, round_trip_time=0.001, now=0.0))

    def application_error(
        self,
        address: str,
        kind: str,
        when: str,
        max_wire_version: int,
        generation: int | None,
        response: Document | None,
    ) -> None:
        """Take in an error that an operation met."""
        where = parse_address(address)
        now = self.generations[where]
        reply = response or {}
        failure = reply if not reply.get("ok") else reply.get("writeConcernError", {})
        fact = ErrorFact(
            ErrorKind(kind),
            before_handshake=when == "beforeHandshakeCompletes",
            code=failure.get("code"),
            topology_version=reply.get("topologyVersion"),
            pool_generation=now if generation is None else generation,
            current_generation=now,
            max_wire_version=max_wire_version,
            # The pool labels what goes wrong before the server has answered its first hello.
            is_overload=when == "beforeHandshakeCompletes" and kind != "command",
            load_balanced=self.load_balanced,
        )
        verdict = judge_error(self.topology.servers[where], fact)
        if verdict.mark_unknown:
            error = AutoReconnect(f"{kind} error {when}")
            self._apply(ServerDescription.unknown(where, error, verdict.topology_version))
        if verdict.clear_pool:
            self.generations[where] += 1

    def view(self) -> Document:
        """Return what is known, in the words of the specification's files."""
        topology = self.topology
        return {
            "topologyType": topology.topology_type_name,
            "setName": topology.set_name,
            "logicalSessionTimeoutMinutes": topology.logical_session_timeout_minutes,
            "maxSetVersion": topology.max_set_version,
            "maxElectionId": topology.max_election_id,
            "compatible": topology.compatibility_error is None,
            "servers": {
                format_address(address): {
                    "type": server.server_type_name,
                    "setName": server.set_name,
                    "setVersion": server.set_version,
                    "electionId": server.election_id,
                    "topologyVersion": server.topology_version,
                    "error": str(server.error) if server.error else None,
                    "logicalSessionTimeoutMinutes": server.logical_session_timeout_minutes,
                    "minWireVersion": server.min_wire_version,
                    "maxWireVersion": server.max_wire_version,
                    "pool": {"generation": self.generations[address]},
                }
                for address, server in topology.servers.items()
            },
        }

    def events(self) -> list[Document]:
        """Return the monitoring events since the last call."""
        told, self._events = self._events, []
        return told

    def close(self) -> None:
        """Do nothing: nothing is open."""

    def _apply(self, server: ServerDescription) -> None:
        change = apply_description(self.topology, server)
        self.topology = change.topology
        for effect in change.effects:
            self._tell(effect)
            if isinstance(effect, OpenServer):
                self.generations[effect.address] = 0

    def _tell(self, effect: Effect) -> None:
        event: Document
        match effect:
            case OpenServer(address):
                event = {"server_opening_event": {"address": format_address(address)}}
            case CloseServer(address):
                event = {"server_closed_event": {"address": format_address(address)}}
            case ServerChanged(previous, current):
                facts = _server_document(previous), _server_document(current)
                event = {
                    "server_description_changed_event": {
                        "address": format_address(current.address),
                        "previousDescription": facts[0],
                        "newDescription": facts[1],
                    }
                }
            case TopologyChanged(before, after):
                event = {
                    "topology_description_changed_event": {
                        "previousDescription": _topology_document(before),
                        "newDescription": _topology_document(after),
                    }
                }
            case _:
                return
        self._events.append(event)


def _read_preference(document: Document) -> ReadMode:
    """Return the read preference object for a specification file's document."""
    mode = document.get("mode", "primary").lower()
    staleness = document.get("maxStalenessSeconds")
    tag_sets = [tags for tags in document.get("tag_sets", []) if tags]
    if mode == "primary":
        if staleness is not None or tag_sets:
            raise ConfigurationError("primary takes neither maxStalenessSeconds nor tags")
        return Primary()
    return _MODES[mode](
        tag_sets=document.get("tag_sets"), max_staleness=-1 if staleness is None else staleness
    )


def _topology(document: Document) -> TopologyDescription:
    """Return the topology a specification file describes."""
    servers = [_server(server) for server in document["servers"]]
    return TopologyDescription(
        TopologyKind(document["type"]), servers={server.address: server for server in servers}
    )


def _server(document: Document) -> ServerDescription:
    """Return the server a specification file describes."""
    server = ServerDescription(
        parse_address(document["address"]),
        ServerKind(known_type(document["type"])),
        round_trip_time=document.get("avg_rtt_ms", 0) / 1000,
        tags=document.get("tags", {}),
        max_wire_version=document.get("maxWireVersion", 21),
        last_update_time=document.get("lastUpdateTime", 0) / 1000,
    )
    if "lastWrite" in document:
        written = int(document["lastWrite"]["lastWriteDate"]) / 1000
        return replace(server, last_write_date=written)
    return server


def _names(servers: Iterable[ServerDescription]) -> list[str]:
    """Return the servers' addresses as text."""
    return [format_address(server.address) for server in servers]


def _texts(addresses: Iterable[Address]) -> list[str]:
    """Return addresses as sorted text."""
    return sorted(map(format_address, addresses))


def _server_document(server: ServerDescription) -> dict[str, Any]:
    """Return a server in the words of the monitoring events' files."""
    return {
        "address": format_address(server.address),
        "hosts": _texts(server.hosts),
        "passives": _texts(server.passives),
        "arbiters": _texts(server.arbiters),
        "type": server.server_type_name,
        "setName": server.set_name,
        "primary": format_address(server.primary) if server.primary else None,
        "me": format_address(server.me) if server.me else None,
    }


def _topology_document(topology: TopologyDescription) -> dict[str, Any]:
    """Return a topology in the words of the monitoring events' files."""
    return {
        "topologyType": topology.topology_type_name,
        "setName": topology.set_name,
        "servers": [_server_document(server) for server in topology.servers.values()],
    }
