"""A load balancer, played by one scripted server: each connection says which server it reached."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import gevent
import pytest
from bson.int64 import Int64
from bson.objectid import ObjectId
from pymongo.errors import AutoReconnect, OperationFailure, WaitQueueTimeoutError
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandStartedEvent,
    CommandSucceededEvent,
    ConnectionClosedEvent,
    PoolClearedEvent,
)

from greenmongo._core.commands.find import FindSpec, find
from greenmongo._net.statistics import PoolStatistics
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
        hold(gate, number)
    gate.open()
    for call in calls:
        call()
    server.on("ping", {})


def hold(gate: Gate, count: int) -> None:
    """Wait until so many replies are held back."""
    wait_until(lambda: gate.waiting == count)


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
        hold(gate, waiting)
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
        hold(gate, number)
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


# -- cursors ---------------------------------------------------------------------------------------


@pytest.fixture
def filled(client: Client, balanced: ScriptedServer) -> Client:
    """Provide a client with an idle connection to each server, and five documents to read."""
    balanced.store.collections["test.c"] = [{"_id": n} for n in range(5)]
    return client


def statistics_of(client: Client) -> PoolStatistics:
    (pool,) = client._executor.statistics().pools
    return pool


def all_free(client: Client) -> bool:
    pool = statistics_of(client)
    return pool.open == pool.idle


def test_a_cursor_is_read_on_where_it_was_opened(
    filled: Client, balanced: ScriptedServer, door: Door
) -> None:
    open_both(filled, balanced, door)
    cursor = filled.test.c.find(batch_size=2)
    assert next(cursor) == {"_id": 0}
    # Whoever comes now uses the other connection, so that one would be next for anybody.
    filled.admin.command("ping")
    (find,) = balanced.commands("find")
    assert numbers_used(balanced)[-1] != find.connection.number
    assert len(list(cursor)) == 4
    assert {each.connection for each in balanced.commands("getMore")} == {find.connection}
    assert all_free(filled)


def test_cursors_of_commands_are_read_on_there_too(
    filled: Client, balanced: ScriptedServer
) -> None:
    with filled.test.c.aggregate([], batchSize=2) as cursor:
        filled.admin.command("ping")
        assert len(list(cursor)) == 5
    (opened,) = balanced.commands("aggregate")
    assert {each.connection for each in balanced.commands("getMore")} == {opened.connection}
    assert all_free(filled)


def test_a_cursor_of_one_batch_keeps_nothing(filled: Client) -> None:
    cursor = filled.test.c.find()
    next(cursor)
    assert all_free(filled)


@pytest.mark.parametrize("how", ["closed", "forgotten", "rewound"])
def test_a_cursor_that_ends_early_gives_its_connection_back(
    filled: Client, balanced: ScriptedServer, how: str
) -> None:
    cursor = filled.test.c.find(batch_size=2)
    next(cursor)
    filled.admin.command("ping")
    assert statistics_of(filled).open - statistics_of(filled).idle == 1
    if how == "closed":
        cursor.close()
        assert all_free(filled)
    elif how == "forgotten":
        del cursor
        gc.collect()
    else:
        cursor.rewind()
    wait_until(lambda: all_free(filled))
    (find,), (kill,) = balanced.commands("find"), balanced.commands("killCursors")
    assert kill.connection is find.connection
    assert not balanced.store.open_cursors


def test_an_answer_that_nobody_keeps_keeps_no_connection(filled: Client) -> None:
    command = find(filled.test.c._namespace, FindSpec(batch_size=2))
    reply = filled._executor.execute(command)
    assert statistics_of(filled).idle == 0
    del reply
    gc.collect()
    wait_until(lambda: all_free(filled))


def test_a_cursor_opened_by_the_callers_own_command_keeps_nothing(filled: Client) -> None:
    reply = filled.test.command({"find": "c", "batchSize": 2})
    assert reply["cursor"]["id"]
    assert all_free(filled)


def test_a_cursor_whose_connection_breaks_fails_and_keeps_nothing(
    filled: Client, balanced: ScriptedServer
) -> None:
    cursor = filled.test.c.find(batch_size=2)
    cursor.to_list(2)
    balanced.kill(1)
    wait_until(lambda: statistics_of(filled).open == 0)
    with pytest.raises(AutoReconnect, match="the connection that the cursor was open on is lost"):
        next(cursor)
    assert not balanced.commands("getMore")
    assert not cursor.alive


@pytest.mark.parametrize("code", [43, 10107, 50])
def test_a_cursor_that_fails_gives_its_connection_back(
    filled: Client, balanced: ScriptedServer, code: int
) -> None:
    cursor = filled.test.c.find(batch_size=2)
    cursor.to_list(2)
    balanced.on("getMore", failure(code, "Code", "no"))
    with pytest.raises((OperationFailure, AutoReconnect)):
        next(cursor)
    wait_until(lambda: all_free(filled))
    # Where the server may still have it, it is closed there.
    assert balanced.count("killCursors") == (code == 50)


def test_a_cursor_whose_reader_is_killed_is_closed_where_it_was_opened(
    filled: Client, balanced: ScriptedServer
) -> None:
    cursor = filled.test.c.find(batch_size=2)
    cursor.to_list(2)
    gate = Gate()
    balanced.script("getMore", Answer({"cursor": {"id": Int64(1), "nextBatch": []}}, gate))
    reader = gevent.spawn(next, cursor)
    while not gate.waiting:
        gevent.sleep(0.001)
    reader.kill()
    gate.open()
    wait_until(lambda: all_free(filled))
    (find,), (kill,) = balanced.commands("find"), balanced.commands("killCursors")
    assert kill.connection is find.connection


def test_closing_the_client_ends_cursors(filled: Client, balanced: ScriptedServer) -> None:
    cursor = filled.test.c.find(batch_size=2)
    next(cursor)
    filled.close()
    balanced.wait_for(lambda: not balanced.open_connections)
    cursor.close()


def test_a_cursor_goes_on_though_its_server_was_cleared(
    filled: Client, balanced: ScriptedServer, recorder: Recorder
) -> None:
    balanced.on(
        "hello",
        lambda received: {
            **balanced.hello_reply(received),
            **MONGOS,
            "serviceId": SERVICES[0],
        },
    )
    cursor = filled.test.c.find(batch_size=2)
    next(cursor)
    balanced.script("ping", Answer(manner=hang_up))
    with pytest.raises(AutoReconnect):
        filled.admin.command("ping")
    assert len(list(cursor)) == 4
    closed = {each.connection_id: each.reason for each in recorder.of(ConnectionClosedEvent)}
    assert closed == {2: "error", 1: "stale"}


def test_a_request_and_its_cursors_share_a_connection(
    filled: Client, balanced: ScriptedServer
) -> None:
    with filled.start_request():
        assert len(list(filled.test.c.find(batch_size=2))) == 5
        filled.admin.command("ping")
    assert {each.connection.number for each in balanced.commands()} == {1}
    assert all_free(filled)


def test_who_waits_too_long_is_told_what_the_connections_are_used_for(
    balanced: ScriptedServer, client_of: Connect, door: Door
) -> None:
    balanced.store.collections["test.c"] = [{"_id": n} for n in range(5)]
    client = client_of(
        f"mongodb://{balanced.host}/?loadBalanced=true",
        maxPoolSize=2,
        minPoolSize=2,
        waitQueueTimeoutMS=20,
    )
    wait_until(lambda: statistics_of(client).idle == 2)  # who comes in time waits for nothing
    cursor = client.test.c.find(batch_size=2)
    next(cursor)
    gate = Gate()
    balanced.on("ping", Answer(manner=gate))
    call = door.spawn(lambda: client.admin.command("ping"))
    hold(gate, 1)
    wanted = (
        "maxPoolSize: 2, connections in use by cursors: 1, connections in use by transactions: 0, "
        "connections in use by other operations: 1"
    )
    with pytest.raises(WaitQueueTimeoutError, match=wanted):
        client.admin.command("ping")
    gate.open()
    call()
    cursor.close()
