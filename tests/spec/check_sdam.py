"""Checks what a client learns of its deployment, phase after phase."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from tests.spec.hooks_sdam import SdamHooks, SdamRun
from tests.spec.server_types import known_type

__all__ = ["check_discovery"]

_TOPOLOGY_FACTS = ("logicalSessionTimeoutMinutes", "maxSetVersion", "maxElectionId", "compatible")
# Where several servers come or go at once, their order means nothing.
_UNORDERED = ("server_opening_event", "server_closed_event")


def check_discovery(test: dict[str, Any]) -> None:
    """Play the replies and errors of each phase, and compare what is known after it."""
    run = SdamHooks().sdam(test["uri"])
    for number, phase in enumerate(test["phases"], 1):
        _play(run, phase)
        outcome = phase["outcome"]
        try:
            if "events" in outcome:
                _check_events(outcome["events"], run.events())
            else:
                _check_view(outcome, run.view())
        except AssertionError as error:
            raise AssertionError(f"phase {number}: {error}") from None


def _play(run: SdamRun, phase: dict[str, Any]) -> None:
    for address, reply in phase.get("responses") or ():
        run.hello(address, reply or None)
    for error in phase.get("applicationErrors") or ():
        run.application_error(
            error["address"],
            error["type"],
            error["when"],
            error["maxWireVersion"],
            error.get("generation"),
            error.get("response"),
        )


def _check_view(expected: dict[str, Any], found: dict[str, Any]) -> None:
    assert found["topologyType"] == expected["topologyType"], "topologyType"
    assert found["setName"] == expected.get("setName"), "setName"
    for name in _TOPOLOGY_FACTS:
        if name in expected:
            assert found[name] == expected[name], name
    assert sorted(found["servers"]) == sorted(expected["servers"]), "servers"
    for address, facts in expected["servers"].items():
        for name, value in facts.items():
            _check_server_fact(f"{address}: {name}", name, value, found["servers"][address][name])


def _check_server_fact(what: str, name: str, expected: Any, found: Any) -> None:
    if name == "type":
        expected = known_type(expected)
    elif name == "error":
        assert expected.lower() in str(found).lower(), what
        return
    elif name in ("minWireVersion", "maxWireVersion") and expected is None:
        return  # unset; what stands for it is up to the driver
    assert found == expected, f"{what}: expected {expected!r}, not {found!r}"


def _check_events(expected: list[dict[str, Any]], found: list[dict[str, Any]]) -> None:
    assert [_kind(event) for event in found] == [_kind(event) for event in expected], "events"
    for want, have in zip(_in_order(expected), _in_order(found), strict=True):
        kind = _kind(want)
        for name, value in want[kind].items():
            if name != "topologyId":
                _check_event_fact(f"{kind}: {name}", value, have[kind][name])


def _check_event_fact(what: str, expected: Any, found: Any) -> None:
    """Compare as much of a description as the file gives."""
    if not isinstance(expected, dict):
        assert found == expected, f"{what}: expected {expected!r}, not {found!r}"
        return
    for name, value in expected.items():
        if name == "servers":
            theirs, ours = _by_address(value), _by_address(found[name])
            assert ours.keys() == theirs.keys(), f"{what}: servers"
            for address, server in theirs.items():
                _check_event_fact(f"{what}: {address}", server, ours[address])
        elif name == "type":
            _check_event_fact(f"{what}: {name}", known_type(value), found[name])
        elif isinstance(value, list):
            assert sorted(found[name]) == sorted(value), f"{what}: {name}"
        else:
            _check_event_fact(f"{what}: {name}", value, found.get(name))


def _in_order(events: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for kind, group in groupby(events, key=_kind):
        if kind in _UNORDERED:
            yield from sorted(group, key=lambda event: str(next(iter(event.values()))["address"]))
        else:
            yield from group


def _kind(event: dict[str, Any]) -> str:
    (kind,) = event
    return kind


def _by_address(servers: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {server["address"]: server for server in servers}
