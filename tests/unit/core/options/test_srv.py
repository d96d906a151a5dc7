from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from pymongo.errors import ConfigurationError, InvalidURI

from greenmongo._core.options.srv import (
    SrvOptions,
    apply_hosts,
    check_name,
    check_suffix,
    choose_hosts,
    is_polled,
    read_txt,
    rescan_delay,
    usable_hosts,
    verified_hosts,
)
from greenmongo._core.sdam.kinds import TopologyKind
from greenmongo._core.sdam.server_description import ServerDescription
from greenmongo._core.sdam.topology_description import TopologyDescription
from greenmongo._core.sdam.transitions import (
    Change,
    CloseServer,
    OpenServer,
    TopologyChanged,
    initial_topology,
)
from greenmongo._core.types import Address

A, B, C, D = (("a", 1), ("b", 1), ("c", 1), ("d", 1))
HOSTS = [("h1.example.com", 27017), ("h2.example.com", 27018)]


def first(hosts: Sequence[Address], count: int) -> Sequence[Address]:
    """Sample without any chance about it."""
    assert 0 < count < len(hosts)
    return hosts[:count]


def is_allowed(fqdn: str, host: str, **options: Any) -> bool:
    return bool(usable_hosts(SrvOptions(fqdn, **options), [(host, 1)]))


# --- names --------------------------------------------------------------------------------------


def test_the_service_is_part_of_the_query() -> None:
    assert SrvOptions("x.example.com").query == "_mongodb._tcp.x.example.com"
    assert SrvOptions("x.example.com", "other").query == "_other._tcp.x.example.com"


@pytest.mark.parametrize("name", ["10.0.0.1", "::1"])
def test_an_address_is_no_name(name: str) -> None:
    check_name("cluster.0.0.1")
    with pytest.raises(ConfigurationError, match="IP address"):
        check_name(name)


@pytest.mark.parametrize(
    ("fqdn", "host", "expected"),
    [
        ("x.example.com", "y.example.com", True),
        ("x.example.com", "deep.below.example.com", True),
        ("x.example.com", "x.example.com", True),
        ("x.example.com", "example.com", False),
        ("x.example.com", "y.example.org", False),
        ("x.example.com", "yexample.com", False),
        ("x.y.example.com", "z.example.com", False),
        ("example.com", "x.example.com", True),
        ("example.com", "example.com", False),
        ("example.com", "x.com", False),
        ("local", "x.local", True),
        ("local", "local", False),
    ],
)
def test_hosts_must_be_in_the_domain_of_the_name(fqdn: str, host: str, expected: bool) -> None:
    assert is_allowed(fqdn, host) is expected


@pytest.mark.parametrize(
    ("suffix", "normal"),
    [
        ("example.com", ".example.com"),
        (".Example.com.", ".example.com"),
        ("bücher.example", ".xn--bcher-kva.example"),
        ("internal", ".internal"),
    ],
)
def test_a_suffix_of_ones_own_replaces_the_domain(suffix: str, normal: str) -> None:
    assert check_suffix(suffix) == normal
    assert is_allowed("x.y.z", f"h{normal}", allowed_hosts_suffix=normal)
    assert not is_allowed("x.y.z", "h.y.z", allowed_hosts_suffix=normal)
    assert not is_allowed("x.y.z", normal[1:], allowed_hosts_suffix=normal)


@pytest.mark.parametrize("suffix", ["", ".", "com", "a..b", "x" * 64])
def test_a_suffix_must_be_somebodys_domain(suffix: str) -> None:
    with pytest.raises(ConfigurationError, match="srvAllowedHostsSuffix"):
        check_suffix(suffix)


def test_a_function_of_ones_own_replaces_the_domain() -> None:
    assert is_allowed("x.y.z", "elsewhere", host_validator=lambda host: host == "elsewhere")
    assert not is_allowed("x.y.z", "h.y.z", host_validator=lambda host: host == "elsewhere")


def broken(host: str) -> bool:
    raise KeyError(host)


def vague(host: str) -> Any:
    return "yes"


@pytest.mark.parametrize(
    ("validator", "message"),
    [
        (broken, "raised an exception for SRV host h: KeyError"),
        (vague, "must return a bool for SRV host h, not str"),
        (lambda host: False, "h was rejected by srv_host_validator"),
    ],
)
def test_what_a_function_of_ones_own_does_wrong_is_told(validator: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        verified_hosts(SrvOptions("x.y.z", host_validator=validator), [("h", 1)])


def test_one_bad_host_spoils_the_first_look_up() -> None:
    srv = SrvOptions("cluster.example.com")
    bad = ("evil.example.org", 1)
    assert verified_hosts(srv, [*HOSTS, HOSTS[0]]) == HOSTS
    with pytest.raises(ConfigurationError, match="evil"):
        verified_hosts(srv, [*HOSTS, bad])
    assert usable_hosts(srv, [*HOSTS, bad, HOSTS[0]]) == HOSTS


def test_there_must_be_a_host() -> None:
    with pytest.raises(ConfigurationError, match="no SRV record"):
        verified_hosts(SrvOptions("x.y.z"), [])


@pytest.mark.parametrize(
    ("limit", "expected"), [(0, [A, B, C]), (3, [A, B, C]), (4, [A, B, C]), (2, [A, B])]
)
def test_the_limit_chooses_among_the_hosts(limit: int, expected: list[Address]) -> None:
    assert choose_hosts([A, B, C], limit, first) == expected


# --- TXT records --------------------------------------------------------------------------------


def test_a_txt_record_sets_options() -> None:
    assert read_txt([]) == {}
    assert read_txt(["replicaSet=rs&authSource=there"]) == {
        "replicaset": "rs",
        "authsource": "there",
    }
    assert read_txt(["loadBalanced=true"]) == {"loadbalanced": True}


@pytest.mark.parametrize(
    "records",
    [["a=b"], ["ssl=false"], ["authSource=x&w=2"], ["authSource=x", "replicaSet=y"], [""]],
)
def test_a_txt_record_must_not_say_more(records: list[str]) -> None:
    with pytest.raises(ConfigurationError, match="TXT"):
        read_txt(records)


@pytest.mark.parametrize("text", ["authSource", "authSource="])
def test_a_txt_record_must_be_well_formed(text: str) -> None:
    with pytest.raises(InvalidURI):
        read_txt([text])


# --- polling ------------------------------------------------------------------------------------


def topology(*addresses: Address, kind: TopologyKind = TopologyKind.SHARDED) -> TopologyDescription:
    return TopologyDescription(
        kind, servers={a: ServerDescription.unknown(a) for a in addresses}, seed_count=2
    )


def test_records_hold_for_a_minute_at_least() -> None:
    assert rescan_delay(0) == rescan_delay(59) == 60
    assert rescan_delay(61) == 61


def test_only_mongoses_are_looked_up_again() -> None:
    assert is_polled(TopologyDescription.empty())
    assert is_polled(topology(A))
    assert not is_polled(initial_topology([A], replica_set="rs"))
    assert not is_polled(initial_topology([A], load_balanced=True))
    left_alone = topology(A, kind=TopologyKind.REPLICA_SET_WITH_PRIMARY)
    assert apply_hosts(left_alone, [B], 0, first) == Change(left_alone)


def test_hosts_come_and_go() -> None:
    before = topology(A, B)
    change = apply_hosts(before, [B, C], 0, first)
    assert list(change.topology.servers) == [B, C]
    assert change.topology.servers[B] is before.servers[B]
    assert change.effects == (
        OpenServer(C),
        CloseServer(A),
        TopologyChanged(before, change.topology),
    )


def test_the_same_hosts_change_nothing() -> None:
    before = topology(A, B)
    assert apply_hosts(before, [B, A], 0, first) == Change(before)
    assert apply_hosts(before, [B, A, C], 2, first) == Change(before)


@pytest.mark.parametrize(
    ("limit", "listed", "expected"),
    [
        (2, [A, C, D], [A, C]),
        (3, [A, C, D], [A, C, D]),
        (4, [A, C, D], [A, C, D]),
        (2, [C, D], [C, D]),
        (1, [B], [B]),
    ],
)
def test_the_limit_keeps_the_hosts_that_are_known(
    limit: int, listed: list[Address], expected: list[Address]
) -> None:
    change = apply_hosts(topology(A, B), listed, limit, first)
    assert list(change.topology.servers) == expected
