"""Exhaust cursors: batches that the server sends without being asked."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from pymongo.errors import AutoReconnect, OperationFailure, ProtocolError

from greenmongo import CursorType
from tests.support.fix_doors import Door
from tests.support.fix_hub import Client, Connect
from tests.support.fix_scripted import Answer, Received, ScriptedConnection, ScriptedServer
from tests.support.listeners import Recorder
from tests.support.scripted_wire import MORE_TO_COME

EXHAUST_ALLOWED = 1 << 16

FIRST = {"cursor": {"id": 7, "ns": "db.c", "firstBatch": [{"_id": 0}]}}


def batch(number: int, *, last: bool = False) -> dict[str, Any]:
    cursor = {"id": 0 if last else 7, "ns": "db.c", "nextBatch": [{"_id": number}]}
    return {"cursor": cursor, "ok": 1.0}


class Streaming:
    """Answers a getMore with several replies, of which all but the last announce another."""

    def __init__(self, server: ScriptedServer, *replies: dict[str, Any], lie: bool = False) -> None:
        self._replies = replies
        self._lie = lie
        server.on("find", FIRST)
        server.on("getMore", self._answer)

    def _answer(self, received: Received) -> Answer:
        def stream(connection: ScriptedConnection, _message: bytes) -> None:
            request = received.request
            assert bool(request.flags & EXHAUST_ALLOWED) is not self._lie
            sent = b""
            for number, reply in enumerate(self._replies):
                message = bytearray(request.encode_reply(reply, 1000 + number))
                is_last = reply is self._replies[-1]
                struct.pack_into("<I", message, 16, 0 if is_last else MORE_TO_COME)
                if number:
                    struct.pack_into("<i", message, 8, 1000 + number - 1)
                sent += message
            connection.send(sent)

        return Answer({}, manner=stream)


@pytest.fixture
def client(scripted_server: ScriptedServer, connect_through: Connect) -> Client:
    return connect_through(scripted_server.uri)


def exhaust(client: Any) -> Any:
    return client.db.c.find(cursor_type=CursorType.EXHAUST)


def ids(cursor: Any) -> list[int]:
    return [each["_id"] for each in cursor]


def test_one_get_more_is_answered_by_many_batches(
    client: Client, scripted_server: ScriptedServer, every_door: Door
) -> None:
    Streaming(scripted_server, batch(1), batch(2), batch(3, last=True))

    assert every_door.call(lambda: ids(exhaust(client))) == [0, 1, 2, 3]
    assert scripted_server.count("getMore") == 1
    assert scripted_server.count("killCursors") == 0
    # The connection is as good as new.
    every_door.call(client.db.c.find_one)
    assert {each.connection.number for each in scripted_server.commands("find")} == {
        scripted_server.commands("getMore")[0].connection.number
    }


def test_a_server_that_does_not_stream_is_asked_again(
    client: Client, scripted_server: ScriptedServer, every_door: Door
) -> None:
    Streaming(scripted_server, batch(1))
    cursor = exhaust(client)
    taken = every_door.call(lambda: [next(cursor)["_id"] for _ in range(3)])

    assert taken == [0, 1, 1]
    assert scripted_server.count("getMore") == 2


def test_nobody_else_gets_the_connection_of_a_stream(
    client: Client, scripted_server: ScriptedServer, every_door: Door
) -> None:
    Streaming(scripted_server, batch(1), batch(2), batch(3, last=True))

    def read() -> list[int]:
        cursor = exhaust(client)
        taken = [next(cursor)["_id"], next(cursor)["_id"]]
        client.admin.command("ping")
        return taken + ids(cursor)

    assert every_door.call(read) == [0, 1, 2, 3]
    (get_more,), (ping,) = scripted_server.commands("getMore"), scripted_server.commands("ping")
    assert get_more.connection is not ping.connection


def test_a_plain_cursor_allows_no_stream(
    client: Client, scripted_server: ScriptedServer, every_door: Door
) -> None:
    Streaming(scripted_server, batch(1), batch(2, last=True), lie=True)

    with pytest.raises(ProtocolError, match="more replies than were asked for"):
        every_door.call(lambda: ids(client.db.c.find()))


def test_an_error_ends_the_stream_and_keeps_the_connection(
    client: Client, scripted_server: ScriptedServer, every_door: Door
) -> None:
    error = {"ok": 0, "code": 237, "errmsg": "killed", "codeName": "CursorKilled"}
    Streaming(scripted_server, batch(1), error)

    cursor = exhaust(client)
    with pytest.raises(OperationFailure, match="killed"):
        every_door.call(lambda: ids(cursor))
    assert not cursor.alive
    every_door.call(client.db.c.find_one)
    assert len(scripted_server.open_connections) == len(scripted_server.connections)


def test_a_connection_that_breaks_ends_the_cursor(
    client: Client, scripted_server: ScriptedServer, every_door: Door
) -> None:
    Streaming(scripted_server, batch(1), batch(2), batch(3, last=True))

    def read() -> None:
        cursor = exhaust(client)
        ids([next(cursor), next(cursor)])
        (get_more,) = scripted_server.commands("getMore")
        scripted_server.kill(get_more.connection.number)
        with pytest.raises(AutoReconnect):
            ids(cursor)
        assert not cursor.alive

    every_door.call(read)


def test_what_is_left_of_a_stream_is_read_when_its_cursor_is_closed(
    client: Client, scripted_server: ScriptedServer, every_door: Door
) -> None:
    Streaming(scripted_server, *map(batch, range(1, 20)), batch(20, last=True))

    def read() -> None:
        cursor = exhaust(client)
        ids([next(cursor), next(cursor)])
        cursor.close()

    every_door.call(read)
    # Over the connection of the stream, which was read to its end.
    (get_more,), (kill,) = (scripted_server.commands(x) for x in ("getMore", "killCursors"))
    assert get_more.connection is kill.connection
    assert get_more.connection.is_open


def test_in_a_request_an_exhaust_cursor_is_read_like_others(
    client: Client, scripted_server: ScriptedServer, every_door: Door
) -> None:
    Streaming(scripted_server, batch(1, last=True), lie=True)

    def read() -> list[int]:
        with client.start_request():
            return ids(exhaust(client))

    assert every_door.call(read) == [0, 1]


def test_listeners_see_each_batch(scripted_server: ScriptedServer, client_of: Connect) -> None:
    Streaming(scripted_server, batch(1), batch(2), batch(3, last=True))
    recorder = Recorder("commands")
    client = client_of(scripted_server.uri, event_listeners=recorder.listeners)
    ids(exhaust(client))
    client.close()

    started = [each for each in recorder.events if type(each).__name__ == "CommandStartedEvent"]
    numbers = [each.request_id for each in started if each.command_name == "getMore"]
    assert len(numbers) == 3
    assert [bool(number) for number in numbers] == [True, False, False]
