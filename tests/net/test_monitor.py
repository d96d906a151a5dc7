from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from time import monotonic
from typing import Any

import pytest
from pymongo import monitoring
from pymongo.errors import AutoReconnect, NetworkTimeout, ServerSelectionTimeoutError

from greenmongo._core.sdam.server_description import ServerDescription
from greenmongo._net import monitor
from greenmongo._net.environment import environment_facts
from greenmongo._net.monitor import CheckCancelled
from greenmongo._net.server import Server
from tests.support.fix_hub import Client, Connect, run_script
from tests.support.fix_leaks import wait_until
from tests.support.fix_scripted import (
    Answer,
    FakeReplicaSet,
    Received,
    ScriptedServer,
    garbage,
    hang_up,
)
from tests.support.listeners import Recorder
from tests.support.peek import wait_for_failed_check, wait_until_known
from tests.support.streaming_hello import StreamingHello

FAST = {"heartbeatFrequencyMS": 500}
SECONDARY = {"isWritablePrimary": False, "secondary": True, "primary": None}


@pytest.fixture
def member() -> Iterator[ScriptedServer]:
    """Provide the primary of a set of one."""
    with FakeReplicaSet(1) as members:
        yield members.members[0]


@pytest.fixture
def news(member: ScriptedServer) -> StreamingHello:
    """Have the member stream."""
    return StreamingHello(member)


def uri_of(member: ScriptedServer) -> str:
    return f"mongodb://{member.host}/?replicaSet=rs0"


def server_of(client: Client) -> Server:
    (server,) = client._executor.open().topology.servers.values()
    return server


def seen(client: Client) -> ServerDescription:
    (description,) = client._executor.open().topology.description.servers.values()
    return description


def kind(client: Client) -> str:
    return seen(client).server_type_name


def measurements(member: ScriptedServer, news: StreamingHello) -> list[Received]:
    """Return the hellos on connections that never stream."""
    streaming = {each.connection.number for each in news.streams}
    return [x for x in member.commands("hello") if x.connection.number not in streaming]


def open_streaming(client: Client, news: StreamingHello, count: int = 1) -> None:
    """Have the client connect, and wait until it waits for news."""
    client._executor.open()
    wait_until(lambda: len(news.streams) >= count, 10)


def test_news_come_at_once_and_unasked(
    member: ScriptedServer, news: StreamingHello, client_of: Connect
) -> None:
    client = client_of(uri_of(member))
    open_streaming(client, news)
    began = monotonic()
    news.announce(**SECONDARY)
    wait_until(lambda: kind(client) == "RSSecondary")
    news.announce(isWritablePrimary=True, secondary=None)
    wait_until(lambda: kind(client) == "RSPrimary")
    assert monotonic() - began < 8  # and not after the ten seconds that it waits otherwise
    assert (len(news.streams), news.sent) == (1, 2)
    (stream,) = news.streams
    assert stream.document["maxAwaitTimeMS"] == 10_000
    assert stream.connection.commands == ["hello", "hello"]


def test_without_news_the_server_is_heard_of_all_the_same(
    member: ScriptedServer, news: StreamingHello, client_of: Connect
) -> None:
    client = client_of(uri_of(member), **FAST)
    open_streaming(client, news)
    before = seen(client).last_update_time
    wait_until(lambda: news.sent >= 2)
    wait_until(lambda: seen(client).last_update_time > before)
    assert len(news.streams) == 1


def test_a_server_that_does_not_go_on_by_itself_is_asked_again(
    member: ScriptedServer, news: StreamingHello, client_of: Connect
) -> None:
    news.sends_more = False
    client = client_of(uri_of(member))
    open_streaming(client, news)
    for count in (2, 3):
        news.announce(setVersion=count)
        wait_until(lambda count=count: len(news.streams) == count)  # type: ignore[misc]
    versions = [each.document["topologyVersion"]["counter"] for each in news.streams]
    assert versions == [0, 1, 2]
    assert len({each.connection.number for each in news.streams}) == 1


def test_a_check_is_not_requested_of_a_server_that_streams(
    member: ScriptedServer, news: StreamingHello, client_of: Connect
) -> None:
    client = client_of(uri_of(member), serverSelectionTimeoutMS=700)
    open_streaming(client, news)
    news.announce(**SECONDARY)
    wait_until(lambda: kind(client) == "RSSecondary")
    with pytest.raises(ServerSelectionTimeoutError):
        client.test.c.insert_one({})
    (stream,) = news.streams
    assert stream.connection.commands == ["hello", "hello"]


def test_a_server_that_has_no_versions_any_more_is_polled(
    member: ScriptedServer, news: StreamingHello, client_of: Connect
) -> None:
    client = client_of(uri_of(member), **FAST)
    open_streaming(client, news)
    (stream,) = news.streams
    wait_until(lambda: measurements(member, news))
    news.has_versions = False
    news.announce(**SECONDARY)
    wait_until(lambda: len(stream.connection.commands) >= 4)
    assert kind(client) == "RSSecondary"
    assert len(news.streams) == 1
    # Nobody else has to measure round trips now.
    wait_until(lambda: member.open_connections == [stream.connection])
    news.has_versions = True
    wait_until(lambda: len(news.streams) == 2)
    assert news.streams[1].connection is stream.connection


@pytest.mark.parametrize("options", [{"serverMonitoringMode": "poll"}, {}], ids=["poll", "faas"])
def test_where_hellos_may_not_stream_they_are_polled(
    member: ScriptedServer,
    news: StreamingHello,
    client_of: Connect,
    options: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    facts = replace(environment_facts(), environ={"K_SERVICE": "x"})
    monkeypatch.setattr(monitor, "environment_facts", lambda: facts)
    client = client_of(uri_of(member), **FAST, **options)
    client._executor.open()
    member.wait_for(lambda: member.count("hello") >= 3)
    assert not news.streams
    assert list(member.connections) == [1]


def test_the_mode_stream_streams_everywhere(
    member: ScriptedServer,
    news: StreamingHello,
    client_of: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    facts = replace(environment_facts(), environ={"K_SERVICE": "x"})
    monkeypatch.setattr(monitor, "environment_facts", lambda: facts)
    open_streaming(client_of(uri_of(member), serverMonitoringMode="stream"), news)


def test_a_silent_stream_is_given_up_in_time(
    member: ScriptedServer, news: StreamingHello, client_of: Connect
) -> None:
    recorder = Recorder("heartbeats", "pools")
    options = {**FAST, "connectTimeoutMS": 2500, "event_listeners": recorder.listeners}
    client = client_of(uri_of(member), **options)
    open_streaming(client, news)
    news.is_silent = True
    open_streaming(client, news, 2)
    (failed, *_) = recorder.of(monitoring.ServerHeartbeatFailedEvent)
    assert failed.awaited is True
    assert isinstance(failed.reply, NetworkTimeout)
    assert 3.0 <= failed.duration < 8.0
    (cleared, *_) = recorder.of(monitoring.PoolClearedEvent)
    assert cleared.interrupt_connections
    # It answers a hello of a new connection.
    wait_until(lambda: kind(client) == "RSPrimary")


def test_without_connect_timeout_a_silent_stream_is_listened_to_for_ever(
    member: ScriptedServer, news: StreamingHello, client_of: Connect
) -> None:
    recorder = Recorder("heartbeats")
    client = client_of(
        uri_of(member), **FAST, connectTimeoutMS=0, event_listeners=recorder.listeners
    )
    open_streaming(client, news)
    news.is_silent = True
    wait_until(lambda: len(measurements(member, news)) >= 3)
    assert not recorder.of(monitoring.ServerHeartbeatFailedEvent)
    assert len(news.streams) == 1


@pytest.mark.parametrize("manner", ["hang up", "garbage"])
def test_a_broken_stream_makes_the_server_unknown_and_begins_again(
    member: ScriptedServer, news: StreamingHello, client_of: Connect, manner: str
) -> None:
    recorder = Recorder("heartbeats", "servers")
    client = client_of(uri_of(member), event_listeners=recorder.listeners)
    open_streaming(client, news)
    (stream,) = news.streams
    if manner == "garbage":
        garbage(stream.connection, b"")
        wait_until(lambda: recorder.of(monitoring.ServerHeartbeatFailedEvent))
        assert client.admin.command("ping") == {"ok": 1.0}
    else:
        stream.connection.kill()
    open_streaming(client, news, 2)
    kinds = [
        event.new_description.server_type_name
        for event in recorder.of(monitoring.ServerDescriptionChangedEvent)
    ]
    assert kinds == ["RSPrimary", "Unknown", "RSPrimary"]


# ---- round trips --------------------------------------------------------------------------------


def test_round_trips_are_measured_apart_from_the_stream(
    member: ScriptedServer, news: StreamingHello, client_of: Connect
) -> None:
    recorder = Recorder("servers")
    client = client_of(uri_of(member), **FAST, event_listeners=recorder.listeners)
    open_streaming(client, news)
    (first,) = recorder.of(monitoring.ServerDescriptionChangedEvent)
    assert first.new_description.min_round_trip_time == 0.0  # one sample is none
    wait_until(lambda: len(measurements(member, news)) >= 3)
    sent = news.sent
    wait_until(lambda: news.sent > sent + 1)
    description = seen(client)
    # The stream's hellos took half a second each, every one of them.
    assert 0 < (description.min_round_trip_time or 0) < 0.4
    assert (description.min_round_trip_time or 1) <= (description.round_trip_time or 0)
    measuring = {each.connection.number for each in measurements(member, news)}
    assert len(measuring) == 1


def test_a_round_trip_that_fails_says_nothing_of_the_server(
    member: ScriptedServer, news: StreamingHello, client_of: Connect
) -> None:
    recorder = Recorder("heartbeats")
    client = client_of(uri_of(member), **FAST, event_listeners=recorder.listeners)
    open_streaming(client, news)
    wait_until(lambda: measurements(member, news))
    first = measurements(member, news)[0].connection
    member.script("hello", Answer(manner=hang_up))
    wait_until(lambda: measurements(member, news)[-1].connection is not first)
    assert not first.is_open
    assert kind(client) == "RSPrimary"
    assert not recorder.of(monitoring.ServerHeartbeatFailedEvent)


# ---- events -------------------------------------------------------------------------------------


def test_heartbeats_tell_that_they_were_awaited(
    member: ScriptedServer, news: StreamingHello, client_of: Connect
) -> None:
    recorder = Recorder("heartbeats")
    client = client_of(uri_of(member), event_listeners=recorder.listeners)
    open_streaming(client, news)
    news.announce(**SECONDARY)
    wait_until(lambda: len(recorder.events) == 5)
    assert [event.awaited for event in recorder.events] == [False, False, True, True, True]
    first, second = recorder.of(monitoring.ServerHeartbeatSucceededEvent)
    assert not first.reply.awaitable
    assert second.reply.awaitable
    assert second.reply.document["secondary"]
    client.close()
    assert recorder.names[4:] == ["ServerHeartbeatStarted", "ServerHeartbeatFailed"]
    assert recorder.events[5].awaited is True


# ---- cancelling ---------------------------------------------------------------------------------


def test_a_network_error_of_an_operation_cancels_the_check(
    member: ScriptedServer, news: StreamingHello, client_of: Connect
) -> None:
    recorder = Recorder("heartbeats", "servers")
    client = client_of(uri_of(member), event_listeners=recorder.listeners)
    open_streaming(client, news)
    client.admin.command("ping")
    member.script("ping", Answer(manner=hang_up))
    with pytest.raises(AutoReconnect):
        client.admin.command("ping")
    (stream,) = news.streams
    wait_until(lambda: not stream.connection.is_open)
    wait_until(lambda: recorder.of(monitoring.ServerHeartbeatFailedEvent))
    (failed,) = recorder.of(monitoring.ServerHeartbeatFailedEvent)
    assert failed.awaited is True
    assert isinstance(failed.reply, CheckCancelled)
    assert len(news.streams) == 1  # nobody needs the server
    assert client.admin.command("ping") == {"ok": 1.0}
    open_streaming(client, news, 2)
    kinds = [
        event.new_description.server_type_name
        for event in recorder.of(monitoring.ServerDescriptionChangedEvent)
    ]
    assert kinds == ["RSPrimary", "Unknown", "RSPrimary"]


def test_a_network_error_between_two_checks_leaves_their_connection(
    member: ScriptedServer, client_of: Connect
) -> None:
    recorder = Recorder("heartbeats")
    client = client_of(uri_of(member), event_listeners=recorder.listeners)
    wait_until_known(client)
    client.admin.command("ping")
    member.script("ping", Answer(manner=hang_up))
    with pytest.raises(AutoReconnect):
        client.admin.command("ping")
    wait_until(lambda: not member.connections[1].is_open)
    assert client.admin.command("ping") == {"ok": 1.0}
    assert not recorder.of(monitoring.ServerHeartbeatFailedEvent)


# ---- the end ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_leaks")
def test_the_monitors_end_with_the_client(
    member: ScriptedServer, news: StreamingHello, client_of: Connect
) -> None:
    client = client_of(uri_of(member))
    open_streaming(client, news)
    wait_until(lambda: len(measurements(member, news)) == 1)
    began = monotonic()
    client.close()
    wait_until(lambda: not member.open_connections or _all_gone(member))
    assert monotonic() - began < 5  # and not after the next hello


def _all_gone(member: ScriptedServer) -> bool:
    return all(each.peer_has_gone() for each in member.open_connections)


def test_the_monitors_end_with_their_server(client_of: Connect) -> None:
    with FakeReplicaSet(2) as members:
        one, other = members.members
        news = [StreamingHello(each) for each in (one, other)]
        client = client_of(members.uri)
        client._executor.open()
        wait_until(lambda: all(len(each.streams) == 1 for each in news))
        wait_until(lambda: len(other.connections) == 2)
        news[0].announce(hosts=[one.host], setVersion=2)
        wait_until(lambda: not other.open_connections)
        assert server_of(client).address == one.address


SCRIPT = """
import os, sys
from greenmongo import MongoClient, ReadPreference
client = MongoClient(sys.argv[1])
client.admin.command("ping")
pid = os.fork()
client.admin.command("ping")
if pid == 0:
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
client.admin.command("told")
while client.primary is not None:
    # Of whichever member: the primary may be gone by now.
    client.admin.command("nothing", read_preference=ReadPreference.NEAREST)
print("seen")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_leaves_the_streams_of_the_parent_alone(
    member: ScriptedServer, news: StreamingHello
) -> None:
    def told(received: Received) -> dict[str, Any]:
        news.announce(secondary=True, isWritablePrimary=False)
        return {}

    member.on("told", told)
    member.on("nothing", {})
    ended = run_script(SCRIPT, uri_of(member))
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("field", ["topologyVersion", "hosts", "maxBsonObjectSize"])
def test_a_hello_that_makes_no_sense_is_an_error_that_passes(
    scripted_server: ScriptedServer, client_of: Connect, field: str
) -> None:
    scripted_server.hello[field] = "nonsense"
    client = client_of(scripted_server.uri, serverSelectionTimeoutMS=100)
    wait_for_failed_check(client)
    with pytest.raises(ServerSelectionTimeoutError, match=f"{field} in a (hello )?reply"):
        client.admin.command("ping")
    del scripted_server.hello[field]
    patient = client_of(scripted_server.uri)
    assert patient.admin.command("ping")["ok"] == 1.0
    wait_until(lambda: kind(client) == "Standalone", 15)
    assert client.admin.command("ping")["ok"] == 1.0
