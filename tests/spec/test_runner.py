"""The runner itself: it finds every file, sees what differs, and its list of exceptions is true."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.spec.cases import Case, UnifiedCase, collect
from tests.spec.conftest import OWN_DATA, RunCase, RunUnified, specifications
from tests.spec.exceptions import EXCEPTIONS
from tests.spec.unified.outcomes import Mismatch

COLLECTED = collect(OWN_DATA)


def test_every_file_becomes_cases() -> None:
    files = {file.relative_to(OWN_DATA / "source").as_posix() for file in OWN_DATA.rglob("*.json")}
    of_cases = {case.path for case in COLLECTED.cases}
    assert of_cases | {case.path for case in COLLECTED.unified} == files
    assert not COLLECTED.left_out


def test_files_for_a_live_server_are_known_by_their_format(tmp_path: Path) -> None:
    tests = tmp_path / "source" / "connection-string" / "tests"
    tests.mkdir(parents=True)
    file = {"schemaVersion": "1.0", "tests": [{"description": "one"}, {"description": "two"}]}
    (tests / "unified.json").write_text(json.dumps(file))
    found = collect(tmp_path)
    assert not found.cases
    assert [case.name for case in found.unified] == ["one", "two"]
    assert found.unified[0].suite == "connection-string"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("bson-corpus/tests/top.json", "{}"),
        ("unified-test-format/tests/invalid/a.json", '{"schemaVersion": "1.0", "tests": []}'),
        ("crud/tests/broken.json", "{"),
    ],
)
def test_files_that_nothing_here_can_run_are_counted(tmp_path: Path, path: str, text: str) -> None:
    file = tmp_path / "source" / path
    file.parent.mkdir(parents=True)
    file.write_text(text)
    found = collect(tmp_path)
    assert not found.cases
    assert not found.unified
    assert found.left_out == {path.split("/")[0]: 1}


def test_another_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="not laid out like the specifications"):
        collect(tmp_path)


def test_each_exception_names_a_test() -> None:
    found = collect(specifications())
    cases: list[Case | UnifiedCase] = [*found.cases, *found.unified]
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
        (
            "standalone_found",
            ["phases", 0, "outcome", "events", 2, "server_opening_event", "address"],
        ),
        ("standalone_found", ["phases", 0, "outcome", "events"]),
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


UNIFIED_PLACES: dict[str, list[list[Any]]] = {
    "A document is inserted": [
        ["operations", 0, "arguments", "document", "grams"],
        ["operations", 1, "expectResult", 0, "name"],
        ["operations", 2, "expectResult", "grams"],
        ["operations", 5, "expectResult"],
        ["expectEvents", 0, "events", 0, "commandStartedEvent", "databaseName"],
        ["expectEvents", 0, "events", 1, "commandSucceededEvent", "reply", "n"],
        ["outcome", 0, "documents", 1, "grams"],
    ],
    "A key that is there already": [
        ["operations", 0, "expectError", "errorCode"],
        ["operations", 0, "expectError", "errorContains"],
        ["operations", 0, "expectError", "isClientError"],
        ["expectEvents", 0, "events"],
    ],
    "The messages of one command": [
        ["expectLogMessages", 0, "messages", 0, "level"],
        ["expectLogMessages", 0, "messages", 1, "data", "commandName"],
    ],
    "A failure is told": [["expectLogMessages", 0, "messages", 0, "failureIsRedacted"]],
    "A read whose connection breaks": [
        ["operations", 3, "arguments", "count"],
        ["expectEvents", 1, "events", 1, "connectionClosedEvent", "reason"],
    ],
}


@pytest.mark.live
@pytest.mark.parametrize("spec_api", ["blocking"], indirect=True)
@pytest.mark.parametrize(
    ("start", "path"),
    [
        pytest.param(start, path, id=f"{start}: {path[-1]}")
        for start, places in UNIFIED_PLACES.items()
        for path in places
    ],
)
def test_a_difference_is_noticed_in_live_tests(
    start: str, path: list[Any], run_unified: RunUnified, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.spec.unified.play.SOON", 0.2)
    (case,) = (case for case in COLLECTED.unified if case.name.startswith(start))
    test = deepcopy(case.test)
    holder, key = _leaf(test, path)
    holder[key] = _changed(holder[key])
    with pytest.raises((Mismatch, KeyError)):
        run_unified(replace(case, test=test))
