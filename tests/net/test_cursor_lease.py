"""What an open cursor lives on goes back when it ends, however that happens."""

from __future__ import annotations

import gc
from typing import Any

import gevent
import pytest
from bson.int64 import Int64
from pymongo.errors import AutoReconnect, OperationFailure

from greenmongo._core.commands.find import FindSpec, find
from tests.support.fix_hub import Client, Connect
from tests.support.fix_leaks import wait_until
from tests.support.fix_scripted import Answer, Gate, ScriptedServer, hang_up
from tests.support.scripted_store import failure


@pytest.fixture
def filled(scripted_server: ScriptedServer, client_of: Connect) -> Client:
    scripted_server.store.collections["test.c"] = [{"_id": n} for n in range(5)]
    return client_of(scripted_server.uri)


def free_sessions(client: Client) -> int:
    return client._executor.statistics().server_sessions


def lsids(server: ScriptedServer, command: str) -> list[Any]:
    return [each.document.get("lsid") for each in server.commands(command)]


def test_an_open_cursor_has_its_session_to_itself(filled: Client) -> None:
    cursor = filled.test.c.find(batch_size=2)
    next(cursor)
    assert free_sessions(filled) == 0
    assert len(list(cursor)) == 4
    assert free_sessions(filled) == 1


@pytest.mark.parametrize("how", ["closed", "forgotten", "rewound"])
def test_a_cursor_that_ends_early_is_closed_in_its_session(
    filled: Client, scripted_server: ScriptedServer, how: str
) -> None:
    cursor = filled.test.c.find(batch_size=2)
    next(cursor)
    if how == "closed":
        cursor.close()
    elif how == "rewound":
        cursor.rewind()
    del cursor
    gc.collect()
    wait_until(lambda: free_sessions(filled) == 1)
    assert lsids(scripted_server, "killCursors") == lsids(scripted_server, "find")


def test_a_reply_that_nobody_keeps_keeps_no_session(filled: Client) -> None:
    reply = filled._executor.execute(find(filled.test.c._namespace, FindSpec(batch_size=2)))
    assert free_sessions(filled) == 0
    del reply
    gc.collect()
    wait_until(lambda: free_sessions(filled) == 1)


def test_a_cursor_that_fails_on_its_server_is_closed_in_its_session(
    filled: Client, scripted_server: ScriptedServer
) -> None:
    cursor = filled.test.c.find(batch_size=2)
    cursor.to_list(2)
    scripted_server.on("getMore", failure(50, "MaxTimeMSExpired", "no"))
    with pytest.raises(OperationFailure):
        next(cursor)
    wait_until(lambda: free_sessions(filled) == 1)
    assert lsids(scripted_server, "killCursors") == lsids(scripted_server, "find")


def test_a_cursor_that_is_gone_frees_its_session(
    filled: Client, scripted_server: ScriptedServer
) -> None:
    cursor = filled.test.c.find(batch_size=2)
    cursor.to_list(2)
    scripted_server.on("getMore", failure(43, "CursorNotFound", "no"))
    with pytest.raises(OperationFailure):
        next(cursor)
    assert free_sessions(filled) == 1


def test_the_session_of_a_cursor_whose_connection_breaks_is_not_used_again(
    filled: Client, scripted_server: ScriptedServer
) -> None:
    cursor = filled.test.c.find(batch_size=2)
    cursor.to_list(2)
    scripted_server.on("getMore", Answer(manner=hang_up))
    with pytest.raises(AutoReconnect):
        next(cursor)
    assert free_sessions(filled) == 0


def test_a_cursor_that_is_closed_while_it_is_read_gives_its_session_back_once(
    filled: Client, scripted_server: ScriptedServer
) -> None:
    cursor = filled.test.c.find(batch_size=2)
    cursor.to_list(2)
    gate = Gate()
    scripted_server.script("getMore", Answer({"cursor": {"id": Int64(1), "nextBatch": []}}, gate))
    reader = gevent.spawn(cursor._round_trip)
    while not gate.waiting:
        gevent.sleep(0.001)
    cursor.close()
    gate.open()
    reader.get()
    wait_until(lambda: free_sessions(filled) == 1)


def test_what_a_closed_client_cannot_take_back_does_no_harm(filled: Client) -> None:
    cursor = filled.test.c.find(batch_size=2)
    next(cursor)
    filled.close()
    del cursor
    gc.collect()
