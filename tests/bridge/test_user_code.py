"""Listeners and log handlers run in the caller's place: tasks of asyncio and trio."""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from pymongo import monitoring

from greenmongo._hub.background import wait_for_background
from greenmongo._hub.native import get_ident
from greenmongo.lowlevel import thread_of
from tests.support.fix_doors import start
from tests.support.fix_loops import Client, Connect, eventually
from tests.support.fix_scripted import Answer, Gate, ScriptedServer
from tests.support.listeners import Recorder

pytestmark = pytest.mark.anyio

PATIENCE = 15.0

who: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")


def place() -> tuple[int, int, str]:
    return get_ident(), anyio.get_current_task().id, who.get()


class Handler(logging.Handler):
    def __init__(self, take: Callable[[logging.LogRecord], object]) -> None:
        super().__init__()
        self.take = take

    def emit(self, record: logging.LogRecord) -> None:
        self.take(record)


@pytest.fixture
def log_to(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Provide a function that has a handler at a logger until the end of the test."""

    def add(name: str, take: Callable[[logging.LogRecord], object], level: int) -> None:
        logger, handler = logging.getLogger(name), Handler(take)
        before = logger.level
        logger.addHandler(handler)
        logger.setLevel(level)
        request.addfinalizer(lambda: logger.setLevel(before))
        request.addfinalizer(lambda: logger.removeHandler(handler))

    return add


async def test_command_listeners_run_in_the_task(
    scripted_server: ScriptedServer, connect: Connect
) -> None:
    told: list[object] = []
    recorder = Recorder("commands", also=lambda event: told.append(place()))
    client = connect(scripted_server.uri, event_listeners=recorder.listeners)
    who.set("task")
    await client.admin.command("ping")
    async with client.start_request():
        await client.admin.command("ping")
    assert told == [place()] * 4


async def test_a_command_is_logged_in_the_task(
    scripted_server: ScriptedServer, connect: Connect, log_to: Callable[..., None]
) -> None:
    client = connect(scripted_server.uri)
    await client.admin.command("ping")
    told: dict[str, list[object]] = {}

    def take(record: logging.LogRecord) -> None:
        with_task = record.name in {"greenmongo.command", "greenmongo.serverSelection"}
        told.setdefault(record.name, []).append(place() if with_task else get_ident())

    log_to("greenmongo", take, logging.DEBUG)
    await client.admin.command("ping")
    await anyio.to_thread.run_sync(wait_for_background, PATIENCE)
    assert told["greenmongo.command"] == told["greenmongo.serverSelection"] == [place()] * 2
    assert thread_of(client.sync).ident not in told["greenmongo.connection"]


async def test_a_commands_events_are_told_before_the_call_returns(
    scripted_server: ScriptedServer, connect: Connect
) -> None:
    told: list[str] = []
    recorder = Recorder("commands", also=lambda event: told.append(type(event).__name__))
    client = connect(scripted_server.uri, event_listeners=recorder.listeners)
    for _ in range(20):
        await client.admin.command("ping")
        told.append("returned")
    assert told == ["CommandStartedEvent", "CommandSucceededEvent", "returned"] * 20


async def test_each_of_many_tasks_has_its_own_events_in_order(
    scripted_server: ScriptedServer, connect: Connect
) -> None:
    told: list[tuple[int, str]] = []
    recorder = Recorder(
        "commands",
        also=lambda event: told.append((anyio.get_current_task().id, type(event).__name__)),
    )
    client = connect(scripted_server.uri, event_listeners=recorder.listeners)
    tasks: list[int] = []

    async def caller() -> None:
        for _ in range(5):
            await client.admin.command("ping")
        tasks.append(anyio.get_current_task().id)

    async with anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(caller)
    for task in tasks:
        mine = [name for whose, name in told if whose == task]
        assert mine == ["CommandStartedEvent", "CommandSucceededEvent"] * 5


async def test_a_command_is_told_of_while_it_runs(
    scripted_server: ScriptedServer, connect: Connect
) -> None:
    gate = Gate()
    scripted_server.on("find", Answer({"cursor": {"id": 0, "firstBatch": []}}, gate))

    def let_go(event: object) -> None:
        if isinstance(event, monitoring.CommandStartedEvent):
            gate.open()

    recorder = Recorder("commands", also=let_go)
    client = connect(scripted_server.uri, event_listeners=recorder.listeners)
    assert await client.shop.items.find_one() is None


async def test_a_task_that_is_cancelled_leaves_no_command_without_an_end(
    scripted_server: ScriptedServer, connect: Connect
) -> None:
    gate = Gate()
    scripted_server.on("find", Answer({"cursor": {"id": 0, "firstBatch": []}}, gate))
    recorder = Recorder("commands")
    client = connect(scripted_server.uri, event_listeners=recorder.listeners)
    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(client.shop.items.find_one)
        await eventually(lambda: gate.waiting)
        group.cancel_scope.cancel()
    # Told behind those who left, and one after the other: some time all have been.
    await eventually(
        lambda: (
            recorder.names.count("CommandFailed") >= scripted_server.count("find")
            and recorder.names.count("CommandFailed") == recorder.names.count("CommandStarted")
        )
    )
    gate.open()
    starts = recorder.of(monitoring.CommandStartedEvent)
    ends = recorder.of(monitoring.CommandFailedEvent)
    assert {each.request_id for each in starts} == {each.request_id for each in ends}
    for each in starts:
        order = [e for e in recorder.events if e.request_id == each.request_id]
        assert [type(e) for e in order] == [
            monitoring.CommandStartedEvent,
            monitoring.CommandFailedEvent,
        ]


async def test_a_listener_may_use_the_blocking_client(
    scripted_server: ScriptedServer, connect: Connect
) -> None:
    clients: list[Client] = []

    def use(event: object) -> None:
        if getattr(event, "command_name", "") == "ping":
            clients[0].sync.admin.command("whoami")

    recorder = Recorder("commands", also=use)
    clients.append(connect(scripted_server.uri, event_listeners=recorder.listeners))
    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(clients[0].admin.command, "ping")
    assert scripted_server.count("whoami") == 20


@pytest.mark.parametrize("kind", ["commands", "pools", "heartbeats", "servers", "topologies"])
async def test_a_listener_may_take_a_lock_that_the_loops_thread_holds(
    kind: str, scripted_server: ScriptedServer, connect: Connect
) -> None:
    lock = threading.RLock()

    def take(event: object) -> None:
        with lock:
            return

    recorder = Recorder(kind, also=take)
    client = connect(scripted_server.uri, event_listeners=recorder.listeners)
    with lock:
        for _ in range(3):
            await client.admin.command("ping")
    await client.close()
    assert recorder.events


@pytest.mark.parametrize("level", [logging.INFO, logging.DEBUG])
async def test_a_log_handler_may_use_a_client_that_has_not_connected(
    level: int, scripted_server: ScriptedServer, connect: Connect, log_to: Callable[..., None]
) -> None:
    client = connect(scripted_server.uri, connect=False)

    def write(record: logging.LogRecord) -> None:
        client.sync.logs.records.insert_one({"logger": record.name, "text": record.getMessage()})

    app = logging.getLogger("app")
    log_to("app", write, level)
    log_to("greenmongo", write, level)
    app.error("x")
    await client.admin.command("ping")
    await anyio.to_thread.run_sync(wait_for_background, PATIENCE)
    loggers = [
        each.document["documents"][0]["logger"] for each in scripted_server.commands("insert")
    ]
    assert "app" in loggers
    assert ("greenmongo.command" in loggers) == (level == logging.DEBUG)


async def test_a_blocked_listener_of_another_thread_delays_no_task(
    scripted_server: ScriptedServer, connect: Connect
) -> None:
    entered, leave = threading.Event(), threading.Event()
    scripted_server.on("slow", {})

    def block(event: Any) -> None:
        if getattr(event, "command_name", "") == "slow":
            entered.set()
            assert leave.wait(PATIENCE)

    recorder = Recorder("commands", also=block)
    client = connect(scripted_server.uri, event_listeners=recorder.listeners, maxPoolSize=2)
    blocked = start(client.sync.admin.command, "slow")
    try:
        await eventually(entered.is_set)
        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(client.shop.items.find_one)
        assert not blocked.done()
    finally:
        leave.set()
    await anyio.to_thread.run_sync(blocked.result, PATIENCE)


async def test_listeners_of_what_the_user_runs_on_the_hub_run_there(
    scripted_server: ScriptedServer, connect: Connect
) -> None:
    idents: list[int] = []
    recorder = Recorder("commands", also=lambda event: idents.append(get_ident()))
    client = connect(scripted_server.uri, event_listeners=recorder.listeners)
    await client.run(client.sync.admin.command, "ping")
    assert idents == [thread_of(client.sync).ident] * 2
