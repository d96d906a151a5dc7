"""The runner itself: it finds every file, sees what differs, and its list of exceptions is true."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.spec.cases import Case, collect
from tests.spec.conftest import OWN_DATA, RunCase, specifications
from tests.spec.exceptions import EXCEPTIONS

COLLECTED = collect(OWN_DATA)


def test_every_file_becomes_cases() -> None:
    files = {file.relative_to(OWN_DATA / "source").as_posix() for file in OWN_DATA.rglob("*.json")}
    assert {case.path for case in COLLECTED.cases} == files
    assert not COLLECTED.left_out


def test_files_for_a_live_server_are_counted(tmp_path: Path) -> None:
    tests = tmp_path / "source" / "connection-string" / "tests"
    tests.mkdir(parents=True)
    (tests / "unified.json").write_text(json.dumps({"schemaVersion": "1.0", "tests": []}))
    found = collect(tmp_path)
    assert not found.cases
    assert found.left_out == {"connection-string": 1}


def test_another_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="not laid out like the specifications"):
        collect(tmp_path)


def test_each_exception_names_a_test() -> None:
    cases = collect(specifications()).cases
    for exempt in EXCEPTIONS:
        names = [case.name for case in cases if case.path == exempt.path]
        assert not names or any(map(exempt.fits, names)), exempt


def _changed(value: Any) -> Any:
    """Return another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return value + "x"
    if isinstance(value, (int, float)):
        return value + 1
    if isinstance(value, list):
        return [] if value else None
    return None


def _leaf(document: Any, path: list[Any]) -> tuple[Any, Any]:
    for key in path[:-1]:
        document = document[key]
    return document, path[-1]


# A place in a test of each kind where the outcome stands. The change has to be noticed.
PLACES: dict[str, list[tuple[str, list[Any]]]] = {
    "auth": [
        ("authSource comes before the database", ["credential", "source"]),
        ("the default source", ["valid"]),
        ("an empty source", ["valid"]),
        ("GSSAPI with its properties", ["credential", "mechanism_properties", "SERVICE_NAME"]),
    ],
    "connection pools": [
        ("A closed pool", ["error", "type"]),
        ("a-connection-from", ["events", 3, "connectionId"]),
        ("a-connection-from", ["events", 0, "options", "maxPoolSize"]),
        ("a-connection-from", ["events", 10, "reason"]),
        ("Who waits too long", ["events", 1, "reason"]),
        ("a-connection-from", ["events", 9, "type"]),
    ],
    "connection-string": [
        ("several hosts, with and without a port", ["hosts", 1, "port"]),
        ("an IPv6 address next to a name", ["hosts", 0, "host"]),
        ("a Unix domain socket, user and database", ["auth", "db"]),
        ("an unknown option", ["warning"]),
    ],
    "max-staleness": [("ReplicaSetWithPrimary/one_too_stale", ["suitable_servers"])],
    "read-write-concern": [
        ("all of them", ["writeConcern", "wtimeoutMS"]),
        ("a timeout has another name", ["writeConcernDocument", "wtimeout"]),
        ("unacknowledged", ["isAcknowledged"]),
    ],
    "sdam errors": [
        ("News of a step-down", ["phases", 1, "outcome", "topologyType"]),
        (
            "A network error clears",
            ["phases", 1, "outcome", "servers", "a.example:27017", "pool", "generation"],
        ),
    ],
    "sdam events": [
        ("The events", ["phases", 0, "outcome", "events", 2, "server_opening_event", "address"]),
        ("The events", ["phases", 0, "outcome", "events"]),
    ],
    "sdam replica set": [
        ("A primary of", ["phases", 2, "outcome", "servers", "a.example:27017", "error"]),
        ("A primary of", ["phases", 0, "outcome", "setName"]),
        ("A primary of", ["phases", 2, "outcome", "maxSetVersion"]),
    ],
    "server-selection": [("near_secondary", ["in_latency_window"])],
    "server-selection in window": [
        ("Of two", ["outcome", "expected_frequencies", "a.example:27017"])
    ],
    "server-selection rtt": [("next", ["new_avg_rtt"])],
    "uri-options": [
        ("durations, sizes and switches", ["options", "maxIdleTimeMS"]),
        ("names in any letter case", ["options", "replicaSet"]),
    ],
}


def _find(suite: str, start: str) -> Case:
    def fits(case: Case) -> bool:
        return case.suite == suite and (case.name.startswith(start) or start in case.path)

    (case,) = filter(fits, COLLECTED.cases)
    return case


@pytest.mark.parametrize(
    ("suite", "start", "path"),
    [
        pytest.param(suite, start, path, id=f"{suite}: {start}: {path[-1]}")
        for suite, places in PLACES.items()
        for start, path in places
    ],
)
def test_a_difference_is_noticed(
    suite: str, start: str, path: list[Any], run_case: RunCase
) -> None:
    case = _find(suite, start)
    run_case(case)
    document = deepcopy(case.document)
    holder, key = _leaf(document, path)
    holder[key] = _changed(holder[key])
    with pytest.raises((AssertionError, TypeError)):
        run_case(replace(case, document=document))
