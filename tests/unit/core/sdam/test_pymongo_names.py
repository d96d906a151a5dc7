"""What PyMongo's descriptions of servers and deployments answer to, ours do, with equal values."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from bson.objectid import ObjectId
from pymongo.errors import AutoReconnect, ConfigurationError
from pymongo.hello import Hello
from pymongo.read_preferences import (
    Nearest,
    Primary,
    PrimaryPreferred,
    Secondary,
    SecondaryPreferred,
)
from pymongo.server_description import ServerDescription as TheirServer
from pymongo.server_selectors import (
    any_server_selector,
    readable_server_selector,
    writable_server_selector,
)
from pymongo.topology_description import TOPOLOGY_TYPE
from pymongo.topology_description import TopologyDescription as TheirTopology

from greenmongo._core.hello_reply import parse_hello
from greenmongo._core.sdam.kinds import TopologyKind
from greenmongo._core.sdam.server_description import ServerDescription
from greenmongo._core.sdam.topology_description import TopologyDescription
from greenmongo._core.types import Address, Document

SET = {"setName": "rs", "hosts": ["a:1", "b:2", "c:3"], "maxWireVersion": 21, "ok": 1}
WRITTEN = {"lastWrite": {"lastWriteDate": datetime(2024, 1, 1), "opTime": {}}}
PRIMARY: Document = {
    **SET,
    **WRITTEN,
    "isWritablePrimary": True,
    "passives": ["p:1"],
    "arbiters": ["d:4"],
    "primary": "a:1",
    "me": "a:1",
    "setVersion": 3,
    "electionId": ObjectId(),
    "tags": {"dc": "x"},
    "logicalSessionTimeoutMinutes": 30,
    "topologyVersion": {"processId": ObjectId(), "counter": 1},
}
SECONDARY: Document = {**SET, **WRITTEN, "secondary": True, "tags": {"dc": "y"}}
STANDALONE: Document = {"ok": 1, "isWritablePrimary": True, "maxWireVersion": 21}
MONGOS: Document = {**STANDALONE, "msg": "isdbgrid", "logicalSessionTimeoutMinutes": 30}
REPLIES = {"primary": PRIMARY, "secondary": SECONDARY, "standalone": STANDALONE, "mongos": MONGOS}
A, B, C, D = ("a", 1), ("b", 2), ("c", 3), ("d", 4)
OF_THE_MOMENT = {
    "last_update_time",  # by a clock
    "retryable_writes_supported",  # PyMongo wants sessions of a mongos no more
    "min_round_trip_time",  # None where PyMongo has 0.0: not known
}


def attributes(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


def theirs_of(address: Address, reply: Document | None, time: float) -> TheirServer:
    if reply is None:
        return TheirServer(address, error=AutoReconnect("gone"))
    return TheirServer(address, Hello(reply), time)


def ours_of(address: Address, reply: Document | None, time: float) -> ServerDescription:
    if reply is None:
        return ServerDescription.unknown(address, AutoReconnect("gone"))
    return parse_hello(address, reply, round_trip_time=time, now=0.0)


@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)
def test_a_server_looks_like_pymongos(reply: Document) -> None:
    """D12: every attribute that PyMongo documents has PyMongo's value."""
    theirs, ours = theirs_of(A, reply, 0.01), ours_of(A, reply, 0.01)
    for name in attributes(TheirServer) - OF_THE_MOMENT:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            wanted, value = getattr(theirs, name), getattr(ours, name)
        if not callable(wanted):
            assert (name, value, type(value)) == (name, wanted, type(wanted))
    error = AutoReconnect("gone")
    unknown, expected = ours.to_unknown(error), theirs.to_unknown(error)
    for name in ("address", "error", "server_type", "topology_version"):
        assert getattr(unknown, name) == getattr(expected, name)


@dataclass(frozen=True)
class Settings:
    """What PyMongo's description takes from its client."""

    heartbeat_frequency: int = 10
    local_threshold_ms: int = 15
    _srv_max_hosts: int = 3
    _topology_id: str = "id"


Servers = Mapping[Address, tuple[Document | None, float]]
WITH_PRIMARY: Servers = {
    A: (PRIMARY, 0.01),
    B: (SECONDARY, 0.02),
    C: (SECONDARY, 0.5),
    D: (None, 0),
}
DEPLOYMENTS: dict[str, tuple[str, Servers]] = {
    "set": ("ReplicaSetWithPrimary", WITH_PRIMARY),
    "set without primary": ("ReplicaSetNoPrimary", {A: (None, 0), B: (SECONDARY, 0.02)}),
    "routers": ("Sharded", {A: (MONGOS, 0.01), B: (MONGOS, 0.02), C: (MONGOS, 0.9), D: (None, 0)}),
    "single": ("Single", {A: (STANDALONE, 0.01)}),
    "unknown": ("Unknown", {A: (None, 0), B: (None, 0)}),
}


def topologies(name: str, servers: Servers) -> tuple[TheirTopology, TopologyDescription]:
    number = getattr(TOPOLOGY_TYPE, name)
    settings: Any = Settings()
    theirs = {address: theirs_of(address, *each) for address, each in servers.items()}
    ours = {address: ours_of(address, *each) for address, each in servers.items()}
    kind = TopologyKind(name)
    return (
        TheirTopology(number, theirs, "rs", 3, None, settings),
        TopologyDescription(kind, "rs", 3, servers=ours, srv_max_hosts=3),
    )


def addresses(found: Any) -> list[Address]:
    return [server.address for server in found]


deployments = pytest.mark.parametrize(
    ("name", "servers"), DEPLOYMENTS.values(), ids=list(DEPLOYMENTS)
)


@deployments
def test_a_deployment_looks_like_pymongos(name: str, servers: Servers) -> None:
    """D12: every attribute that PyMongo documents is there, with its value."""
    theirs, ours = topologies(name, servers)
    for attribute in attributes(TheirTopology):
        wanted, value = getattr(theirs, attribute), getattr(ours, attribute)
        if isinstance(wanted, list):
            assert isinstance(value, list)
            assert (attribute, addresses(value)) == (attribute, addresses(wanted))
        elif not callable(wanted):
            assert (attribute, value) == (attribute, wanted)
    assert ours.server_descriptions().keys() == theirs.server_descriptions().keys()


@deployments
def test_a_deployment_is_reset_as_pymongos_is(name: str, servers: Servers) -> None:
    """D12: all servers, or one of them, marked as unknown in a copy."""
    theirs, ours = topologies(name, servers)
    steps = [(theirs.reset(), ours.reset())]
    steps += [(theirs.reset_server(each), ours.reset_server(each)) for each in servers]
    for expected, found in steps:
        assert found.topology_type_name == expected.topology_type_name
        assert {a: s.server_type_name for a, s in found.server_descriptions().items()} == {
            a: s.server_type_name for a, s in expected.server_descriptions().items()
        }


SELECTORS = {
    "any": any_server_selector,
    "readable": readable_server_selector,
    "writable": writable_server_selector,
    "primary": Primary(),
    "primary preferred": PrimaryPreferred(),
    "secondary": Secondary(),
    "secondary of x": Secondary(tag_sets=[{"dc": "x"}]),
    "secondary preferred": SecondaryPreferred(tag_sets=[{"dc": "z"}, {}]),
    "nearest": Nearest(),
    "fresh": Nearest(max_staleness=90),
}


@deployments
@pytest.mark.parametrize("selector", SELECTORS.values(), ids=SELECTORS)
def test_selectors_of_pymongo_find_what_they_find_there(
    name: str, servers: Servers, selector: Any
) -> None:
    """D12: `apply_selector`, with every argument."""
    theirs, ours = topologies(name, servers)
    options: list[dict[str, Any]] = [
        {},
        {"address": B},
        {"custom_selector": lambda found: found[-1:]},
        *({"deprioritized_servers": [each]} for each in (A, B, D)),
    ]
    for each in options:
        keywords: dict[str, Any] = each
        mine: dict[str, Any] = dict(keywords)
        if "deprioritized_servers" in keywords:
            avoided = [a for a in keywords["deprioritized_servers"] if a in servers]
            keywords = {"deprioritized_servers": [theirs.server_descriptions()[a] for a in avoided]}
            mine = {"deprioritized_servers": [ours.servers[a] for a in avoided]}
        wanted = theirs.apply_selector(selector, **keywords)
        assert addresses(ours.apply_selector(selector, **mine)) == addresses(wanted)


def test_a_selector_that_makes_no_sense_is_refused() -> None:
    """D12: as PyMongo does."""
    _, ours = topologies(*DEPLOYMENTS["set"])
    with pytest.raises(ConfigurationError, match="maxStalenessSeconds"):
        ours.apply_selector(Nearest(max_staleness=5))
