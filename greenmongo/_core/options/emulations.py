"""Services that speak MongoDB's protocol and are something else, known by their host names."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["emulation_notice"]

_SERVICES = (
    ("CosmosDB", "cosmosdb", (".cosmos.azure.com",)),
    ("DocumentDB", "documentdb", (".docdb.amazonaws.com", ".docdb-elastic.amazonaws.com")),
)


def emulation_notice(hosts: Iterable[str]) -> str | None:
    """Return what to tell whoever connects to such a service, in PyMongo's words."""
    for host in hosts:
        for name, page, suffixes in _SERVICES:
            if host.lower().endswith(suffixes):
                return (
                    f"You appear to be connected to a {name} cluster. For more information "
                    "regarding feature compatibility and support please visit "
                    f"https://www.mongodb.com/supportability/{page}"
                )
    return None
