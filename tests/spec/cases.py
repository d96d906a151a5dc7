"""Finds the specification's test files and makes cases of them.

A directory is laid out like the specifications repository: `ROOT/source/SUITE/tests/...json`.
Files in the unified format describe operations on a live server; each of the others has a check.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bson import json_util
from bson.errors import BSONError

from tests.spec.check_pool import check_pool
from tests.spec.check_sdam import check_discovery
from tests.spec.check_seed_list import check_seed_list
from tests.spec.check_selection import check_in_window, check_round_trip_time, check_selection
from tests.spec.check_uri import (
    check_concern,
    check_concerns_of_uri,
    check_connection_string,
    check_credential,
)

__all__ = ["Case", "Collected", "UnifiedCase", "collect"]


@dataclass(frozen=True)
class Case:
    """One test of the specification."""

    suite: str
    path: str
    """Of its file, below `source/`."""
    name: str
    document: dict[str, Any] = field(repr=False)
    check: Callable[[dict[str, Any]], None] = field(repr=False)
    is_hubside: bool = False
    """To be run on the hub thread."""

    def run(self) -> None:
        """Raise AssertionError, or whatever went wrong, if we do not do as the file says."""
        self.check(self.document)


@dataclass(frozen=True)
class UnifiedCase:
    """One test of the unified format, which takes a live server."""

    path: str
    """Of its file, below `source/`."""
    name: str
    file: dict[str, Any] = field(repr=False)
    test: dict[str, Any] = field(repr=False)

    @property
    def suite(self) -> str:
        """The suite that the file belongs to."""
        return self.path.split("/")[0]

    @property
    def must_fail(self) -> bool:
        """Whether the test is there to show that the runner notices what is wrong."""
        return self.path.startswith("unified-test-format/tests/valid-fail/")


@dataclass(frozen=True)
class Collected:
    """What was found below a directory."""

    cases: list[Case]
    unified: list[UnifiedCase]
    left_out: Counter[str]
    """How many files of each suite nothing here can run."""


@dataclass(frozen=True)
class _Suite:
    folder: str
    """Below `source/`."""
    name: str
    check: Callable[[dict[str, Any]], None]
    is_hubside: bool = False


# The first folder that fits counts.
_SUITES = (
    _Suite("auth/tests/legacy", "auth", check_credential),
    _Suite(
        "connection-monitoring-and-pooling/tests/cmap-format",
        "connection pools",
        check_pool,
        is_hubside=True,
    ),
    _Suite("connection-string/tests", "connection-string", check_connection_string),
    _Suite("initial-dns-seedlist-discovery/tests", "seed list", check_seed_list, is_hubside=True),
    _Suite("max-staleness/tests", "max-staleness", check_selection),
    _Suite(
        "read-write-concern/tests/connection-string", "read-write-concern", check_concerns_of_uri
    ),
    _Suite("read-write-concern/tests/document", "read-write-concern", check_concern),
    _Suite("server-discovery-and-monitoring/tests/errors", "sdam errors", check_discovery),
    _Suite(
        "server-discovery-and-monitoring/tests/load-balanced", "sdam load-balanced", check_discovery
    ),
    _Suite("server-discovery-and-monitoring/tests/monitoring", "sdam events", check_discovery),
    _Suite("server-discovery-and-monitoring/tests/rs", "sdam replica set", check_discovery),
    _Suite("server-discovery-and-monitoring/tests/sharded", "sdam sharded", check_discovery),
    _Suite("server-discovery-and-monitoring/tests/single", "sdam single", check_discovery),
    _Suite("server-selection/tests/in_window", "server-selection in window", check_in_window),
    _Suite("server-selection/tests/rtt", "server-selection rtt", check_round_trip_time),
    _Suite("server-selection/tests/server_selection", "server-selection", check_selection),
    _Suite("uri-options/tests", "uri-options", check_connection_string),
)


def collect(root: Path) -> Collected:
    """Return the cases of every file below `root/source` that one of our suites covers.

    Raises:
        FileNotFoundError: there is no `root/source`.
    """
    source = root / "source"
    if not source.is_dir():
        raise FileNotFoundError(f"{root} is not laid out like the specifications: no {source}")
    cases: list[Case] = []
    unified: list[UnifiedCase] = []
    left_out: Counter[str] = Counter()
    for file in sorted(source.rglob("*.json")):
        path = file.relative_to(source).as_posix()
        document = _read(file)
        suite = next((suite for suite in _SUITES if path.startswith(suite.folder + "/")), None)
        if _is_unified(path, document):
            unified += [UnifiedCase(path, t["description"], document, t) for t in document["tests"]]
        elif suite is not None and isinstance(document, dict):
            cases += _cases(suite, path, document)
        else:
            left_out[path.split("/")[0]] += 1
    return Collected(cases, unified, left_out)


def _read(file: Path) -> Any:
    """Return a file's document; None if it is not even JSON."""
    try:
        return json_util.loads(file.read_text(encoding="utf-8"))
    except (ValueError, BSONError):
        return None


def _is_unified(path: str, document: Any) -> bool:
    # Files that are invalid by the format's schema are for runners that check it.
    return (
        isinstance(document, dict)
        and "schemaVersion" in document
        and isinstance(document.get("tests"), list)
        and not path.startswith("unified-test-format/tests/invalid/")
    )


def _cases(suite: _Suite, path: str, document: dict[str, Any]) -> Iterator[Case]:
    """Take apart a file with many tests; others are one test as a whole."""
    tests = document.get("tests", [document])
    for test in tests:
        name = test.get("description", "as the file says")
        yield Case(suite.name, path, name, test, suite.check, suite.is_hubside)
