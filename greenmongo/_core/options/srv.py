"""The decisions behind `mongodb+srv://`: which records count, and what follows from them.

Initial DNS Seedlist Discovery and Polling SRV Records, as values; `_net.seed_list` asks the DNS.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pymongo.errors import ConfigurationError

from greenmongo._core.options.table import documented_name
from greenmongo._core.options.validation import read_uri_options
from greenmongo._core.sdam.kinds import TopologyKind
from greenmongo._core.sdam.server_description import ServerDescription
from greenmongo._core.sdam.topology_description import TopologyDescription
from greenmongo._core.sdam.transitions import Change, CloseServer, OpenServer, TopologyChanged

if TYPE_CHECKING:
    from greenmongo._core.types import Address

__all__ = [
    "TXT_OPTIONS",
    "SrvOptions",
    "apply_hosts",
    "check_name",
    "check_suffix",
    "choose_hosts",
    "is_polled",
    "read_txt",
    "rescan_delay",
    "usable_hosts",
    "verified_hosts",
]

TXT_OPTIONS = frozenset({"authsource", "loadbalanced", "replicaset"})
"""What a TXT record may say."""

MIN_RESCAN_INTERVAL = 60.0
"""Seconds between two look-ups at least, however short-lived the records are."""

_POLLED = frozenset({TopologyKind.UNKNOWN, TopologyKind.SHARDED})
_ENOUGH_LABELS = 3  # host, domain, top-level domain
_SPECIAL_USE = frozenset(
    "corp example home internal invalid local localhost mail test".split()  # noqa: SIM905
)
"""Labels nobody can register, which may therefore stand alone."""

Sample = Callable[[Sequence["Address"], int], Sequence["Address"]]


@dataclass(frozen=True, slots=True)
class SrvOptions:
    """How the hosts behind a `mongodb+srv://` name are found."""

    fqdn: str
    service_name: str = "mongodb"
    max_hosts: int = 0
    """0: all of them."""
    allowed_hosts_suffix: str | None = None
    host_validator: Callable[[str], bool] | None = None
    given: frozenset[str] = frozenset()
    """The options that a TXT record could set, and that were set already."""

    @property
    def query(self) -> str:
        """The name whose SRV records list the hosts."""
        return f"_{self.service_name}._tcp.{self.fqdn}"


def check_name(fqdn: str) -> None:
    """Check that a `mongodb+srv://` URI names a host.

    Raises:
        ConfigurationError: it is an IP address.
    """
    try:
        ipaddress.ip_address(fqdn)
    except ValueError:
        return
    raise ConfigurationError(
        "Invalid URI host: an IP address is not a valid hostname for 'mongodb+srv://'."
        " Did you mean to use 'mongodb://'?"
    )


def check_suffix(suffix: str) -> str:
    """Return `srvAllowedHostsSuffix` as hosts are compared with it.

    Raises:
        ConfigurationError: it is empty, or a whole top-level domain.
    """
    bare = suffix.strip(".")
    try:
        ascii_name = bare.encode("idna").decode("ascii").lower()
    except UnicodeError as error:
        raise ConfigurationError(
            f"srvAllowedHostsSuffix is no domain name, got: {suffix!r}"
        ) from error
    if not ascii_name:
        raise ConfigurationError(f"srvAllowedHostsSuffix must not be empty, got: {suffix!r}")
    if "." not in ascii_name and ascii_name not in _SPECIAL_USE:
        raise ConfigurationError(
            f"srvAllowedHostsSuffix must contain at least two '.' separated labels, got: {suffix!r}"
        )
    return f".{ascii_name}"


def verified_hosts(srv: SrvOptions, hosts: Sequence[Address]) -> list[Address]:
    """Return the hosts of the first look-up.

    Raises:
        ConfigurationError: there is none, or one that does not belong to the domain asked for.
    """
    if not hosts:
        raise ConfigurationError(f"no SRV record of {srv.query!r} names a host")
    for address in hosts:
        problem = _problem_of(srv, address[0])
        if problem is not None:
            raise ConfigurationError(problem)
    return list(dict.fromkeys(hosts))


def usable_hosts(srv: SrvOptions, hosts: Sequence[Address]) -> list[Address]:
    """Return the hosts of a later look-up that may be used; others are left out."""
    return [a for a in dict.fromkeys(hosts) if _problem_of(srv, a[0]) is None]


def _problem_of(srv: SrvOptions, host: str) -> str | None:
    """Return why a record's host must not be connected to, or None."""
    if srv.host_validator is not None:
        return _objection(srv.host_validator, host)
    if srv.allowed_hosts_suffix is not None:
        if host.endswith(srv.allowed_hosts_suffix):
            return None
        return f"Invalid SRV host: {host} does not end with {srv.allowed_hosts_suffix!r}"
    labels = srv.fqdn.split(".")
    # A short name has no host part to leave out, so the whole of it is the domain.
    domain = ".".join(labels[1:] if len(labels) >= _ENOUGH_LABELS else labels)
    if host.endswith(f".{domain}"):
        return None
    return f"Invalid SRV host: {host} is not in the domain {domain!r} of {srv.fqdn}"


def _objection(validator: Callable[[str], bool], host: str) -> str | None:
    """Return what the user's own function has against a host, or None."""
    try:
        verdict: object = validator(host)
    except Exception as error:
        return f"srv_host_validator raised an exception for SRV host {host}: {error!r}"
    if not isinstance(verdict, bool):
        kind = type(verdict).__name__
        return f"srv_host_validator must return a bool for SRV host {host}, not {kind}"
    return None if verdict else f"Invalid SRV host: {host} was rejected by srv_host_validator"


def choose_hosts(hosts: Sequence[Address], max_hosts: int, sample: Sample) -> list[Address]:
    """Return the hosts to use: all, or as many as `srvMaxHosts` says, at random."""
    if not max_hosts or max_hosts >= len(hosts):
        return list(hosts)
    return list(sample(hosts, max_hosts))


def read_txt(records: Sequence[str]) -> dict[str, Any]:
    """Return the options in a name's TXT records, checked, under their lower-case names.

    Raises:
        ConfigurationError: there are several records, or one that says what it must not.
    """
    if not records:
        return {}
    if len(records) > 1:
        raise ConfigurationError(f"Only one TXT record is supported, found {len(records)}")
    for option in records[0].replace(";", "&").split("&"):
        name = option.partition("=")[0]
        if name.lower() not in TXT_OPTIONS:
            allowed = ", ".join(sorted(map(documented_name, TXT_OPTIONS)))
            raise ConfigurationError(f"Only {allowed} may be set from a TXT record, not {name!r}")
    return read_uri_options(records[0])


def is_polled(topology: TopologyDescription) -> bool:
    """Tell whether the records are looked up again: a replica set tells by itself who joins."""
    return topology.kind in _POLLED


def rescan_delay(ttl: float) -> float:
    """Return the seconds until the records are looked up again."""
    return max(MIN_RESCAN_INTERVAL, ttl)


def apply_hosts(
    topology: TopologyDescription, hosts: Sequence[Address], max_hosts: int, sample: Sample
) -> Change:
    """Return the topology with its hosts as the records list them now.

    Args:
        topology: the topology so far.
        hosts: the hosts that may be used; not empty.
        max_hosts: as `srvMaxHosts`; hosts that are known already stay.
        sample: chooses some hosts at random.
    """
    if not is_polled(topology):
        return Change(topology)
    kept = [address for address in topology.servers if address in hosts]
    new = [address for address in hosts if address not in topology.servers]
    if max_hosts:
        new = choose_hosts(new, max_hosts - len(kept), sample) if max_hosts > len(kept) else []
    gone = [address for address in topology.servers if address not in hosts]
    if not new and not gone:
        return Change(topology)
    servers = {address: topology.servers[address] for address in kept}
    servers.update((address, ServerDescription.unknown(address)) for address in new)
    current = replace(topology, servers=servers)
    return Change(
        current,
        (*map(OpenServer, new), *map(CloseServer, gone), TopologyChanged(topology, current)),
    )
