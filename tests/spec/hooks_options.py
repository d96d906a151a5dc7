"""The options of a client as the specification's connection string tests want to see them.

Plain functions from plain data to plain data; a runner of the `connection-string`, `uri-options`,
`auth` and `read-write-concern` tests calls them. Invalid input raises.
"""

from __future__ import annotations

import warnings
from typing import Any
from urllib.parse import unquote_plus

from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from greenmongo._core.options import ClientOptions
from greenmongo._core.options.connection_string import read_uri
from greenmongo._core.options.table import OPTIONS, documented_name

__all__ = [
    "concerns_from_uri",
    "credential",
    "parse_uri",
    "read_concern",
    "write_concern",
]


def parse_uri(uri: str) -> dict[str, Any]:
    """Return hosts, user, database, options as the tests spell them, and whether it warned."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        parsed = read_uri(uri)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # For what only all options together show. Who logs in is another suite's business.
        ClientOptions.build(uri, username="u", password="p", authMechanism="DEFAULT")
    return {
        "hosts": [{"host": host, "port": port} for host, port in parsed.seeds],
        "username": parsed.username,
        "password": parsed.password,
        "db": _database_name(uri, parsed.database),
        "options": {
            documented_name(name): _as_given(name, it) for name, it in parsed.options.items()
        },
        "warning": bool(caught),
    }


def _database_name(uri: str, database: str | None) -> str | None:
    """Return what stands for the database in a connection string, dots included."""
    path = uri.partition("?")[0].partition("://")[2].partition("/")[2]
    # What follows a dot is a collection to PyMongo. Nobody ever used it, so ours drops it.
    _, dot, collection = unquote_plus(path).partition(".")
    return f"{database}{dot}{collection}" if database else database


def _as_given(name: str, value: Any) -> Any:
    if OPTIONS[name].is_kept_in_seconds and value is not None:
        return round(value * 1000)
    return value


def credential(uri: str) -> dict[str, Any] | None:
    """Return the credential a connection string stands for."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = ClientOptions.build(uri).credentials
    if found is None:
        return None
    return {
        "username": found.username,
        "password": found.password,
        "source": found.source,
        "mechanism": found.mechanism,
        "mechanism_properties": dict(found.mechanism_properties) or None,
    }


def concerns_from_uri(uri: str) -> dict[str, Any]:
    """Return the concerns a connection string sets, under the tests' names."""
    options = ClientOptions.build(uri)
    names = {"w": "w", "wtimeout": "wtimeoutMS", "j": "journal"}
    return {
        "readConcern": options.read_concern.document,
        "writeConcern": {
            names[name]: value for name, value in options.write_concern.document.items()
        },
    }


def read_concern(document: dict[str, Any]) -> dict[str, Any]:
    """Return what is sent to the server for a read concern."""
    concern = ReadConcern(document.get("level"))
    return {"document": concern.document, "is_server_default": concern.level is None}


def write_concern(document: dict[str, Any]) -> dict[str, Any]:
    """Return what is sent to the server for a write concern."""
    concern = WriteConcern(
        document.get("w"), wtimeout=document.get("wtimeoutMS"), j=document.get("journal")
    )
    return {
        "document": concern.document,
        "is_server_default": concern.is_server_default,
        "is_acknowledged": concern.acknowledged,
    }
