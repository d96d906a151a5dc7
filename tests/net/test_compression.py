"""Compression on the wire: what is agreed on, and which messages it applies to."""

from __future__ import annotations

import threading
import zlib
from typing import Any

import pytest
from pymongo.write_concern import WriteConcern

from tests.support.fix_hub import Connect
from tests.support.fix_scripted import Received, ScriptedServer
from tests.support.peek import wait_until_known

ZLIB = {"compression": ["zlib"]}


def offers(server: ScriptedServer) -> list[list[str]]:
    return [each.document.get("compression", []) for each in server.commands("hello")]


def was_compressed(received: Received) -> bool:
    return received.request.compressed


def test_what_was_agreed_on_is_used(scripted_server: ScriptedServer, client_of: Connect) -> None:
    scripted_server.hello.update(ZLIB)
    client = client_of(scripted_server.uri, compressors="zlib")
    client.db.things.insert_one({"_id": 1, "text": "x" * 1000})
    assert client.db.things.find_one() == {"_id": 1, "text": "x" * 1000}
    for name in ("insert", "find"):
        (command,) = scripted_server.commands(name)
        assert was_compressed(command)
    assert scripted_server.commands("insert")[0].request.size < 500


def test_only_connections_for_operations_offer_it(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client = client_of(scripted_server.uri, compressors="zlib")
    wait_until_known(client)
    client.admin.command("ping")
    monitoring, operating = offers(scripted_server)
    assert (monitoring, operating) == ([], ["zlib"])


def test_a_server_that_does_not_agree_gets_plain_messages(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client = client_of(scripted_server.uri, compressors="zlib")
    client.admin.command("ping")
    assert not any(map(was_compressed, scripted_server.commands()))


def test_nothing_is_offered_unless_asked_for(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    scripted_server.hello.update(ZLIB)
    client_of(scripted_server.uri).admin.command("ping")
    assert not any(offers(scripted_server))
    assert not any(map(was_compressed, scripted_server.commands()))


@pytest.mark.parametrize("name", ["hello", "isMaster", "createUser", "updateUser", "saslStart"])
def test_secrets_and_greetings_stay_plain(
    scripted_server: ScriptedServer, client_of: Connect, name: str
) -> None:
    scripted_server.hello.update(ZLIB)
    if name not in ("hello", "isMaster"):
        scripted_server.on(name, {})
    client = client_of(scripted_server.uri, compressors="zlib")
    client.admin.command(name, "x")
    assert not any(map(was_compressed, scripted_server.commands()))


def test_an_unacknowledged_write_is_compressed(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    scripted_server.hello.update(ZLIB)
    client = client_of(scripted_server.uri, compressors="zlib")
    things = client.db.things.with_options(write_concern=WriteConcern(w=0))
    things.insert_one({"_id": 1})
    scripted_server.wait_for(lambda: scripted_server.count("insert"))
    assert was_compressed(scripted_server.commands("insert")[0])


def test_the_level_is_the_one_asked_for(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    scripted_server.hello.update(ZLIB)
    document = {"_id": 1, "text": "x" * 1000}
    client = client_of(scripted_server.uri, compressors="zlib", zlibCompressionLevel=0)
    client.db.things.insert_one(document)
    (insert,) = scripted_server.commands("insert")
    assert was_compressed(insert)
    assert insert.request.size > 1000


def test_compressing_much_keeps_nobody_else_waiting(
    scripted_server: ScriptedServer, client_of: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted_server.hello.update(ZLIB)
    client = client_of(scripted_server.uri, compressors="zlib")
    begun, others_had_their_turn = threading.Event(), threading.Event()
    waited: list[bool] = []
    compress = zlib.compress

    def slow_compress(data: Any, level: int = -1) -> bytes:
        if len(data) > 100_000 and not begun.is_set():
            begun.set()
            waited.append(others_had_their_turn.wait(10))
        return compress(data, level)

    monkeypatch.setattr(zlib, "compress", slow_compress)
    writer = threading.Thread(
        target=client.db.things.insert_one, args=({"_id": 1, "text": "x" * 200_000},)
    )
    writer.start()
    assert begun.wait(10)
    client.admin.command("ping")
    others_had_their_turn.set()
    writer.join(10)
    assert waited == [True]
    assert client.db.things.find_one() == {"_id": 1, "text": "x" * 200_000}
