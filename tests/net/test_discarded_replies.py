"""A reply that nobody gets may have opened a cursor, which then is closed on the server."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import gevent
import pytest
import trio
from bson.codec_options import CodecOptions
from bson.int64 import Int64
from bson.raw_bson import RawBSONDocument
from gevent import Greenlet
from pymongo.errors import NetworkTimeout
from pymongo.monitoring import CommandStartedEvent
from pymongo.server_api import ServerApi

from bridge import AsyncMongoClient
from greenmongo._core.commands.find import FindSpec, find
from greenmongo._net.abandon import Abandoned
from tests.support.fix_hub import Client, Connect
from tests.support.fix_leaks import wait_until
from tests.support.fix_scripted import Answer, Gate, Received, ScriptedServer
from tests.support.listeners import Recorder
from tests.support.peek import pool_of

FILLER = "x" * 100_000
"""Makes a batch of several documents a large one."""


def patient(client: Client) -> Client:
    """See to it that the server is not told to end operations, however slow the machine is."""
    engine = client._executor.open()
    engine._abandoned = Abandoned(engine._connector, grace=60.0)
    return client


@pytest.fixture
def server(scripted_server: ScriptedServer) -> ScriptedServer:
    """A server with a few documents, which holds every first batch back."""
    scripted_server.store.collections["db.c"] = [{"_id": n, "text": FILLER} for n in range(9)]
    return scripted_server


def hold(server: ScriptedServer, name: str) -> Gate:
    """Hold back the real replies to a command."""
    gate = Gate()

    def answer(received: Received) -> Answer:
        document = server.store.answer({**received.document, name: "c"})
        assert document is not None
        return Answer(document, gate)

    server.on(name, answer)
    return gate


def leave(call: Callable[[], Any], gate: Gate) -> None:
    """Make a call whose reply is held back, and kill the caller."""
    caller: Greenlet[..., Any] = gevent.spawn(call)
    wait_until(lambda: gate.waiting)
    caller.kill()


OPENERS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "find": ("find", lambda client: client.db.c.find(batch_size=5).next()),
    "a small batch": ("find", lambda client: client.db.c.find(batch_size=1).next()),
    "to_list": ("find", lambda client: client.db.c.find(batch_size=5).to_list()),
    "aggregate": ("aggregate", lambda client: client.db.c.aggregate([], batchSize=5)),
    "database": ("aggregate", lambda client: client.db.aggregate([], batchSize=5)),
    "raw": ("find", lambda client: client.db.c.find_raw_batches(batch_size=5).next()),
    "command": ("find", lambda client: client.db.command("find", "c", batchSize=5)),
    "cursor_command": ("find", lambda client: client.db.cursor_command("find", "c", batchSize=5)),
    "raw documents": (
        "find",
        lambda client: (
            client.db.get_collection(
                "c", codec_options=CodecOptions(document_class=RawBSONDocument)
            )
            .find(batch_size=5)
            .next()
        ),
    ),
}


def assert_cursor_was_closed(server: ScriptedServer) -> None:
    """Wait until the server has no cursor left, but has had one."""
    server.wait_for(lambda: server.count("killCursors") and not server.store.open_cursors)
    (kill,) = server.commands("killCursors")
    assert kill.document["$db"] == "db"
    assert kill.document["killCursors"] == "c"


@pytest.mark.parametrize("opener", OPENERS)
def test_a_cursor_whose_caller_is_killed_is_closed(
    server: ScriptedServer, client_of: Connect, opener: str
) -> None:
    """F08: greenlets; the reply comes after its caller has left."""
    client = patient(client_of(server.uri))
    name, call = OPENERS[opener]
    gate = hold(server, name)
    leave(partial(call, client), gate)
    gate.open()
    assert_cursor_was_closed(server)
    wait_until(lambda: pool_of(client).idle_count)
    assert client.admin.command("whoami")["connectionId"] == (
        server.commands("killCursors")[0].connection.number
    )


def test_a_cursor_whose_caller_times_out_is_closed(
    server: ScriptedServer, client_of: Connect
) -> None:
    """F08: by a timeout of gevent's, and in a request."""
    client = patient(client_of(server.uri))
    gate = hold(server, "find")

    def call() -> None:
        with client.start_request(), suppress(gevent.Timeout), gevent.Timeout(0.05):
            client.db.c.find(batch_size=2).next()

    caller: Greenlet[..., Any] = gevent.spawn(call)
    caller.get(timeout=10)
    gate.open()
    assert_cursor_was_closed(server)


@pytest.mark.parametrize("opener", OPENERS)
def test_a_cursor_whose_asyncio_task_is_cancelled_is_closed(
    server: ScriptedServer, client_of: Connect, opener: str
) -> None:
    """F08: tasks of asyncio."""
    client = patient(client_of(server.uri))
    name, call = OPENERS[opener]
    gate = hold(server, name)

    async def main() -> None:
        async def run() -> None:
            await call(AsyncMongoClient.from_client(client))

        task = asyncio.create_task(run())
        await asyncio.to_thread(gate.wait_for_waiting)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    gate.open()
    assert_cursor_was_closed(server)


@pytest.mark.parametrize("opener", ["find", "aggregate"])
def test_a_cursor_whose_trio_task_is_cancelled_is_closed(
    server: ScriptedServer, client_of: Connect, opener: str
) -> None:
    """F08: tasks of trio."""
    client = patient(client_of(server.uri))
    name, call = OPENERS[opener]
    gate = hold(server, name)

    async def main() -> None:
        async with trio.open_nursery() as nursery:

            async def run() -> None:
                await call(AsyncMongoClient.from_client(client))

            nursery.start_soon(run)
            await trio.to_thread.run_sync(gate.wait_for_waiting)
            nursery.cancel_scope.cancel()

    trio.run(main)
    gate.open()
    assert_cursor_was_closed(server)


def test_a_reply_that_nobody_keeps_leaves_no_cursor(
    server: ScriptedServer, client_of: Connect
) -> None:
    """F08: the caller may leave when the reply is here, and on its way to the caller."""
    client = client_of(server.uri)
    namespace = client.db.c._namespace
    reply = client._executor.execute(find(namespace, FindSpec(batch_size=2)))
    assert server.store.open_cursors == 1
    del reply
    gc.collect()
    wait_until(lambda: not server.store.open_cursors)
    assert_cursor_was_closed(server)
    lsids = [server.commands(name)[0].document["lsid"] for name in ("find", "killCursors")]
    assert lsids[0] == lsids[1]


def test_a_cursor_that_is_read_or_closed_is_not_closed_again(
    server: ScriptedServer, client_of: Connect
) -> None:
    """F08: there is nothing to be freed."""
    client = client_of(server.uri)
    assert len(client.db.c.find(batch_size=2).to_list()) == 9
    cursor = client.db.c.find(batch_size=2)
    cursor.next()
    cursor.close()
    del cursor
    gc.collect()
    client.admin.command("ping")
    assert server.count("killCursors") == 1


def test_a_late_reply_without_a_cursor_frees_nothing(
    server: ScriptedServer, client_of: Connect
) -> None:
    """F08: neither do errors, later batches, which have their reader, and nonsense."""
    client = patient(client_of(server.uri))
    for reply in (
        {"cursor": {"id": Int64(0), "ns": "db.c", "firstBatch": []}},
        {"cursor": {"id": Int64(7), "ns": "db.c", "nextBatch": []}},
        {"cursor": {"id": "7", "ns": "db.c", "firstBatch": []}},
        {"cursor": {"id": Int64(7), "ns": 5, "firstBatch": []}},
        {"cursor": {"id": Int64(7), "ns": "db.c", "firstBatch": []}, "ok": 0.0},
        {"cursor": [1]},
    ):
        gate = Gate()
        server.script("find", Answer(reply, gate))
        leave(client.db.c.find_one, gate)
        gate.open()
        client.admin.command("ping")
    client.close()
    assert server.count("killCursors") == 0


def test_a_client_of_the_stable_api_says_so_when_it_closes_a_cursor(
    server: ScriptedServer, client_of: Connect
) -> None:
    """F08: a server that requires it would refuse."""
    client = patient(client_of(server.uri, server_api=ServerApi("1")))
    gate = hold(server, "find")
    leave(client.db.c.find(batch_size=2).next, gate)
    gate.open()
    assert_cursor_was_closed(server)
    assert server.commands("killCursors")[0].document["apiVersion"] == "1"


def test_a_find_without_an_answer_in_time_leaves_no_cursor(
    server: ScriptedServer, client_of: Connect
) -> None:
    """F08: its connection is lost, so the cursor is looked for by its session."""
    client = client_of(server.uri, socketTimeoutMS=100)
    gate = hold(server, "find")

    def look(received: Received) -> dict[str, Any]:
        gate.open()
        stage, match = received.document["pipeline"][:2]
        assert stage == {"$currentOp": {"idleCursors": True}}
        (found,) = server.commands("find")
        assert match == {"$match": {"lsid.id": {"$in": [found.document["lsid"]["id"]]}}}
        (number,) = server.store._cursors
        idle = {"type": "idleCursor", "ns": "db.c", "cursor": {"cursorId": Int64(number)}}
        return {"cursor": {"id": Int64(0), "ns": "admin.$cmd", "firstBatch": [idle]}}

    server.on("aggregate", look)
    with pytest.raises(NetworkTimeout):
        client.db.c.find(batch_size=2).next()
    assert_cursor_was_closed(server)


def test_a_later_batch_that_does_not_come_in_time_closes_the_cursor(
    server: ScriptedServer, client_of: Connect
) -> None:
    """F08: the server may be well, and only slow."""
    client = client_of(server.uri, socketTimeoutMS=100)
    cursor = client.db.c.find(batch_size=2)
    cursor.to_list(2)
    gate = Gate()
    server.script("getMore", Answer({}, gate))
    with pytest.raises(NetworkTimeout):
        cursor.next()
    assert_cursor_was_closed(server)
    gate.open()


def test_what_a_find_without_an_answer_leaves_is_not_looked_for_while_it_is_tried_again(
    server: ScriptedServer, client_of: Connect
) -> None:
    """F08: the next attempt runs in the same session, and is not to be ended."""
    seen = Recorder("commands")
    client = client_of(
        server.uri, socketTimeoutMS=100, retryReads=True, event_listeners=seen.listeners
    )
    gate = Gate()

    def answer_the_second(received: Received) -> Answer:
        document = server.store.answer(received.document)
        assert document is not None
        return Answer(document, gate) if server.count("find") == 1 else Answer(document)

    server.on("find", answer_the_second)
    with client.db.c.find(batch_size=2) as cursor:
        assert cursor.next()
    client.admin.command("ping")
    gate.open()
    names = [event.command_name for event in seen.of(CommandStartedEvent)]
    assert names == ["find", "find", "killCursors", "ping"]
    assert not server.count("aggregate")


def test_listeners_are_not_told_how_it_is_looked_for(
    server: ScriptedServer, client_of: Connect
) -> None:
    """F08: it is nobody's operation."""
    seen = Recorder("commands")
    client = client_of(server.uri, socketTimeoutMS=100, event_listeners=seen.listeners)
    gate = hold(server, "find")
    with pytest.raises(NetworkTimeout):
        client.db.c.find(batch_size=2).next()
    server.wait_for(lambda: server.count("aggregate") == 1)
    gate.open()
    assert [event.command_name for event in seen.of(CommandStartedEvent)] == ["find"]
