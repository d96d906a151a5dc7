"""In which order listeners are notified, and what they may do."""

from __future__ import annotations

from threading import Event

import gevent
import pytest
from pymongo import monitoring

from greenmongo import lowlevel
from greenmongo._hub.background import wait_for_background
from greenmongo._hub.native import get_ident
from greenmongo._net.observers.publisher import Publisher
from tests.support.fix_doors import Door
from tests.support.fix_hub import Client, Connect
from tests.support.fix_leaks import wait_until
from tests.support.fix_scripted import (
    ScriptedServer,
)
from tests.support.listeners import Recorder


def test_a_listener_that_fails_is_reported_and_harms_nobody(
    scripted_server: ScriptedServer, client_of: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(event: object) -> None:
        raise ZeroDivisionError("a mistake in a listener")

    recorder = Recorder(also=fail)
    client = client_of(scripted_server.uri, event_listeners=recorder.listeners)
    client.admin.command("ping")
    client.close()
    assert {"CommandSucceeded", "TopologyClosed"} <= {*recorder.names}
    records = [each for each in caplog.records if each.name == "greenmongo.listeners"]
    assert len(records) == len(recorder.events)
    assert all(each.exc_info is not None for each in records)


def test_a_listener_may_use_the_client(scripted_server: ScriptedServer, client_of: Connect) -> None:
    clients: list[Client] = []

    def use(event: object) -> None:
        if isinstance(event, monitoring.ConnectionCheckedInEvent) and not clients[1:]:
            clients.append(clients[0])
            clients[0].admin.command("whoami")

    recorder = Recorder("commands", "pools", also=use)
    clients.append(client_of(scripted_server.uri, event_listeners=recorder.listeners))
    clients[0].admin.command("ping")
    wait_until(lambda: scripted_server.count("whoami") == 1)
    commands = [each.command_name for each in recorder.of(monitoring.CommandStartedEvent)]
    assert commands == ["ping", "whoami"]


def test_listeners_hear_in_order_and_not_on_the_hub(hub_thread: lowlevel.HubThread) -> None:
    told: list[tuple[int, bool]] = []

    def tell(number: int) -> None:
        told.append((number, get_ident() == hub_thread.ident))

    def put() -> None:
        publisher = Publisher()
        gevent.joinall([gevent.spawn(publisher.put, tell, number) for number in range(5)])

    hub_thread.call(put)
    assert wait_for_background(15.0)
    assert told == [(number, False) for number in range(5)]


def test_a_listener_that_blocks_delays_only_those_behind_it(
    scripted_server: ScriptedServer, client_of: Connect, door: Door
) -> None:
    entered, leave = Event(), Event()

    def block(event: object) -> None:
        if isinstance(event, monitoring.ConnectionCheckedOutEvent):
            entered.set()
            assert leave.wait(15.0)

    recorder = Recorder("pools", also=block)
    client = client_of(scripted_server.uri, event_listeners=recorder.listeners)
    try:
        door.gather(*[lambda: client.admin.command("ping")] * 20)
        assert entered.wait(15.0)
        door.gather(*[lambda: client.admin.command("ping")] * 20)
    finally:
        leave.set()
    assert recorder.names.count("ConnectionCheckedOut") == 40


def test_whoever_closes_a_client_does_not_wait_for_a_listener_that_blocks(
    scripted_server: ScriptedServer,
    client_of: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("greenmongo._net.executor.LISTENERS_TIMEOUT", 0.02)
    leave = Event()

    def block(event: object) -> None:
        assert leave.wait(15.0)

    recorder = Recorder("topologies", also=block)
    client = client_of(scripted_server.uri, event_listeners=recorder.listeners)
    client.admin.command("ping")
    client.close()
    leave.set()
    assert recorder.names[-1] == "TopologyClosed"


def test_whoever_has_closed_a_client_has_heard_of_it(
    scripted_server: ScriptedServer, client_of: Connect, door: Door
) -> None:
    told: list[object] = []
    recorder = Recorder("topologies", also=told.append)
    client = client_of(scripted_server.uri, event_listeners=recorder.listeners)
    door.call(client.admin.command, "ping")
    door.call(client.close)
    assert isinstance(told[-1], monitoring.TopologyClosedEvent)
