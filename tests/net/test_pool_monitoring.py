"""Connection Monitoring and Pooling: the events of a pool and its connections."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo import monitoring
from pymongo.errors import (
    AutoReconnect,
    WaitQueueTimeoutError,
)

from tests.support.fix_doors import start
from tests.support.fix_hub import Connect
from tests.support.fix_leaks import wait_until
from tests.support.fix_scripted import (
    Answer,
    Gate,
    Received,
    ScriptedServer,
    hang_up,
    silently,
)
from tests.support.listeners import Recorder
from tests.support.peek import pool_of, wait_until_known

EMPTY: dict[str, Any] = {"cursor": {"id": 0, "firstBatch": []}}
CHECKOUT = ["ConnectionCheckOutStarted", "ConnectionCheckedOut"]
FIRST_CHECKOUT = [
    "ConnectionCheckOutStarted",
    "ConnectionCreated",
    "ConnectionReady",
    "ConnectionCheckedOut",
]


@pytest.fixture
def pools() -> Recorder:
    return Recorder("pools")


def test_the_life_of_a_pool(
    scripted_server: ScriptedServer, client_of: Connect, pools: Recorder
) -> None:
    options = {"event_listeners": pools.listeners, "maxPoolSize": 3, "maxIdleTimeMS": 60_000}
    client = client_of(scripted_server.uri, **options)
    client.admin.command("ping")
    client.admin.command("ping")
    client.close()
    assert pools.names == [
        "PoolCreated",
        "PoolReady",
        *FIRST_CHECKOUT,
        "ConnectionCheckedIn",
        *CHECKOUT,
        "ConnectionCheckedIn",
        *CHECKOUT,  # to end the sessions
        "ConnectionCheckedIn",
        "ConnectionClosed",
        "PoolClosed",
    ]
    assert pools.of(monitoring.PoolCreatedEvent)[0].options == {
        "maxPoolSize": 3,
        "maxIdleTimeMS": 60_000,
    }
    (closed,) = pools.of(monitoring.ConnectionClosedEvent)
    assert (closed.connection_id, closed.reason) == (1, "poolClosed")
    assert {event.address for event in pools.events} == {scripted_server.address}


def test_a_checkout_that_takes_too_long(
    scripted_server: ScriptedServer, client_of: Connect, pools: Recorder
) -> None:
    options = {"event_listeners": pools.listeners, "maxPoolSize": 1, "waitQueueTimeoutMS": 20}
    client = client_of(scripted_server.uri, **options, minPoolSize=1)
    wait_until(lambda: pool_of(client).idle_count == 1)  # who comes first waits for nothing
    gate = Gate()
    scripted_server.on("find", Answer(EMPTY, gate))
    other = start(client.shop.items.find_one)
    gate.wait_for_waiting()
    with pytest.raises(WaitQueueTimeoutError):
        client.admin.command("ping")
    gate.open()
    other.result()
    (failed,) = pools.of(monitoring.ConnectionCheckOutFailedEvent)
    assert failed.reason == "timeout"
    assert failed.duration is not None
    assert failed.duration >= 0.02


def test_a_connection_that_breaks_in_use(
    scripted_server: ScriptedServer, client_of: Connect, pools: Recorder
) -> None:
    client = client_of(scripted_server.uri, event_listeners=pools.listeners)
    wait_until_known(client)
    client.admin.command("ping")
    scripted_server.script("find", Answer(manner=hang_up))
    pools.events.clear()
    with pytest.raises(AutoReconnect):
        client.shop.items.find_one()
    assert pools.names == [*CHECKOUT, "PoolCleared", "ConnectionCheckedIn", "ConnectionClosed"]
    assert pools.of(monitoring.ConnectionClosedEvent)[0].reason == "error"
    assert not pools.of(monitoring.PoolClearedEvent)[0].interrupt_connections


def test_a_connection_that_breaks_while_idle(
    scripted_server: ScriptedServer, client_of: Connect, pools: Recorder
) -> None:
    client = client_of(scripted_server.uri, event_listeners=pools.listeners)
    wait_until_known(client)
    client.admin.command("ping")
    pools.events.clear()
    scripted_server.kill(2)
    wait_until(lambda: pools.names == ["ConnectionClosed"])
    assert pools.events[0].reason == "error"


def test_a_connection_that_cannot_be_opened(
    scripted_server: ScriptedServer, client_of: Connect, pools: Recorder
) -> None:
    client = client_of(scripted_server.uri, event_listeners=pools.listeners)
    wait_until_known(client)
    client.admin.command("ping")
    scripted_server.kill(2)
    wait_until(lambda: pools.names[-1] == "ConnectionClosed")
    pools.events.clear()
    scripted_server.script("hello", Answer(manner=hang_up))
    with pytest.raises(AutoReconnect):
        client.admin.command("ping")
    assert pools.names == [
        "ConnectionCheckOutStarted",
        "ConnectionCreated",
        "ConnectionClosed",
        "ConnectionCheckOutFailed",
    ]
    assert pools.of(monitoring.ConnectionClosedEvent)[0].reason == "error"
    assert pools.of(monitoring.ConnectionCheckOutFailedEvent)[0].reason == "connectionError"


def test_a_request_has_its_connection_checked_out_until_it_ends(
    scripted_server: ScriptedServer, client_of: Connect, pools: Recorder
) -> None:
    client = client_of(scripted_server.uri, event_listeners=pools.listeners)
    client.admin.command("ping")
    pools.events.clear()
    with client.start_request():
        client.admin.command("ping")
        client.admin.command("ping")
        assert pools.names == CHECKOUT
    assert pools.names == [*CHECKOUT, "ConnectionCheckedIn"]


def test_a_requests_connection_that_breaks_is_checked_in(
    scripted_server: ScriptedServer, client_of: Connect, pools: Recorder
) -> None:
    client = client_of(scripted_server.uri, event_listeners=pools.listeners)
    with client.start_request():
        client.admin.command("ping")
        pools.events.clear()
        scripted_server.kill(2)
        wait_until(lambda: pools.names[-1:] == ["ConnectionClosed"])
        assert pools.names == ["ConnectionCheckedIn", "ConnectionClosed"]


def test_a_client_that_closes_in_a_request_takes_its_connection_back(
    scripted_server: ScriptedServer, client_of: Connect, pools: Recorder
) -> None:
    client = client_of(scripted_server.uri, event_listeners=pools.listeners)
    client.start_request()
    client.admin.command("ping")
    pools.events.clear()
    client.close()
    assert pools.names == ["ConnectionCheckedIn", "ConnectionClosed", "PoolClosed"]


def test_a_check_that_times_out_interrupts_what_waits(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    pools, commands = Recorder("pools"), Recorder("commands")
    options = {
        "heartbeatFrequencyMS": 500,
        "connectTimeoutMS": 2500,
        "serverMonitoringMode": "poll",
        "event_listeners": [*pools.listeners, *commands.listeners],
    }
    client = client_of(scripted_server.uri, **options)
    client.admin.command("ping")
    pools.events.clear()
    commands.events.clear()

    def fall_silent(received: Received) -> Answer:
        scripted_server.on("hello", Answer(manner=silently))
        return Answer(manner=silently)

    scripted_server.on("find", fall_silent)
    with pytest.raises(AutoReconnect, match="interrupted due to server monitor timeout"):
        client.shop.items.find_one()
    assert commands.names == ["CommandStarted", "CommandFailed"]
    assert pools.names == [*CHECKOUT, "PoolCleared", "ConnectionCheckedIn", "ConnectionClosed"]
    assert pools.of(monitoring.PoolClearedEvent)[0].interrupt_connections
    assert pools.of(monitoring.ConnectionClosedEvent)[0].reason == "stale"


def test_an_interrupted_read_is_tried_again(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    options = {"heartbeatFrequencyMS": 500, "connectTimeoutMS": 2500, "retryReads": True}
    client = client_of(scripted_server.uri, **options, serverMonitoringMode="poll")
    client.admin.command("ping")

    def fall_silent(received: Received) -> Answer:
        scripted_server.script("hello", Answer(manner=silently))
        return Answer(manner=silently)

    scripted_server.script("find", fall_silent)
    assert client.shop.items.find_one() is None
