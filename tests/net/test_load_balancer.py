"""A load balancer, played by one scripted server: each connection says which server it reached."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from bson.objectid import ObjectId
from pymongo.errors import AutoReconnect, OperationFailure
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandStartedEvent,
    CommandSucceededEvent,
    ConnectionClosedEvent,
    PoolClearedEvent,
)

from tests.support.fix_doors import Door
from tests.support.fix_hub import Client, Connect
from tests.support.fix_leaks import wait_until
from tests.support.fix_scripted import (
    MONGOS,
    Answer,
    Document,
    Gate,
    Received,
    ScriptedServer,
    hang_up,
)
from tests.support.listeners import Recorder
from tests.support.scripted_store import failure

SERVICES = [ObjectId(), ObjectId()]


def service_of(number: int) -> ObjectId:
    """Return the server that the connection with this number reaches: they take turns."""
    return SERVICES[(number - 1) % 2]


@pytest.fixture
def recorder() -> Recorder:
    return Recorder("commands", "pools")


@pytest.fixture
def balanced(scripted_server: ScriptedServer) -> ScriptedServer:
    def hello(received: Received) -> Document:
        reply = scripted_server.hello_reply(received)
        return {**reply, **MONGOS, "serviceId": service_of(received.connection.number)}

    scripted_server.on("hello", hello)
    return scripted_server


@pytest.fixture
def client(balanced: ScriptedServer, client_of: Connect, recorder: Recorder) -> Client:
    return client_of(
        f"mongodb://{balanced.host}/?loadBalanced=true",
        event_listeners=recorder.listeners,
        retryReads=False,
        maxPoolSize=4,
    )


def open_both(client: Client, server: ScriptedServer, door: Door) -> None:
    """Open a connection to each server, so that the one to the second is used next."""
    gate = Gate()
    server.on("ping", Answer(manner=gate))
    calls: list[Callable[..., Any]] = []
    for number in (1, 2):
        calls.append(door.spawn(lambda: client.admin.command("ping")))
        gate.wait_for_waiting(number)
    gate.open()
    for call in calls:
        call()
    server.on("ping", {})


def numbers_used(server: ScriptedServer) -> list[int]:
    return [each.connection.number for each in server.commands("ping")]


def test_a_network_error_clears_the_connections_to_its_server_alone(
    client: Client, balanced: ScriptedServer, recorder: Recorder, door: Door
) -> None:
    open_both(client, balanced, door)
    broken = []

    def break_it(received: Received) -> Answer:
        broken.append(received.connection.number)
        return Answer(manner=hang_up)

    balanced.on("find", break_it)
    with pytest.raises(AutoReconnect):
        client.test.c.find_one()
    (number,) = broken
    (cleared,) = recorder.of(PoolClearedEvent)
    assert cleared.service_id == service_of(number)
    assert not cleared.interrupt_connections
    # The pool was not paused, and the connection to the other server was not closed.
    client.admin.command("ping")
    assert numbers_used(balanced)[-1] == 3 - number
    closed = recorder.of(ConnectionClosedEvent)
    assert [(each.connection_id, each.reason) for each in closed] == [(number, "error")]
    assert "PoolReady" not in recorder.names[recorder.names.index("PoolCleared") :]


def test_idle_connections_to_a_server_that_shuts_down_are_closed(
    client: Client, balanced: ScriptedServer, recorder: Recorder, door: Door
) -> None:
    open_both(client, balanced, door)
    gate = Gate()
    balanced.on("ping", Answer(manner=gate))
    calls: list[Callable[..., Any]] = []
    for waiting in (1, 2, 3):
        calls.append(door.spawn(lambda: client.admin.command("ping")))
        gate.wait_for_waiting(waiting)
    gate.open()
    for call in calls:
        call()
    asked = []

    def shut_down(received: Received) -> Document:
        asked.append(received.connection.number)
        return failure(91, "ShutdownInProgress", "going away")

    balanced.on("find", shut_down)
    with pytest.raises(AutoReconnect):
        client.test.c.find_one()
    service = service_of(asked[0])
    stale = {number for number in (1, 2, 3) if service_of(number) == service}
    assert {each.connection_id for each in recorder.of(ConnectionClosedEvent)} == stale
    assert [each.service_id for each in recorder.of(PoolClearedEvent)] == [service]
    balanced.on("ping", {})
    client.admin.command("ping")
    assert numbers_used(balanced)[-1] in {1, 2, 3} - stale


def test_an_error_on_a_connection_that_is_stale_already_clears_nothing_more(
    client: Client, balanced: ScriptedServer, recorder: Recorder, door: Door
) -> None:
    gate = Gate()
    balanced.on("ping", Answer(manner=gate))
    calls: list[Callable[..., Any]] = []
    for number in (1, 2, 3):
        calls.append(door.spawn(lambda: client.admin.command("ping")))
        gate.wait_for_waiting(number)
    for number in (1, 3):  # both reached the first server
        balanced.kill(number)
    wait_until(lambda: gate.waiting == 1)
    gate.open()
    failed = 0
    for call in calls:
        try:
            call()
        except AutoReconnect:
            failed += 1
    assert failed == 2
    assert [each.service_id for each in recorder.of(PoolClearedEvent)] == [SERVICES[0]]


def test_an_error_before_the_server_is_known_clears_nothing(
    client: Client, balanced: ScriptedServer, recorder: Recorder, door: Door
) -> None:
    client.admin.command("ping")
    gate = Gate()
    balanced.script("ping", Answer(manner=gate))
    call = door.spawn(lambda: client.admin.command("ping"))
    wait_until(lambda: gate.waiting)
    balanced.script("hello", Answer(manner=hang_up))
    with pytest.raises(AutoReconnect):
        client.admin.command("ping")
    assert not recorder.of(PoolClearedEvent)
    gate.open()
    call()
    client.admin.command("ping")
    assert numbers_used(balanced)[-1] == 1


def test_a_failed_login_clears_the_connections_to_the_server_that_was_reached(
    balanced: ScriptedServer, client_of: Connect, recorder: Recorder
) -> None:
    client = client_of(
        f"mongodb://me:secret@{balanced.host}/?loadBalanced=true",
        event_listeners=recorder.listeners,
        retryReads=False,
    )
    balanced.on("saslStart", Answer(manner=hang_up))
    with pytest.raises(AutoReconnect):
        client.admin.command("ping")
    assert [each.service_id for each in recorder.of(PoolClearedEvent)] == [SERVICES[0]]
    started = recorder.of(CommandStartedEvent)
    assert [each.service_id for each in started] == [SERVICES[0]]


def test_a_connection_whose_server_is_cleared_while_it_logs_in_is_not_used(
    balanced: ScriptedServer, client_of: Connect, recorder: Recorder, door: Door
) -> None:
    client = client_of(
        f"mongodb://me:secret@{balanced.host}/?loadBalanced=true&authMechanism=PLAIN",
        event_listeners=recorder.listeners,
        retryReads=False,
    )
    balanced.on(
        "hello",
        lambda received: {**balanced.hello_reply(received), **MONGOS, "serviceId": SERVICES[0]},
    )
    gates = Gate(), Gate()
    balanced.script("saslStart", {"done": True}, Answer({"done": True}, gates[0]))
    balanced.script("find", Answer(manner=gates[1]))
    first = door.spawn(client.test.c.find_one)
    wait_until(lambda: gates[1].waiting)
    second = door.spawn(lambda: client.admin.command("ping"))
    wait_until(lambda: gates[0].waiting)
    balanced.kill(1)
    with pytest.raises(AutoReconnect):
        first()
    balanced.on("saslStart", {"done": True})
    gates[0].open()
    second()
    assert numbers_used(balanced) == [3]
    closed = {each.connection_id: each.reason for each in recorder.of(ConnectionClosedEvent)}
    assert closed == {1: "error", 2: "stale"}


def test_commands_tell_which_server_they_went_to(
    client: Client, balanced: ScriptedServer, recorder: Recorder
) -> None:
    balanced.script("ping", {}, failure(8, "UnknownError", "no"))
    client.admin.command("ping")
    with pytest.raises(OperationFailure):
        client.admin.command("ping")
    kinds: list[Any] = [CommandStartedEvent, CommandSucceededEvent, CommandFailedEvent]
    found = [[each.service_id for each in recorder.of(kind)] for kind in kinds]
    assert found == [SERVICES[:1] * 2, SERVICES[:1], SERVICES[:1]]


def test_without_a_load_balancer_there_is_no_service(
    balanced: ScriptedServer, client_of: Connect, recorder: Recorder
) -> None:
    client = client_of(balanced.uri, event_listeners=recorder.listeners, retryReads=False)
    balanced.on("find", Answer(manner=hang_up))
    with pytest.raises(AutoReconnect):
        client.test.c.find_one()
    assert [each.service_id for each in recorder.of(CommandStartedEvent)] == [None]
    assert [each.service_id for each in recorder.of(PoolClearedEvent)] == [None]
