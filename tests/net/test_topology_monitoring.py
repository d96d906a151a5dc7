"""SDAM Logging and Monitoring: the events of topology, servers and heartbeats."""

from __future__ import annotations

import pytest
from pymongo import monitoring
from pymongo.errors import (
    AutoReconnect,
    ServerSelectionTimeoutError,
)

from tests.support.fix_doors import start
from tests.support.fix_hub import Connect
from tests.support.fix_leaks import wait_until
from tests.support.fix_scripted import (
    Answer,
    FakeReplicaSet,
    Gate,
    ScriptedServer,
    hang_up,
)
from tests.support.listeners import Recorder


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
