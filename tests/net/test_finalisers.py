"""Finalisers of the user's that come to run on the hub thread, in the middle of the driver."""

from __future__ import annotations

import gc
import logging
import sys
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import gevent
import pytest
from gevent.hub import getcurrent

from greenmongo import MongoClient
from greenmongo._hub.thread import HubThread
from greenmongo._hub.upcall import spawn
from greenmongo._hub.workers import Worker
from greenmongo.errors import InvalidOperation, MisuseError
from tests.support.fix_hub import Client, Connect
from tests.support.fix_leaks import wait_until
from tests.support.fix_scripted import ScriptedServer

Act = Callable[[], object]
Place = Callable[[HubThread, Act], object]


@pytest.fixture
def client(scripted_server: ScriptedServer, client_of: Connect) -> Client:
    return client_of(scripted_server.uri)


class Node:
    """Part of a circle, which only the garbage collector can undo."""

    def __init__(self, act: Act | None = None) -> None:
        self.myself = self
        if act is not None:
            weakref.finalize(self, act).atexit = False


class Dying(Node):
    def __init__(self, act: Act) -> None:
        super().__init__()
        self.act = act

    def __del__(self) -> None:
        self.act()


# ---- where the collector runs -------------------------------------------------------------------


def in_a_callback(thread: HubThread, act: Act) -> None:
    thread.submit(lambda: act() and None)


def in_a_greenlet_of_the_drivers(thread: HubThread, act: Act) -> None:
    thread.submit(partial(spawn, act))


def in_an_operation(thread: HubThread, act: Act) -> None:
    def operate() -> None:
        worker = getcurrent()
        assert isinstance(worker, Worker)
        worker.is_driving = True
        try:
            act()
        finally:
            worker.is_driving = False

    thread.call(operate)


def between_operations(thread: HubThread, act: Act) -> None:
    thread.call(act)


PLACES: list[Place] = [
    in_a_callback,
    in_a_greenlet_of_the_drivers,
    in_an_operation,
    between_operations,
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", [Dying, Node])
def test_what_a_finaliser_writes_arrives(
    client: Client,
    scripted_server: ScriptedServer,
    hub_thread: HubThread,
    place: Place,
    kind: Callable[[Act], Node],
) -> None:
    """F14: wherever on the hub thread the garbage collector finds it."""
    client.admin.command("ping")

    def write() -> None:
        collection = client.db.c
        inserted = collection.insert_one({"_id": 1})
        assert inserted.inserted_id == 1
        collection.update_one({"_id": 1}, {"$set": {"x": 2}})
        collection.insert_many([{"_id": 2}, {"_id": 3}])
        collection.delete_one({"_id": 3})

    def collect() -> None:
        kind(write)
        gc.collect()

    place(hub_thread, collect)
    scripted_server.wait_for(lambda: scripted_server.count("delete"))
    writes = [each.name for each in scripted_server.received if each.name in WRITES]
    assert writes == ["insert", "update", "insert", "delete"]
    assert [each["_id"] for each in scripted_server.store.collections["db.c"]] == [1, 2]


WRITES = {"insert", "update", "delete"}


def test_a_write_of_a_finaliser_says_that_it_has_no_answer_yet(
    client: Client, hub_thread: HubThread
) -> None:
    """F14: no result is made up."""
    client.admin.command("ping")
    collection = client.db.c
    results: list[Any] = []

    def write() -> None:
        results.append(collection.insert_one({}))
        results.append(collection.update_one({}, {"$set": {"x": 1}}))
        results.append(collection.delete_one({}))

    in_an_operation(hub_thread, write)
    assert [each.acknowledged for each in results] == [False] * 3
    with pytest.raises(InvalidOperation):
        _ = results[2].deleted_count


@pytest.mark.parametrize("place", PLACES[:3])
def test_a_finaliser_that_reads_gets_an_error(
    client: Client, hub_thread: HubThread, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F14: it cannot wait for the result; Python prints the error."""
    printed: list[BaseException | None] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda found: printed.append(found.exc_value))
    client.admin.command("ping")

    def collect() -> None:
        Dying(client.db.c.find_one)
        gc.collect()

    place(hub_thread, collect)
    hub_thread.call(gevent.sleep, 0.01)
    (error,) = printed
    assert isinstance(error, MisuseError)
    assert "only write in finalisers" in str(error)


def test_a_client_may_be_first_used_by_a_finaliser(
    scripted_server: ScriptedServer, client_of: Connect, hub_thread: HubThread
) -> None:
    """F14: a sibling: to open a client takes no waiting."""
    client = client_of(scripted_server.uri)
    in_a_callback(hub_thread, lambda: client.db.c.insert_one({"_id": 1}))
    scripted_server.wait_for(lambda: scripted_server.count("insert"))


def test_a_finalisers_write_that_fails_is_logged(
    client: Client,
    scripted_server: ScriptedServer,
    hub_thread: HubThread,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """F14: there is nobody else to tell."""
    error = {"index": 0, "code": 121, "errmsg": "no good"}
    scripted_server.on("insert", {"n": 0, "writeErrors": [error]})
    client.admin.command("ping")
    with caplog.at_level(logging.ERROR, "greenmongo"):
        in_a_callback(hub_thread, lambda: client.db.c.insert_one({"_id": 1}))
        client.close()
        wait_until(lambda: "no good" in caplog.text)
    assert "a finaliser's insert to db.c, done after it had returned, failed" in caplog.text
    assert "no good" in caplog.text


def test_what_finalisers_have_written_last_is_done_before_the_client_is_closed(
    scripted_server: ScriptedServer, hub_thread: HubThread
) -> None:
    """F14: closing waits for it."""
    with MongoClient[dict[str, Any]](scripted_server.uri) as client:
        client.admin.command("ping")
        for number in range(20):
            in_a_callback(hub_thread, partial(client.db.c.insert_one, {"_id": number}))
    assert len(scripted_server.store.collections["db.c"]) == 20


def test_writes_that_are_not_done_in_time_are_named(
    client: Client, hub_thread: HubThread, caplog: pytest.LogCaptureFixture
) -> None:
    """F14: when the client is gone."""
    client.admin.command("ping")
    engine = client._executor._engine
    assert engine is not None

    def write_and_close() -> None:
        client.db.c.insert_one({"_id": 1})
        client.db.d.insert_one({"_id": 1})
        engine.close()

    with caplog.at_level(logging.ERROR, "greenmongo"):
        in_a_callback(hub_thread, write_and_close)
        client.close()
        # The log is written in a thread of its own, which nobody who closes waits for.
        wait_until(lambda: all(name in caplog.text for name in ("to db.c", "to db.d")))
    assert "insert to db.c" in caplog.text
    assert "insert to db.d" in caplog.text


def test_a_listener_on_the_hub_is_no_finaliser(
    client: Client, hub_thread: HubThread, scripted_server: ScriptedServer
) -> None:
    """F14: code that the user has put there may read, also inside of an operation."""
    from greenmongo._hub.upcall import in_own_place, upcall

    scripted_server.store.collections["db.c"] = [{"_id": 1}]
    found = hub_thread.call(
        in_own_place,
        lambda: in_an_operation(hub_thread, lambda: upcall(client.db.c.find_one)),
    )
    assert found is None
    assert scripted_server.count("find") == 1
