"""Operations of the test runner itself: fail points, threads, and questions to the deployment."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from greenmongo._core.types import format_address
from tests.spec.unified.entities import Entity, wait_until
from tests.spec.unified.expectations import matches_event
from tests.spec.unified.outcomes import Mismatch

if TYPE_CHECKING:
    from tests.spec.unified.play import Play

__all__ = ["OWN_OPERATIONS"]

Arguments = Mapping[str, Any]


def _fail_point(play: Play, arguments: Arguments) -> None:
    command = arguments["failPoint"]
    play.at_end.append(partial(play.deployment.turn_off, command["configureFailPoint"]))
    client = play.api.face(play.entities[arguments["client"]].it)
    client.admin.command(command)


def _targeted_fail_point(play: Play, arguments: Arguments) -> None:
    address = play.api.pinned_address(play.entities.session(arguments["session"]))
    if address is None:
        raise Mismatch(f"{arguments['session']} is not pinned")
    command, host = arguments["failPoint"], format_address(address)
    off = {"configureFailPoint": command["configureFailPoint"], "mode": "off"}
    play.at_end.append(partial(play.deployment.tell, host, off))
    play.deployment.tell(host, command)


def _assert_transaction_state(play: Play, arguments: Arguments) -> None:
    found = play.api.transaction_state(play.entities.session(arguments["session"]))
    if found != arguments["state"]:
        raise Mismatch(f"expected a transaction that is {arguments['state']}, found {found}")


def _is_pinned(play: Play, arguments: Arguments) -> bool:
    return play.api.pinned_address(play.entities.session(arguments["session"])) is not None


def _is_dirty(play: Play, arguments: Arguments) -> bool:
    return play.api.is_dirty(play.entities.session(arguments["session"]))


def _create_entities(play: Play, arguments: Arguments) -> None:
    play.entities.create(arguments["entities"])


def _wait(play: Play, arguments: Arguments) -> None:
    time.sleep(arguments["ms"] / 1000)


def _count(play: Play, arguments: Arguments) -> int:
    events = list(play.entities.observer(arguments["client"]).events)
    return sum(matches_event(arguments["event"], event, play.matcher) for event in events)


def _wait_for_event(play: Play, arguments: Arguments) -> None:
    if not wait_until(lambda: _count(play, arguments) >= arguments["count"]):
        seen = [event["event"] for event in play.entities.observer(arguments["client"]).events]
        raise Mismatch(f"no {arguments['count']} {arguments['event']} among {seen[-30:]}")


def _assert_event_count(play: Play, arguments: Arguments) -> None:
    count = _count(play, arguments)
    if count != arguments["count"]:
        raise Mismatch(f"expected {arguments['count']} {arguments['event']}, found {count}")


def _run_on_thread(play: Play, arguments: Arguments) -> None:
    operation = arguments["operation"]
    worker = play.entities[arguments["thread"]].it
    worker.submit(lambda api: play.perform(operation, api))


def _wait_for_thread(play: Play, arguments: Arguments) -> None:
    play.entities[arguments["thread"]].it.join()


def _last_two_sessions(play: Play, arguments: Arguments) -> tuple[Any, Any]:
    events = play.entities.observer(arguments["client"]).events
    commands = [e["command"] for e in events if e["event"] == "commandStartedEvent"]
    if len(commands) < 2 or not all("lsid" in command for command in commands[-2:]):
        raise Mismatch("the last two commands have no sessions")
    return commands[-2]["lsid"], commands[-1]["lsid"]


def _assert_same_sessions(play: Play, arguments: Arguments) -> None:
    first, second = _last_two_sessions(play, arguments)
    if first != second:
        raise Mismatch("the last two commands have different sessions")


def _assert_different_sessions(play: Play, arguments: Arguments) -> None:
    first, second = _last_two_sessions(play, arguments)
    if first == second:
        raise Mismatch("the last two commands have the same session")


def _has_collection(play: Play, arguments: Arguments) -> bool:
    return play.deployment.has_collection(arguments["databaseName"], arguments["collectionName"])


def _has_index(play: Play, arguments: Arguments) -> bool:
    return play.deployment.has_index(
        arguments["databaseName"], arguments["collectionName"], arguments["indexName"]
    )


def _assertion(
    holds: Callable[[Play, Arguments], bool], *, expected: bool
) -> Callable[[Play, Arguments], None]:
    def check(play: Play, arguments: Arguments) -> None:
        if holds(play, arguments) is not expected:
            raise Mismatch(f"it should {'' if expected else 'not '}be so: {arguments}")

    return check


def _assert_connections_in_use(play: Play, arguments: Arguments) -> None:
    found = play.entities.observer(arguments["client"]).connections_in_use
    if found != arguments["connections"]:
        raise Mismatch(f"expected {arguments['connections']} connections in use, found {found}")


def _record_topology(play: Play, arguments: Arguments) -> None:
    topology = play.entities[arguments["client"]].it.topology_description
    play.entities.add(arguments["id"], Entity("topologyDescription", topology))


def _assert_topology_type(play: Play, arguments: Arguments) -> None:
    found = play.entities[arguments["topologyDescription"]].it.topology_type_name
    if found != arguments["topologyType"]:
        raise Mismatch(f"expected the topology {arguments['topologyType']}, found {found}")


def _primary(topology: Any) -> Any:
    servers = topology.server_descriptions().items()
    return next((a for a, server in servers if server.server_type_name == "RSPrimary"), None)


def _wait_for_primary_change(play: Play, arguments: Arguments) -> None:
    before = _primary(play.entities[arguments["priorTopologyDescription"]].it)
    client = play.entities[arguments["client"]].it

    def has_changed() -> bool:
        return _primary(client.topology_description) not in (None, before)

    if not wait_until(has_changed, arguments.get("timeoutMS", 10_000) / 1000):
        raise Mismatch(f"the primary is still {before}")


OWN_OPERATIONS: Mapping[str, Callable[[Play, Arguments], None]] = {
    "assertCollectionExists": _assertion(_has_collection, expected=True),
    "assertCollectionNotExists": _assertion(_has_collection, expected=False),
    "assertDifferentLsidOnLastTwoCommands": _assert_different_sessions,
    "assertEventCount": _assert_event_count,
    "assertIndexExists": _assertion(_has_index, expected=True),
    "assertIndexNotExists": _assertion(_has_index, expected=False),
    "assertNumberConnectionsCheckedOut": _assert_connections_in_use,
    "assertSameLsidOnLastTwoCommands": _assert_same_sessions,
    "assertSessionDirty": _assertion(_is_dirty, expected=True),
    "assertSessionNotDirty": _assertion(_is_dirty, expected=False),
    "assertSessionPinned": _assertion(_is_pinned, expected=True),
    "assertSessionTransactionState": _assert_transaction_state,
    "assertSessionUnpinned": _assertion(_is_pinned, expected=False),
    "assertTopologyType": _assert_topology_type,
    "createEntities": _create_entities,
    "failPoint": _fail_point,
    "recordTopologyDescription": _record_topology,
    "runOnThread": _run_on_thread,
    "targetedFailPoint": _targeted_fail_point,
    "wait": _wait,
    "waitForEvent": _wait_for_event,
    "waitForPrimaryChange": _wait_for_primary_change,
    "waitForThread": _wait_for_thread,
}
