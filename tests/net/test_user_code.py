"""Listeners and log handlers run in the caller's place: threads and greenlets."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import gevent.lock
import pytest
from pymongo import monitoring

import greenmongo
from greenmongo._hub.background import wait_for_background
from greenmongo._hub.native import get_ident
from greenmongo.lowlevel import thread_of
from tests.support.fix_doors import Door, GreenletDoor, start
from tests.support.fix_hub import Client, Connect
from tests.support.fix_scripted import Answer, Gate, ScriptedServer, hang_up
from tests.support.listeners import Recorder

PATIENCE = 15.0

local = threading.local()


class Handler(logging.Handler):
    """Calls a function with each record of the driver's own loggers, or of all."""

    def __init__(self, take: Callable[[logging.LogRecord], object]) -> None:
        super().__init__()
        self.take = take

    def emit(self, record: logging.LogRecord) -> None:
        self.take(record)


@contextmanager
def handling(
    take: Callable[[logging.LogRecord], object], *, level: int = logging.DEBUG, name: str = ""
) -> Iterator[None]:
    """Have a handler at a logger of that name and level; the root's, if there is none."""
    logger, handler = logging.getLogger(name), Handler(take)
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)
        logger.removeHandler(handler)


def lock_for(door: Door) -> Any:
    return gevent.lock.RLock() if isinstance(door, GreenletDoor) else threading.RLock()


# ---- in whose place -----------------------------------------------------------------------------


def test_command_listeners_run_in_the_calling_thread_or_greenlet(
    scripted_server: ScriptedServer, client_of: Connect, door: Door
) -> None:
    told: list[tuple[int, object, str]] = []
    recorder = Recorder(
        "commands",
        also=lambda event: told.append((get_ident(), gevent.getcurrent(), local.name)),
    )
    client = client_of(scripted_server.uri, event_listeners=recorder.listeners)

    def caller() -> tuple[int, object, str]:
        local.name = "the caller's"
        client.admin.command("ping")
        return get_ident(), gevent.getcurrent(), local.name

    here = door.call(caller)
    assert told == [here, here]


def test_a_command_is_logged_in_the_calling_thread_or_greenlet(
    scripted_server: ScriptedServer, client_of: Connect, door: Door
) -> None:
    client = client_of(scripted_server.uri)
    client.admin.command("ping")
    told: dict[str, list[object]] = {}

    def take(record: logging.LogRecord) -> None:
        told.setdefault(record.name, []).append((get_ident(), gevent.getcurrent()))

    def caller() -> object:
        client.admin.command("ping")
        return get_ident(), gevent.getcurrent()

    with handling(take, name="greenmongo"):
        here = door.call(caller)
        assert wait_for_background(PATIENCE)
    assert told["greenmongo.command"] == [here, here]
    assert told["greenmongo.serverSelection"] == [here, here]
    hub_ident = thread_of(client).ident
    assert hub_ident not in {place[0] for places in told.values() for place in places}  # type: ignore[index]


@pytest.mark.parametrize("kind", ["commands", "pools", "heartbeats", "servers", "topologies"])
def test_no_listener_runs_on_the_hub_thread(
    kind: str, scripted_server: ScriptedServer, client_of: Connect, door: Door
) -> None:
    idents: set[int] = set()
    recorder = Recorder(kind, also=lambda event: idents.add(get_ident()))
    client = client_of(scripted_server.uri, event_listeners=recorder.listeners)
    door.call(client.admin.command, "ping")
    hub_ident = thread_of(client).ident
    client.close()
    assert recorder.events
    assert hub_ident not in idents


def test_listeners_of_what_the_user_runs_on_the_hub_run_there(
    scripted_server: ScriptedServer, client_of: Connect, door: Door
) -> None:
    idents: list[int] = []
    recorder = Recorder("commands", also=lambda event: idents.append(get_ident()))
    client = client_of(scripted_server.uri, event_listeners=recorder.listeners)
    door.call(greenmongo.run, client.admin.command, "ping")
    assert idents == [thread_of(client).ident] * 2


# ---- order --------------------------------------------------------------------------------------


def test_a_commands_events_are_told_before_the_call_returns(
    scripted_server: ScriptedServer, client_of: Connect, door: Door
) -> None:
    told: list[str] = []
    recorder = Recorder("commands", also=lambda event: told.append(type(event).__name__))
    client = client_of(scripted_server.uri, event_listeners=recorder.listeners, retryReads=True)

    def caller() -> None:
        scripted_server.script("find", Answer(manner=hang_up))
        client.shop.items.find_one()
        told.append("returned")

    door.call(caller)
    assert told == [
        "CommandStartedEvent",
        "CommandFailedEvent",
        "CommandStartedEvent",
        "CommandSucceededEvent",
        "returned",
    ]


def test_a_command_is_told_of_while_it_runs(
    scripted_server: ScriptedServer, client_of: Connect, door: Door
) -> None:
    gate = Gate()
    scripted_server.on("find", Answer({"cursor": {"id": 0, "firstBatch": []}}, gate))

    def let_go(event: object) -> None:
        if isinstance(event, monitoring.CommandStartedEvent):
            gate.open()

    recorder = Recorder("commands", also=let_go)
    client = client_of(scripted_server.uri, event_listeners=recorder.listeners)
    assert door.call(client.shop.items.find_one) is None


def test_each_of_many_callers_has_its_own_events_in_order(
    scripted_server: ScriptedServer, client_of: Connect, door: Door
) -> None:
    told: list[tuple[object, str]] = []
    recorder = Recorder(
        "commands",
        also=lambda event: told.append((gevent.getcurrent(), type(event).__name__)),
    )
    client = client_of(scripted_server.uri, event_listeners=recorder.listeners)

    def caller() -> object:
        for _ in range(5):
            client.admin.command("ping")
        return gevent.getcurrent()

    callers = door.gather(*[caller] * 20)
    for each in callers:
        mine = [name for whose, name in told if whose is each]
        assert mine == ["CommandStartedEvent", "CommandSucceededEvent"] * 5


# ---- no deadlock, and nobody else notices -------------------------------------------------------


@pytest.mark.parametrize("kind", ["commands", "pools", "heartbeats", "servers", "topologies"])
def test_a_listener_may_take_a_lock_that_the_caller_holds(
    kind: str, scripted_server: ScriptedServer, client_of: Connect, door: Door
) -> None:
    lock = lock_for(door) if kind == "commands" else threading.RLock()

    def take(event: object) -> None:
        with lock:
            return

    recorder = Recorder(kind, also=take)
    client = client_of(scripted_server.uri, event_listeners=recorder.listeners)

    def caller() -> None:
        with lock:
            for _ in range(3):
                client.admin.command("ping")

    door.call(caller)
    client.close()
    assert recorder.events


def test_a_command_listener_may_use_the_client(
    scripted_server: ScriptedServer, client_of: Connect, door: Door
) -> None:
    clients: list[Client] = []

    def use(event: object) -> None:
        if getattr(event, "command_name", "") == "ping":
            clients[0].admin.command("whoami")

    recorder = Recorder("commands", also=use)
    clients.append(client_of(scripted_server.uri, event_listeners=recorder.listeners))
    door.gather(*[lambda: clients[0].admin.command("ping")] * 10)
    assert scripted_server.count("whoami") == 20


@pytest.mark.parametrize("level", [logging.INFO, logging.DEBUG])
def test_a_log_handler_may_use_a_client_that_has_not_connected(
    level: int, scripted_server: ScriptedServer, client_of: Connect, door: Door
) -> None:
    """F01: and what it wants to record is recorded."""
    client = client_of(scripted_server.uri, connect=False)

    def write(record: logging.LogRecord) -> None:
        client.logs.records.insert_one({"logger": record.name, "text": record.getMessage()})

    with handling(write, level=level):
        door.call(logging.getLogger("app").error, "x")
        assert wait_for_background(PATIENCE)
    stored = scripted_server.commands("insert")
    assert "app" in [each.document["documents"][0]["logger"] for each in stored]


def test_what_a_log_handler_does_itself_is_not_logged(
    scripted_server: ScriptedServer, client_of: Connect, door: Door
) -> None:
    client = client_of(scripted_server.uri, maxPoolSize=1)  # none is opened for the handler
    client.admin.command("ping")
    names: list[str] = []

    def write(record: logging.LogRecord) -> None:
        names.append(record.name)
        client.logs.records.insert_one({"text": record.getMessage()})

    with handling(write, name="greenmongo.command"):
        door.call(client.admin.command, "ping")
    assert names == ["greenmongo.command"] * 2
    with handling(write, name="greenmongo.connection"):
        door.call(client.admin.command, "ping")
        assert wait_for_background(PATIENCE)
        assert wait_for_background(PATIENCE)
    assert names[2:] == ["greenmongo.connection"] * 3  # checkout started, checked out, checked in


def test_a_listener_that_blocks_delays_only_its_own_caller(
    scripted_server: ScriptedServer, client_of: Connect, door: Door
) -> None:
    entered, leave = threading.Event(), threading.Event()

    def block(event: Any) -> None:
        if getattr(event, "command_name", "") == "slow":
            entered.set()
            assert leave.wait(PATIENCE)

    scripted_server.on("slow", {})
    recorder = Recorder("commands", also=block)
    client = client_of(scripted_server.uri, event_listeners=recorder.listeners, maxPoolSize=2)
    blocked = start(client.admin.command, "slow")
    try:
        assert entered.wait(PATIENCE)
        door.gather(*[client.shop.items.find_one] * 50)
        assert not blocked.done()
    finally:
        leave.set()
    blocked.result(PATIENCE)


class NoLock:
    """What takes a lock's place in a log handler, on any version of Python."""

    def acquire(self) -> None:
        return

    release = acquire

    def __enter__(self) -> None:
        return

    def __exit__(self, *error: object) -> None:
        return


def test_a_log_handler_that_blocks_delays_only_its_own_caller(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    entered, leave = threading.Event(), threading.Event()
    scripted_server.on("slow", {})
    client = client_of(scripted_server.uri)

    def block(record: Any) -> None:
        if record.msg.fields.get("commandName") == "slow":
            entered.set()
            assert leave.wait(PATIENCE)

    class Unlocked(Handler):
        """One that takes no lock; with one, whoever logs waits for it."""

        def createLock(self) -> None:
            lock: Any = NoLock()
            self.lock = lock

    logger, handler = logging.getLogger("greenmongo.command"), Unlocked(block)
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    blocked = start(client.admin.command, "slow")
    try:
        assert entered.wait(PATIENCE)
        GreenletDoor().gather(*[client.shop.items.find_one] * 50)
        assert not blocked.done()
    finally:
        leave.set()
        logger.setLevel(logging.NOTSET)
        logger.removeHandler(handler)
    blocked.result(PATIENCE)


def test_a_server_selector_runs_in_the_callers_place(
    scripted_server: ScriptedServer, client_of: Connect, door: Door
) -> None:
    told: list[tuple[int, object]] = []

    def choose(servers: Any) -> Any:
        told.append((get_ident(), gevent.getcurrent()))
        return servers

    client = client_of(scripted_server.uri, server_selector=choose)

    def caller() -> tuple[int, object]:
        client.admin.command("ping")
        return get_ident(), gevent.getcurrent()

    here = door.call(caller)
    assert here in told
    assert thread_of(client).ident not in {ident for ident, _ in told}
