"""Checks what the DNS tells of a `mongodb+srv://` URI, asked from a server of our own."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dns.resolver
import pytest
from pymongo.errors import ConfigurationError

from greenmongo._core.options import ClientOptions
from greenmongo._core.types import format_address
from greenmongo._net.seed_list import SeedList
from tests.support.fix_dns import DnsServer, resolver_of

__all__ = ["check_seed_list", "facts_of_uri"]

_FOLDER = "source/initial-dns-seedlist-discovery/tests"
_SRV = re.compile(r"^(\S+?)\.?\s+\d+\s+IN SRV\s+(\d+)\s+(\S+?)\.?\s*$", re.MULTILINE)
_TXT = re.compile(r"^(\S+?)\.?\s+\d+\s+IN TXT\s+(\".*\")\s*$", re.MULTILINE)
# One record in the table, two in the file that asks for it.
_MISSING = {"_customname._tcp.test22.test.build.10gen.cc": [27018]}


def _source(options: ClientOptions) -> str | None:
    return None if options.credentials is None else options.credentials.source


def _limit(options: ClientOptions) -> int | None:
    return None if options.srv is None else options.srv.max_hosts


def _service(options: ClientOptions) -> str | None:
    return None if options.srv is None else options.srv.service_name


_MEANING: Mapping[str, Callable[[ClientOptions], Any]] = {
    "authSource": _source,
    "directConnection": lambda options: options.direct_connection,
    "loadBalanced": lambda options: options.load_balanced,
    "replicaSet": lambda options: options.replica_set,
    "srvMaxHosts": _limit,
    "srvServiceName": _service,
    "ssl": lambda options: options.tls is not None,
}


def check_seed_list(test: dict[str, Any]) -> None:
    """Check hosts, options and user of a URI, or that it is refused. On the hub thread."""
    with _dns():
        if test.get("error"):
            with pytest.raises((ConfigurationError, ValueError)):
                _look_up(test["uri"], {})
            return
        user = test.get("parsed_options", {})
        # Only a user makes a difference of the source it is looked up in.
        login = {} if "user" in user else {"username": "u", "password": "p"}
        options = _look_up(test["uri"], login)
    seeds = sorted(map(format_address, options.seeds))
    assert seeds == sorted(test.get("seeds", seeds))
    assert len(seeds) == test.get("numSeeds", len(seeds))
    for name, expected in test.get("options", {}).items():
        assert (name, _MEANING[name](options)) == (name, expected)
    found = facts_of_uri(options)
    assert {name: found[name] for name in user} == user


def facts_of_uri(options: ClientOptions) -> dict[str, str | None]:
    """Return what the files call `parsed_options`, under every name that they have for it."""
    credentials, database = options.credentials, options.default_database
    return {
        "user": None if credentials is None else credentials.username,
        "password": None if credentials is None else credentials.password,
        "db": database,
        "auth_database": database,
        "defaultDatabase": database,
    }


def _look_up(uri: str, login: dict[str, Any]) -> ClientOptions:
    options = ClientOptions.build(uri, **login)
    if options.srv is None:
        return options
    found: list[ClientOptions] = []
    seed_list = SeedList(
        options, options.srv, begin=found.append, is_watched=lambda: False, update=list
    )
    seed_list.wait(10)
    (resolved,) = found
    return resolved


@contextmanager
def _dns() -> Iterator[None]:
    """Make dnspython ask a server that has the records of the specification."""
    previous = dns.resolver.default_resolver
    with DnsServer() as server:
        _fill(server)
        dns.resolver.default_resolver = resolver_of(server)
        try:
            yield
        finally:
            dns.resolver.default_resolver = previous


def _fill(server: DnsServer) -> None:
    folder = Path(os.environ["GREENMONGO_SPECS"]) / _FOLDER
    # Upstream the records are a table in the text that explains the tests.
    tables = [path for name in ("records.txt", "README.md") if (path := folder / name).exists()]
    text = tables[0].read_text(encoding="utf-8")
    hosts: dict[str, list[str]] = {}
    for name, port, host in _SRV.findall(text):
        hosts.setdefault(name, []).append(f"{host}:{port}")
    for name, ports in _MISSING.items():
        host = hosts[name][0].partition(":")[0]
        hosts[name] = list(dict.fromkeys([*hosts[name], *(f"{host}:{port}" for port in ports)]))
    for name, listed in hosts.items():
        server.set_srv(name, *listed)
    texts: dict[str, list[str]] = {}
    for name, record in _TXT.findall(text):
        texts.setdefault(name, []).append(record)
    for name, records in texts.items():
        server.set(name, "TXT", *records)
