from __future__ import annotations

import contextvars
import logging
from typing import Any

import gevent
import pytest
from gevent.event import Event
from pymongo import monitoring
from pymongo.errors import (
    AutoReconnect,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
)

from bridge import AsyncMongoClient
from greenmongo import lowlevel
from greenmongo._net.observers.publisher import Publisher
from tests.support.fix_doors import in_hub, start
from tests.support.fix_hub import Client, Connect
from tests.support.fix_leaks import wait_until
from tests.support.fix_scripted import (
    Answer,
    FakeReplicaSet,
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

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


# ---- commands -----------------------------------------------------------------------------------


def test_a_commands_beginning_and_success_are_told(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    recorder = Recorder("commands")
    client = client_of(scripted_server.uri, event_listeners=recorder.listeners)
    client.shop.items.insert_one({"_id": 1})
    assert recorder.names == ["CommandStarted", "CommandSucceeded"]
    started, succeeded = recorder.started("insert"), recorder.succeeded("insert")
    assert started.command["insert"] == "items"
    assert started.command["documents"] == [{"_id": 1}]
    assert started.command["$db"] == "shop"
    assert started.database_name == succeeded.database_name == "shop"
    assert started.request_id == succeeded.request_id
    assert started.connection_id == succeeded.connection_id == scripted_server.address
    assert started.server_connection_id == 2
    assert succeeded.reply == {"n": 1, "ok": 1.0}
    assert succeeded.duration_micros >= 0


def test_a_refusal_is_told_as_the_server_put_it(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    recorder = Recorder("commands")
    client = client_of(scripted_server.uri, event_listeners=recorder.listeners)
    with pytest.raises(OperationFailure):
        client.admin.command("nope")
    assert recorder.names == ["CommandStarted", "CommandFailed"]
    assert recorder.failed("nope").failure["code"] == 59


def test_a_write_error_is_a_success(scripted_server: ScriptedServer, client_of: Connect) -> None:
    recorder = Recorder("commands")
    client = client_of(scripted_server.uri, event_listeners=recorder.listeners)
    client.shop.items.insert_one({"_id": 1})
    with pytest.raises(PyMongoError):
        client.shop.items.insert_one({"_id": 1})
    assert recorder.succeeded("insert").reply["writeErrors"]


def test_a_lost_connection_is_told_as_a_failure(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    recorder = Recorder("commands")
    client = client_of(scripted_server.uri, event_listeners=recorder.listeners)
    scripted_server.on("find", Answer(manner=hang_up))
    with pytest.raises(AutoReconnect):
        client.shop.items.find_one()
    assert recorder.failed("find").failure["errtype"] == "AutoReconnect"


def test_both_attempts_are_told(scripted_server: ScriptedServer, client_of: Connect) -> None:
    recorder = Recorder("commands")
    options = {"retryReads": True, "event_listeners": recorder.listeners}
    client = client_of(scripted_server.uri, **options)
    scripted_server.script("find", Answer(manner=hang_up))
    client.shop.items.find_one()
    assert recorder.names == [
        "CommandStarted",
        "CommandFailed",
        "CommandStarted",
        "CommandSucceeded",
    ]
    first, second = recorder.of(monitoring.CommandStartedEvent)
    assert first.request_id != second.request_id
    assert first.operation_id == second.operation_id


@pytest.mark.parametrize("w", [0, 1])
def test_the_batches_of_one_write_are_told_as_one_operation(
    w: int, scripted_server: ScriptedServer, client_of: Connect
) -> None:
    recorder = Recorder("commands")
    scripted_server.hello["maxWriteBatchSize"] = 2
    client = client_of(scripted_server.uri, event_listeners=recorder.listeners, w=w)
    client.admin.command("ping")
    client.shop.items.insert_many([{"_id": number} for number in range(5)])
    client.shop.items.insert_many([{"_id": number} for number in range(5, 7)])
    inserts = [
        event.operation_id
        for event in recorder.of(monitoring.CommandStartedEvent)
        if event.command_name == "insert"
    ]
    assert len(inserts) == 4
    assert len(set(inserts[:3])) == 1
    assert inserts[3] not in inserts[:3]


def test_an_unacknowledged_write_succeeds_at_once(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    recorder = Recorder("commands")
    client = client_of(scripted_server.uri, event_listeners=recorder.listeners, w=0)
    client.shop.items.insert_one({"_id": 1})
    assert recorder.succeeded("insert").reply == {"ok": 1}
    assert recorder.started("insert").command["writeConcern"] == {"w": 0}


def test_an_abandoned_command_has_an_end_too(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    recorder = Recorder("commands")
    client = client_of(scripted_server.uri, event_listeners=recorder.listeners)
    client.admin.command("ping")
    gate = Gate()
    scripted_server.on("find", Answer(EMPTY, gate))

    def leave() -> None:
        caller = gevent.spawn(client.shop.items.find_one)
        wait_until(lambda: gate.waiting)
        caller.kill()

    in_hub(leave)
    wait_until(lambda: recorder.names[-1] == "CommandFailed")
    assert recorder.failed("find").failure["errtype"] == "CallAbandoned"
    gate.open()


def test_credentials_are_not_told(scripted_server: ScriptedServer, client_of: Connect) -> None:
    recorder = Recorder("commands")
    client = client_of(scripted_server.uri, event_listeners=recorder.listeners)
    scripted_server.on("saslStart", {"payload": b"secret"})
    client.admin.command({"saslStart": 1, "payload": b"secret"})
    assert recorder.started("saslStart").command == {}
    assert recorder.succeeded("saslStart").reply == {}
    refusal = {"ok": 0, "code": 18, "errmsg": "secret"}
    scripted_server.on("saslStart", refusal)
    with pytest.raises(OperationFailure):
        client.admin.command({"saslStart": 1, "payload": b"secret"})
    assert recorder.failed("saslStart").failure == {"code": 18}
    scripted_server.on("saslStart", Answer(manner=hang_up))
    with pytest.raises(AutoReconnect):
        client.admin.command({"saslStart": 1, "payload": b"secret"})
    assert recorder.failed("saslStart").failure["errtype"] == "AutoReconnect"


def test_greetings_and_checks_are_no_commands(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    recorder = Recorder("commands")
    client = client_of(scripted_server.uri, event_listeners=recorder.listeners)
    client.admin.command("ping")
    client.close()
    assert [event.command_name for event in recorder.events] == ["ping"] * 2 + ["endSessions"] * 2


def test_the_failures_of_an_authentication_are_told_to_listeners_only(
    scripted_server: ScriptedServer, client_of: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "greenmongo.command")
    recorder = Recorder("commands")
    refusal = {"ok": 0, "code": 18, "errmsg": "Authentication failed."}
    scripted_server.on("saslStart", refusal)
    client = client_of(
        scripted_server.uri,
        event_listeners=recorder.listeners,
        username="me",
        password="secret",
        authMechanism="PLAIN",
    )
    with pytest.raises(OperationFailure):
        client.admin.command("ping")
    assert recorder.names == ["CommandStarted", "CommandFailed"]
    assert recorder.started("saslStart").command == {}
    assert recorder.failed("saslStart").failure == {"code": 18}
    assert not [each for each in caplog.records if each.name == "greenmongo.command"]


# ---- whose listener it is -----------------------------------------------------------------------


class Watcher(monitoring.CommandListener):
    """Writes down the value of a context variable."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self.seen.append(variable.get())
        variable.set("changed by the listener")

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        return

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        return


@pytest.mark.parametrize("door", ["thread", "greenlet"])
def test_listeners_see_the_callers_context_variables(
    door: str, scripted_server: ScriptedServer, client_of: Connect
) -> None:
    watcher = Watcher()
    client = client_of(scripted_server.uri, event_listeners=[watcher])

    def work() -> str:
        variable.set(door)
        client.admin.command("ping")
        client.admin.command("ping")
        return variable.get()

    left = in_hub(work) if door == "greenlet" else start(work).result()
    assert watcher.seen == [door, door]
    assert left == door


@pytest.mark.asyncio
async def test_listeners_see_the_tasks_context_variables(scripted_server: ScriptedServer) -> None:
    watcher = Watcher()
    variable.set("task")
    uri, options = scripted_server.uri, dict[str, Any](event_listeners=[watcher])
    async with AsyncMongoClient[dict[str, Any]](uri, **options) as client:
        await client.admin.command("ping")
        async with client.start_request():
            await client.admin.command("ping")
        assert watcher.seen == ["task", "task"]
        assert variable.get() == "task"


def test_without_command_listeners_no_context_is_copied(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    assert not lowlevel.watches_commands(client_of(scripted_server.uri))
    pools = Recorder("pools").listeners
    assert not lowlevel.watches_commands(client_of(scripted_server.uri, event_listeners=pools))
    assert lowlevel.watches_commands(client_of(scripted_server.uri, event_listeners=[Watcher()]))


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

    hub_thread.run(tell)
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

    assert hub_thread.run(tell) == ["change", "event"]


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

    assert hub_thread.run(patiently) == ["next"]


# ---- pools --------------------------------------------------------------------------------------


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
    recorder = Recorder("commands", "pools")
    options = {
        "heartbeatFrequencyMS": 500,
        "connectTimeoutMS": 2500,
        "serverMonitoringMode": "poll",
    }
    client = client_of(scripted_server.uri, event_listeners=recorder.listeners, **options)
    client.admin.command("ping")
    recorder.events.clear()

    def fall_silent(received: Received) -> Answer:
        scripted_server.on("hello", Answer(manner=silently))
        return Answer(manner=silently)

    scripted_server.on("find", fall_silent)
    with pytest.raises(AutoReconnect, match="interrupted due to server monitor timeout"):
        client.shop.items.find_one()
    assert recorder.names == [
        *CHECKOUT,
        "CommandStarted",
        "PoolCleared",
        "CommandFailed",
        "ConnectionCheckedIn",
        "ConnectionClosed",
    ]
    assert recorder.of(monitoring.PoolClearedEvent)[0].interrupt_connections
    assert recorder.of(monitoring.ConnectionClosedEvent)[0].reason == "stale"


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


# ---- the deployment -----------------------------------------------------------------------------


def test_the_life_of_a_topology(scripted_server: ScriptedServer, client_of: Connect) -> None:
    recorder = Recorder("topologies", "servers")
    client = client_of(scripted_server.uri, event_listeners=recorder.listeners)
    client.admin.command("ping")
    client.close()
    assert recorder.names == [
        "TopologyOpened",
        "TopologyDescriptionChanged",
        "ServerOpening",
        "ServerDescriptionChanged",
        "TopologyDescriptionChanged",
        "ServerClosed",
        "TopologyDescriptionChanged",
        "TopologyClosed",
    ]
    assert len({event.topology_id for event in recorder.events}) == 1
    opened, known, closed = recorder.of(monitoring.TopologyDescriptionChangedEvent)
    assert opened.previous_description.topology_type_name == "Unknown"
    assert opened.previous_description.server_descriptions() == {}
    assert opened.new_description.topology_type_name == "Single"
    assert known.new_description.has_writable_server()
    assert closed.new_description.topology_type_name == "Unknown"
    assert closed.new_description.server_descriptions() == {}
    (changed,) = recorder.of(monitoring.ServerDescriptionChangedEvent)
    assert changed.server_address == scripted_server.address
    assert changed.previous_description.server_type_name == "Unknown"
    assert changed.new_description.server_type_name == "Standalone"


def test_members_that_are_found_are_told_of(
    fake_replica_set: FakeReplicaSet, client_of: Connect
) -> None:
    recorder = Recorder("topologies", "servers")
    seed = f"mongodb://{fake_replica_set.members[0].host}/?replicaSet=rs0"
    client = client_of(seed, event_listeners=recorder.listeners)
    client.admin.command("ping")
    opened = recorder.of(monitoring.ServerOpeningEvent)
    assert len(opened) == 3
    wait_until(lambda: len(recorder.of(monitoring.ServerDescriptionChangedEvent)) == 3)
    kinds = [
        event.new_description.server_type_name
        for event in recorder.of(monitoring.ServerDescriptionChangedEvent)
    ]
    assert sorted(kinds) == ["RSPrimary", "RSSecondary", "RSSecondary"]


def test_every_heartbeat_has_an_end(scripted_server: ScriptedServer, client_of: Connect) -> None:
    recorder = Recorder("heartbeats")
    client = client_of(scripted_server.uri, event_listeners=recorder.listeners)
    client.admin.command("ping")
    wait_until(lambda: len(recorder.events) >= 2)
    started, succeeded = recorder.events[:2]
    assert started.connection_id == succeeded.connection_id == scripted_server.address
    assert not started.awaited
    assert succeeded.reply.document["maxWireVersion"] == 17
    assert succeeded.reply.server_type_name == "Standalone"
    assert 0 <= succeeded.duration < 5
    client.close()
    ends = [name for name in recorder.names if name != "ServerHeartbeatStarted"]
    assert len(ends) * 2 == len(recorder.events)


def test_a_heartbeat_that_fails(scripted_server: ScriptedServer, client_of: Connect) -> None:
    recorder = Recorder("heartbeats", "servers", "pools")
    scripted_server.on("hello", Answer(manner=hang_up))
    client = client_of(
        scripted_server.uri, event_listeners=recorder.listeners, serverSelectionTimeoutMS=50
    )
    with pytest.raises(ServerSelectionTimeoutError):
        client.admin.command("ping")
    wait_until(lambda: len(recorder.events) >= 5)
    assert recorder.names[:5] == [
        "ServerOpening",
        "PoolCreated",
        "ServerHeartbeatStarted",
        "ServerHeartbeatFailed",
        "ServerDescriptionChanged",
    ]
    (failed, *_) = recorder.of(monitoring.ServerHeartbeatFailedEvent)
    assert isinstance(failed.reply, AutoReconnect)
    assert "PoolCleared" not in recorder.names  # it was not ready


def test_a_check_under_way_ends_with_its_monitor(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    recorder = Recorder("heartbeats", "topologies")
    gate = Gate()
    scripted_server.on("hello", Answer(manner=gate))
    client = client_of(scripted_server.uri, event_listeners=recorder.listeners)
    start(lambda: client._executor.open()).result()
    gate.wait_for_waiting()
    client.close()
    gate.open()
    assert recorder.names[-3:] == [
        "ServerHeartbeatFailed",
        "TopologyDescriptionChanged",
        "TopologyClosed",
    ]


# ---- logs ---------------------------------------------------------------------------------------


@pytest.fixture
def logs(caplog: pytest.LogCaptureFixture) -> Logs:
    caplog.set_level(logging.DEBUG, "greenmongo")
    return Logs(caplog)


class Logs:
    """The fields of the messages that clients opened meanwhile have logged so far."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    def of(self, component: str) -> list[dict[str, Any]]:
        """Return what one logger got."""
        opened = {
            fields["clientId"]
            for fields in self._all("topology")
            if fields["message"] == "Starting topology monitoring"
        }
        return [fields for fields in self._all(component) if fields["clientId"] in opened]

    def _all(self, component: str) -> list[dict[str, Any]]:
        """Return what one logger got from any client, those of other tests included."""
        records: list[Any] = [
            each for each in self._caplog.records if each.name == f"greenmongo.{component}"
        ]
        return [record.msg.fields for record in records]

    def messages(self, component: str) -> list[str]:
        """Return the texts that one logger got."""
        return [fields["message"] for fields in self.of(component)]


def test_commands_are_logged(
    scripted_server: ScriptedServer, client_of: Connect, logs: Logs
) -> None:
    client = client_of(scripted_server.uri)
    client.shop.items.insert_one({"_id": 1, "x": "x" * 2000})
    with pytest.raises(OperationFailure):
        client.shop.command("nope")
    started, succeeded, _, failed = logs.of("command")
    assert started["message"] == "Command started"
    assert started["commandName"] == "insert"
    assert started["databaseName"] == "shop"
    assert started["driverConnectionId"] == 1
    assert started["serverConnectionId"] == 2
    assert started["serverPort"] == scripted_server.address[1]
    assert started["command"].startswith('{"insert": "items"')
    assert started["command"].endswith("xxx...")
    assert len(started["command"]) == 1003
    assert succeeded["message"] == "Command succeeded"
    assert succeeded["reply"] == '{"n": 1, "ok": 1.0}'
    assert succeeded["durationMS"] >= 0
    assert succeeded["requestId"] == started["requestId"]
    assert failed["message"] == "Command failed"
    assert '"code": 59' in failed["failure"]


def test_credentials_are_not_logged(
    scripted_server: ScriptedServer, client_of: Connect, logs: Logs
) -> None:
    client = client_of(scripted_server.uri)
    scripted_server.on("saslStart", {"payload": b"secret"})
    client.admin.command({"saslStart": 1, "payload": b"secret"})
    started, succeeded = logs.of("command")
    assert started["command"] == succeeded["reply"] == "{}"


def test_the_length_of_documents_comes_from_the_environment(
    scripted_server: ScriptedServer,
    client_of: Connect,
    logs: Logs,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = client_of(scripted_server.uri)
    monkeypatch.setenv("GREENMONGO_LOG_MAX_DOCUMENT_LENGTH", "5")
    client.admin.command("ping")
    assert logs.of("command")[0]["command"] == '{"pin...'


def test_another_attempt_is_logged(
    scripted_server: ScriptedServer, client_of: Connect, logs: Logs
) -> None:
    client = client_of(scripted_server.uri, retryReads=True)
    scripted_server.script("find", Answer(manner=hang_up))
    client.shop.items.find_one()
    started, _, retrying, again, _ = logs.of("command")
    assert retrying["message"] == "Retrying read attempt number 1"
    assert retrying["commandName"] == "find"
    assert retrying["operationId"] == started["operationId"] == again["operationId"]


def test_connections_are_logged(
    scripted_server: ScriptedServer, client_of: Connect, logs: Logs
) -> None:
    client = client_of(scripted_server.uri, maxPoolSize=7)
    wait_until_known(client)
    client.admin.command("ping")
    scripted_server.script("find", Answer(manner=hang_up))
    with pytest.raises(AutoReconnect):
        client.shop.items.find_one()
    client.close()
    assert logs.messages("connection") == [
        "Connection pool created",
        "Connection pool ready",
        "Connection checkout started",
        "Connection created",
        "Connection ready",
        "Connection checked out",
        "Connection checked in",
        "Connection checkout started",
        "Connection checked out",
        "Connection pool cleared",
        "Connection checked in",
        "Connection closed",
        "Connection pool closed",
    ]
    created, *_, closed, _ = logs.of("connection")
    assert created["maxPoolSize"] == 7
    assert closed["reason"] == "An error occurred while using the connection"
    assert "AutoReconnect" in closed["error"]
    assert len({str(fields["clientId"]) for fields in logs.of("connection")}) == 1


def test_the_topology_is_logged(
    scripted_server: ScriptedServer, client_of: Connect, logs: Logs
) -> None:
    client = client_of(scripted_server.uri)
    client.admin.command("ping")
    client.close()
    messages = [each for each in logs.messages("topology") if "heartbeat" not in each]
    assert messages == [
        "Starting topology monitoring",
        "Topology description changed",
        "Starting server monitoring",
        "Topology description changed",
        "Stopped server monitoring",
        "Topology description changed",
        "Stopped topology monitoring",
    ]
    heartbeats = [each for each in logs.of("topology") if "heartbeat" in each["message"]]
    assert heartbeats[0]["message"] == "Server heartbeat started"
    assert heartbeats[1]["message"] == "Server heartbeat succeeded"
    assert heartbeats[1]["driverConnectionId"] == 1
    assert heartbeats[1]["serverConnectionId"] == 1
    assert heartbeats[1]["reply"].startswith("{")
    assert all("topologyId" in fields for fields in logs.of("topology"))


def test_server_selection_is_logged(
    scripted_server: ScriptedServer, client_of: Connect, logs: Logs
) -> None:
    scripted_server.on("hello", Answer(manner=hang_up))
    client = client_of(scripted_server.uri, serverSelectionTimeoutMS=2500)
    with pytest.raises(ServerSelectionTimeoutError):
        client.shop.items.find_one()
    assert logs.messages("serverSelection") == [
        "Server selection started",
        "Waiting for suitable server to become available",
        "Server selection failed",
    ]
    started, waiting, failed = logs.of("serverSelection")
    assert started["operation"] == "find"
    assert started["selector"].startswith("Primary")
    assert 0 < waiting["remainingTimeMS"] <= 2500
    assert "topologyDescription" in failed
    assert failed["failure"]


LOGGERS = [
    f"greenmongo.{name}" for name in ("command", "connection", "serverSelection", "topology")
]


def test_who_logs_at_info_hears_of_waiting_only(
    scripted_server: ScriptedServer, client_of: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "greenmongo")
    client = client_of(scripted_server.uri)
    client.admin.command("ping")
    client.admin.command("ping")
    records = [each for each in caplog.records if each.name in LOGGERS]
    assert {each.levelno for each in records} <= {logging.INFO}
    assert len(records) <= 1


def test_a_connection_that_times_out_while_opening_has_an_error(
    scripted_server: ScriptedServer, client_of: Connect, logs: Logs
) -> None:
    client = client_of(scripted_server.uri, connectTimeoutMS=2500)
    wait_until_known(client)
    client.admin.command("ping")
    scripted_server.kill(2)
    wait_until(lambda: logs.messages("connection")[-1] == "Connection closed")
    scripted_server.script("hello", Answer(manner=silently))
    with pytest.raises(NetworkTimeout):
        client.admin.command("ping")
    failed = logs.of("connection")[-1]
    assert failed["message"] == "Connection checkout failed"
    assert failed["reason"] == "An error occurred while trying to establish a new connection"
    assert "NetworkTimeout" in failed["error"]
