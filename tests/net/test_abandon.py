from __future__ import annotations

from contextlib import suppress
from typing import Any

import gevent
import pytest
from gevent import Greenlet, GreenletExit

from greenmongo._hub.thread import HubThread
from greenmongo._net.abandon import Abandoned
from tests.support.fix_hub import Client, Connect
from tests.support.fix_leaks import wait_until
from tests.support.fix_scripted import Answer, Gate, Received, ScriptedServer, silently
from tests.support.peek import pool_of

PATIENTLY: dict[str, Any] = {"attempt_wait": 60.0, "command_timeout": 60.0}
"""The server is told once only to end an operation, however slow the machine is."""


def with_limits(client: Client, **limits: Any) -> Client:
    """Give other limits to how long the client sees abandoned exchanges through."""
    engine = client._executor.open()
    engine._abandoned = Abandoned(engine._connector, **limits)
    return client


def find(client: Client, collection: str = "c") -> Any:
    return client.test[collection].find_one()


def leave(client: Client, gate: Gate, count: int = 1) -> None:
    """Make calls that wait at the gate, and kill the callers."""
    before = gate.waiting
    callers: list[Greenlet[..., Any]] = [gevent.spawn(find, client) for _ in range(count)]
    wait_until(lambda: gate.waiting == before + count)
    gevent.killall(callers)
    assert all(isinstance(caller.value, GreenletExit) for caller in callers)


def test_a_late_reply_is_dropped_and_its_connection_kept(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client, gate = client_of(scripted_server.uri), Gate()
    scripted_server.script("find", Answer({"cursor": {"id": 0, "firstBatch": [{}]}}, gate))
    leave(client, gate)
    assert pool_of(client).idle_count == 0
    gate.open()
    wait_until(lambda: pool_of(client).idle_count == 1)
    assert find(client) is None
    assert pool_of(client).created_count == 1
    assert scripted_server.count("killOp") == 0


def operations(received: Received) -> dict[str, Any]:
    """Answer $currentOp: one operation, numbered 1000 + its place, for each session asked for."""
    if "$readPreference" not in received.document:
        # So says a secondary, which may be the one that has to end something.
        return {"ok": 0.0, "code": 13435, "errmsg": "not primary and secondaryOk=false"}
    wanted = received.document["pipeline"][1]["$match"]["lsid.id"]["$in"]
    batch = [{"opid": 1000 + place} for place, _ in enumerate(wanted)]
    return {"cursor": {"id": 0, "firstBatch": batch}}


def sessions_asked_for(server: ScriptedServer) -> list[Any]:
    return [
        session
        for each in server.commands("aggregate")
        for session in each.document["pipeline"][1]["$match"]["lsid.id"]["$in"]
    ]


def test_a_long_operation_is_ended_on_the_server_and_its_connection_kept(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client, gate = with_limits(client_of(scripted_server.uri), **PATIENTLY), Gate()

    def kill(received: Received) -> dict[str, Any]:
        gate.open()
        return {"ok": 1.0}

    scripted_server.on("aggregate", operations)
    scripted_server.on("killOp", kill)
    scripted_server.script("find", Answer({"ok": 0.0, "code": 11601, "errmsg": "i"}, gate))
    leave(client, gate)
    wait_until(lambda: pool_of(client).idle_count == 1)
    (killed,), (found,) = scripted_server.commands("killOp"), scripted_server.commands("find")
    assert sessions_asked_for(scripted_server) == [found.document["lsid"]["id"]]
    assert killed.document["op"] == 1000
    assert killed.connection is not found.connection
    wait_until(lambda: not killed.connection.is_open)
    assert pool_of(client).created_count == 1


def test_an_operation_the_server_has_not_begun_is_looked_for_again(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client, gate = (
        with_limits(client_of(scripted_server.uri), grace=0.01, attempts=1_000, attempt_wait=0.02),
        Gate(),
    )

    def kill(received: Received) -> dict[str, Any]:
        gate.open()
        return {"ok": 1.0}

    scripted_server.script("aggregate", {"cursor": {"id": 0, "firstBatch": []}}, operations)
    scripted_server.on("killOp", kill)
    scripted_server.script("find", Answer({"ok": 0.0, "code": 11601, "errmsg": "i"}, gate))
    leave(client, gate)
    wait_until(lambda: pool_of(client).idle_count == 1)
    assert scripted_server.count("aggregate") >= 2
    assert pool_of(client).created_count == 1


def test_a_session_that_was_ended_is_not_used_again(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client, gate = client_of(scripted_server.uri), Gate()
    scripted_server.script("find", Answer({"cursor": {"id": 0, "firstBatch": []}}, gate))
    leave(client, gate)
    gate.open()
    wait_until(lambda: pool_of(client).idle_count == 1)
    find(client)
    one, other = (each.document["lsid"] for each in scripted_server.commands("find"))
    assert one != other


def test_operations_left_together_are_ended_together(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client, gate = with_limits(client_of(scripted_server.uri), **PATIENTLY), Gate()

    def kill(received: Received) -> dict[str, Any]:
        if scripted_server.count("killOp") == 20:
            gate.open()
        return {"ok": 1.0}

    scripted_server.on("aggregate", operations)
    scripted_server.on("killOp", kill)
    scripted_server.on("find", Answer({"cursor": {"id": 0, "firstBatch": []}}, gate))
    leave(client, gate, 20)
    wait_until(lambda: pool_of(client).idle_count == 20)
    assert len(set(sessions_asked_for(scripted_server))) == 20
    assert len({each.connection.number for each in scripted_server.commands("killOp")}) < 5
    assert pool_of(client).created_count == 20


def test_a_connection_whose_reply_never_comes_is_given_up(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client = with_limits(client_of(scripted_server.uri), grace=0.01, attempt_wait=0.01)
    scripted_server.script("find", Answer({}, silently))
    caller: Greenlet[..., Any] = gevent.spawn(find, client)
    wait_until(lambda: scripted_server.count("find"))
    caller.kill()
    (found,) = scripted_server.commands("find")
    wait_until(lambda: not found.connection.is_open)
    assert find(client) is None
    wait_until(lambda: pool_of(client).size == 1)


def test_without_sessions_the_reply_is_only_waited_for(client_of: Connect) -> None:
    gate = Gate()
    with ScriptedServer({"logicalSessionTimeoutMinutes": None}) as server:
        client = with_limits(client_of(server.uri), grace=0.01)
        server.script("find", Answer({"cursor": {"id": 0, "firstBatch": []}}, gate))
        leave(client, gate)
        client.admin.command("ping")
        gate.open()
        wait_until(lambda: pool_of(client).idle_count == 2)
        assert server.count("killOp") == 0


def test_a_server_in_trouble_does_not_keep_the_connection_for_ever(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client, gate = (
        with_limits(client_of(scripted_server.uri), grace=0.01, attempt_wait=0.05),
        Gate(),
    )
    scripted_server.script("find", Answer({}, gate))
    caller: Greenlet[..., Any] = gevent.spawn(find, client)
    wait_until(lambda: gate.waiting)
    scripted_server.refuse()
    caller.kill()
    wait_until(lambda: not pool_of(client).size)


def test_a_server_that_hangs_up_ends_the_wait(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client, gate = client_of(scripted_server.uri), Gate()
    scripted_server.script("find", Answer({}, gate))
    leave(client, gate)
    scripted_server.kill(scripted_server.commands("find")[0].connection.number)
    wait_until(lambda: not pool_of(client).size)


def test_the_next_operation_of_a_request_waits_for_the_abandoned_one(
    scripted_server: ScriptedServer, client_of: Connect, hub_thread: HubThread
) -> None:
    client, gate = client_of(scripted_server.uri), Gate()
    scripted_server.script("find", Answer({"cursor": {"id": 0, "firstBatch": [{}]}}, gate))

    def open_once_somebody_waits() -> None:
        wait_until(lambda: scripted_server.count("find") and hub_thread.workers.busy)
        gate.open()

    def request() -> tuple[Any, bool]:
        def leave() -> None:
            wait_until(lambda: gate.waiting)
            caller.kill(left, block=False)

        left = gevent.Timeout()
        with client.start_request():
            gevent.spawn(leave)
            with suppress(gevent.Timeout):
                find(client)
            gevent.spawn(open_once_somebody_waits)
            return client.admin.command("whoami")["connectionId"], client.in_request()

    caller: Greenlet[..., Any] = gevent.spawn(request)
    number, was_in_request = caller.get(timeout=5)
    assert number == scripted_server.commands("find")[0].connection.number
    assert was_in_request
    assert pool_of(client).created_count == 1


@pytest.mark.usefixtures("no_leaks")
def test_closing_does_not_wait_for_late_replies(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client, gate = client_of(scripted_server.uri), Gate()
    scripted_server.on("find", Answer({}, gate))
    leave(client, gate, 3)
    client.close()
    assert gate.waiting == 3
    gate.open()
    wait_until(lambda: not scripted_server.open_connections)


def test_a_storm_of_cancellations_costs_no_connection(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client = client_of(scripted_server.uri, maxPoolSize=10)
    for _ in range(10):
        gate = Gate()
        scripted_server.on("find", Answer({"cursor": {"id": 0, "firstBatch": []}}, gate))
        callers: list[Greenlet[..., Any]] = [gevent.spawn(find, client) for _ in range(50)]
        gevent.sleep(0)
        gate.wait_for_waiting(10)
        gevent.killall(callers)
        gate.open()
        wait_until(lambda: pool_of(client).idle_count == 10)
    assert pool_of(client).created_count == 10
    assert scripted_server.count("killOp") == 0
