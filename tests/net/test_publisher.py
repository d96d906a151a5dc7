"""In which order listeners are notified, and what they may do."""

from __future__ import annotations

import gevent
import pytest
from gevent.event import Event
from pymongo import monitoring

from greenmongo import lowlevel
from greenmongo._net.observers.publisher import Publisher
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
    assert recorder.names[-1] == "TopologyClosed"
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


def test_a_listener_that_waits_keeps_the_order(hub_thread: lowlevel.HubThread) -> None:
    told: list[int] = []

    def slowly(number: int) -> None:
        gevent.sleep(0)
        told.append(number)

    def tell() -> None:
        publisher = Publisher()
        greenlets = [gevent.spawn(publisher.put, slowly, number) for number in range(5)]
        gevent.joinall(greenlets)

    hub_thread.call(tell)
    assert told == [0, 1, 2, 3, 4]


def test_what_is_held_is_told_at_the_end(hub_thread: lowlevel.HubThread) -> None:
    def tell() -> list[str]:
        told: list[str] = []
        publisher = Publisher()
        with publisher:
            with publisher:
                publisher.put(told.append, "event")
            told.append("change")
        return told

    assert hub_thread.call(tell) == ["change", "event"]


def test_a_listener_killed_at_work_takes_no_event_with_it(hub_thread: lowlevel.HubThread) -> None:
    def patiently() -> list[str]:
        publisher, told = Publisher(), list[str]()
        begun = Event()

        def hang() -> None:
            begun.set()
            gevent.sleep(60)

        teller = gevent.spawn(publisher.put, hang)
        begun.wait()
        publisher.put(told.append, "next")
        assert told == []
        teller.kill()
        gevent.sleep(0)
        return told

    assert hub_thread.call(patiently) == ["next"]
