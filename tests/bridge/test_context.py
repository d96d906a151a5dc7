"""Whose context variables are seen: the caller's by its listeners and functions, by nobody else."""

from __future__ import annotations

import contextvars
from typing import Any

import anyio
import pytest
from pymongo import monitoring

from tests.support.fix_loops import Client, Connect, eventually
from tests.support.fix_scripted import ScriptedServer

pytestmark = pytest.mark.anyio

who: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")


class Commands(monitoring.CommandListener):
    """Notes who is seen by the events of each command, and says something in vain."""

    def __init__(self) -> None:
        self.seen: dict[Any, set[str]] = {}
        self._numbers: dict[int, Any] = {}

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self._numbers[event.request_id] = event.command.get("comment")
        self._note(event)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        self._note(event)
        who.set("the listener")

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        self._note(event)

    def _note(self, event: Any) -> None:
        self.seen.setdefault(self._numbers.get(event.request_id), set()).add(who.get())


class Background(monitoring.ConnectionPoolListener, monitoring.ServerHeartbeatListener):
    """Notes who is seen by the driver's own work."""

    def __init__(self) -> None:
        self.seen: set[str] = set()

    def _note(self, event: Any) -> None:
        self.seen.add(who.get())

    def _ignore(self, event: Any) -> None:
        """Of the caller's own doing, or of nobody's."""

    started = succeeded = failed = pool_created = pool_ready = pool_cleared = pool_closed = _note
    connection_created = connection_ready = connection_closed = _ignore
    connection_check_out_started = connection_check_out_failed = _ignore
    connection_checked_out = connection_checked_in = _ignore


async def test_command_listeners_see_the_callers_variables_and_change_none(
    connect: Connect, scripted_server: ScriptedServer
) -> None:
    listener = Commands()
    client = connect(scripted_server.uri, event_listeners=[listener])

    async def call(name: str) -> None:
        who.set(name)
        await client.admin.command("ping", comment=name)
        assert who.get() == name

    names = [f"task {n}" for n in range(50)]
    async with anyio.create_task_group() as group:
        for name in names:
            group.start_soon(call, name)
    assert {name: listener.seen[name] for name in names} == {name: {name} for name in names}
    assert who.get() == "nobody"


async def test_listeners_in_a_request_see_the_callers_variables(
    connect: Connect, scripted_server: ScriptedServer
) -> None:
    listener = Commands()
    client = connect(scripted_server.uri, event_listeners=[listener])
    async with client.start_request():
        for name in ("first", "second"):
            who.set(name)
            await client.admin.command("ping", comment=name)
    assert (listener.seen["first"], listener.seen["second"]) == ({"first"}, {"second"})


async def test_background_work_sees_nobodys_variables(
    connect: Connect, scripted_server: ScriptedServer
) -> None:
    listener = Background()
    who.set("whoever came first")
    client: Client = connect(
        scripted_server.uri, event_listeners=[listener], heartbeatFrequencyMS=500
    )
    await client.run(client.sync.admin.command, "ping")
    heartbeats = scripted_server.count("hello")
    await eventually(lambda: scripted_server.count("hello") > heartbeats + 1)
    assert listener.seen == {"nobody"}
