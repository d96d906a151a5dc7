"""A server that sends nonsense, through real clients: a clear error, one connection closed, and on.

Every fault strikes operations, some strike greetings, logins and checks, after each of which a
client takes its half second before it tries again. For blocking callers and for asyncio's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from pymongo.errors import (
    AutoReconnect,
    ProtocolError,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from bridge import AsyncMongoClient
from greenmongo import MongoClient
from tests.support.fix_doors import start
from tests.support.fix_leaks import wait_until
from tests.support.fix_scripted import Answer, Gate, ScriptedServer
from tests.support.hostile import BREAKS, NONSENSE
from tests.support.loop_actor import AsyncioActor, Blocking
from tests.support.peek import wait_for_failed_check

FAULTS = {**NONSENSE, **BREAKS}
PLAIN = {"username": "user", "password": "secret", "authMechanism": "PLAIN"}
SOME = ["a huge length", "no bson", "half a message", "a bomb in disguise"]

Open = Callable[..., Any]


@pytest.fixture(params=["blocking", "asyncio"])
def open_client(request: pytest.FixtureRequest, scripted_server: ScriptedServer) -> Iterator[Open]:
    """Open clients of the scripted server, through each door in turn."""
    with ExitStack() as stack:
        actor = AsyncioActor() if request.param == "asyncio" else None
        if actor is not None:
            stack.callback(actor.stop)

        def open_it(**options: Any) -> Any:
            defaults = {"retryReads": False, "retryWrites": False, "connect": True}
            options = {"serverSelectionTimeoutMS": 10_000, **defaults, **options}
            client: Any
            if actor is None:
                client = MongoClient(scripted_server.uri, **options)
            else:
                client = Blocking(actor, AsyncMongoClient(scripted_server.uri, **options))
            stack.callback(client.close)
            return client

        yield open_it


def application(server: ScriptedServer) -> list[int]:
    """Return the numbers of the open connections that carry operations."""
    return [each.number for each in server.open_connections if set(each.commands) - {"hello"}]


def find_all(client: Any) -> list[dict[str, Any]]:
    return list(client.db.things.find({}, batch_size=2))


def expected(fault: str) -> type[PyMongoError]:
    return ProtocolError if fault in NONSENSE else AutoReconnect


@pytest.fixture
def server(scripted_server: ScriptedServer) -> ScriptedServer:
    """A server with a few documents that takes any user of PLAIN."""
    scripted_server.store.collections["db.things"] = [{"_id": n} for n in range(5)]
    scripted_server.on("saslStart", {"conversationId": 1, "done": True, "payload": b""})
    return scripted_server


@pytest.mark.parametrize("command", ["find", "getMore"])
@pytest.mark.parametrize("fault", FAULTS)
def test_nonsense_for_a_reply_ends_one_operation(
    server: ScriptedServer, open_client: Open, fault: str, command: str
) -> None:
    client = open_client()
    client.admin.command("ping")
    (first,) = application(server)
    server.script(command, Answer(manner=FAULTS[fault]))
    with pytest.raises(expected(fault), match=server.host):
        find_all(client)
    server.wait_for(lambda: not server.connections[first].is_open)
    assert len(find_all(client)) == 5


@pytest.mark.parametrize("fault", SOME)
def test_nonsense_in_the_handshake_ends_one_attempt(
    server: ScriptedServer, open_client: Open, fault: str
) -> None:
    client = open_client(maxPoolSize=1)
    wait_until(lambda: client.nodes)
    server.script("hello", Answer(manner=FAULTS[fault]))
    with pytest.raises(expected(fault), match=server.host):
        find_all(client)
    assert len(find_all(client)) == 5


@pytest.mark.parametrize("fault", SOME)
def test_nonsense_in_authentication_ends_one_attempt(
    server: ScriptedServer, open_client: Open, fault: str
) -> None:
    client = open_client(**PLAIN)
    server.script("saslStart", Answer(manner=FAULTS[fault]))
    with pytest.raises(expected(fault), match=server.host):
        find_all(client)
    server.wait_for(lambda: not application(server))
    assert len(find_all(client)) == 5


@pytest.mark.parametrize("fault", SOME)
def test_nonsense_for_the_monitor_is_told_by_those_who_wait_and_passes(
    server: ScriptedServer, open_client: Open, fault: str
) -> None:
    server.on("hello", Answer(manner=FAULTS[fault]))
    client = open_client(serverSelectionTimeoutMS=50)
    wait_for_failed_check(client.sync if isinstance(client, Blocking) else client)
    with pytest.raises(ServerSelectionTimeoutError, match=f"{server.host}: "):
        find_all(client)
    server.on("hello", server.hello_reply)
    assert len(find_all(open_client())) == 5
    wait_until(lambda: client.nodes)
    assert len(find_all(client)) == 5


@pytest.mark.parametrize("fault", ["a huge length", "no bson", "a bomb in disguise"])
def test_other_connections_go_on(server: ScriptedServer, open_client: Open, fault: str) -> None:
    client, gate = open_client(), Gate()
    # Another caller of the same client: an actor is one task and does one thing after another.
    other = client.sync if isinstance(client, Blocking) else client
    server.script("find", Answer(server.store.answer({"find": "things", "$db": "db"}) or {}, gate))
    waiting = start(lambda: find_all(other))
    try:
        gate.wait_for_waiting()
        server.script("find", Answer(manner=FAULTS[fault]))
        with pytest.raises(ProtocolError):
            find_all(client)
    finally:
        gate.open()
    assert len(waiting.result(5)) == 5
    server.wait_for(lambda: len(application(server)) == 1)


SENSELESS: list[tuple[str, dict[str, Any]]] = [
    ("find", {}),
    ("find", {"cursor": 5}),
    ("find", {"cursor": {"id": "x", "firstBatch": {}, "ns": 5}}),
    ("find", {"ok": 0, "code": [], "errmsg": 5, "errorLabels": 7}),
    ("find", {"$clusterTime": {}, "cursor": {"id": 0, "firstBatch": [], "ns": "db.c"}}),
    ("getMore", {"cursor": {"id": 0, "firstBatch": []}}),
    ("hello", {"maxMessageSizeBytes": -5}),
    ("hello", {"compression": 5}),
    ("hello", {"speculativeAuthenticate": "x", "ismaster": True}),
    ("hello", {"ok": 0, "code": {}, "errmsg": []}),
]


@pytest.mark.parametrize(("command", "reply"), SENSELESS)
def test_good_bson_without_sense_is_nonsense_too(
    server: ScriptedServer, open_client: Open, command: str, reply: dict[str, Any]
) -> None:
    client = open_client(compressors="zlib")
    wait_until(lambda: client.nodes)
    server.script(command, reply)
    with pytest.raises(ProtocolError, match=server.host):
        find_all(client)
    assert len(find_all(client)) == 5


def test_a_server_that_calls_its_limit_endless_is_held_to_the_usual_one(
    server: ScriptedServer, open_client: Open
) -> None:
    server.hello["maxMessageSizeBytes"] = 2**31 - 1
    client = open_client()
    server.script("find", Answer(manner=FAULTS["a length above the limit"]))
    with pytest.raises(ProtocolError, match="49000000 is not between 16 and 48016384"):
        find_all(client)
    assert len(find_all(client)) == 5


@pytest.mark.parametrize("fault", ["a bomb that owns up", "a bomb in disguise", "a huge length"])
def test_nonsense_takes_no_memory(
    server: ScriptedServer, open_client: Open, fault: str, peak_memory: Callable[[], int]
) -> None:
    client = open_client()
    client.admin.command("ping")
    server.script("find", *[Answer(manner=FAULTS[fault])] * 5)
    for _ in range(5):
        with pytest.raises(ProtocolError):
            find_all(client)
    assert peak_memory() < 20 << 20


def test_a_length_that_is_only_announced_takes_no_memory(
    server: ScriptedServer, open_client: Open, peak_memory: Callable[[], int]
) -> None:
    def announce(connection: Any, message: bytes) -> None:
        connection.send(message[:4].replace(message[:4], (47_000_000).to_bytes(4, "little")))
        connection.send(message[4:16] + bytes(1000))

    client = open_client(socketTimeoutMS=2500)
    client.admin.command("ping")
    server.script("find", Answer(manner=announce))
    with pytest.raises(AutoReconnect):
        find_all(client)
    assert peak_memory() < 10 << 20
    assert len(find_all(client)) == 5
