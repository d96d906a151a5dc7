"""The implicit session of a change stream: it keeps the one that it was opened in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pymongo.errors import AutoReconnect

from bridge import AsyncMongoClient
from greenmongo import ChangeStream
from tests.support.fix_hub import Client, Connect
from tests.support.fix_leaks import wait_until
from tests.support.fix_scripted import Answer, ScriptedServer, hang_up
from tests.support.peek import engine_of

Doc = dict[str, Any]

LOST = Answer({}, hang_up)
LABELLED = {
    "ok": 0.0,
    "code": 280,
    "errmsg": "no more",
    "errorLabels": ["ResumableChangeStreamError"],
}


def first(*numbers: int) -> Doc:
    return cursor("firstBatch", numbers)


def more(*numbers: int) -> Doc:
    return cursor("nextBatch", numbers)


def cursor(batch: str, numbers: tuple[int, ...]) -> Doc:
    changes = [{"_id": {"_data": str(number)}} for number in numbers]
    return {"cursor": {"id": 7, "ns": "test.c", batch: changes, "postBatchResumeToken": {"t": 1}}}


@pytest.fixture
def server(scripted_server: ScriptedServer) -> ScriptedServer:
    scripted_server.on("killCursors", {"cursorsKilled": [7]})
    return scripted_server


@pytest.fixture
def client(server: ScriptedServer, client_of: Connect) -> Client:
    return client_of(server.uri)


def sessions_of(server: ScriptedServer, *names: str) -> list[Any]:
    return [each.document["lsid"]["id"] for each in server.received if each.name in names]


STREAM = ("aggregate", "getMore")


@pytest.mark.parametrize("failure", [LOST, LABELLED], ids=["network", "labelled"])
def test_a_stream_is_resumed_in_the_session_that_it_was_opened_in(
    client: Client, server: ScriptedServer, failure: Any
) -> None:
    server.script("aggregate", first(1), first(), first())
    server.script("getMore", failure, more(2), failure, more(3))
    with client.test.c.watch() as stream:
        for number in (1, 2, 3):
            assert stream.next()["_id"] == {"_data": str(number)}
            client.admin.command("ping")
    used = sessions_of(server, *STREAM)
    assert len(used) == 7
    assert len(set(used)) == 1
    assert used[0] not in sessions_of(server, "ping")


def test_a_resumption_that_failed_does_not_change_that(
    client: Client, server: ScriptedServer
) -> None:
    server.script("aggregate", first(), LOST, first(1))
    server.script("getMore", LOST)
    with client.test.c.watch() as stream:
        with pytest.raises(AutoReconnect):
            stream.next()
        assert stream.next()["_id"] == {"_data": "1"}
    assert len(set(sessions_of(server, *STREAM))) == 1


@pytest.mark.anyio
async def test_so_it_is_with_the_stream_of_a_task(client: Client, server: ScriptedServer) -> None:
    server.script("aggregate", first(), first(1))
    server.script("getMore", LOST)
    async with AsyncMongoClient.from_client(client).test.c.watch() as stream:
        assert (await stream.next())["_id"] == {"_data": "1"}
    assert len(set(sessions_of(server, *STREAM))) == 1


def leave(stream: ChangeStream[Doc]) -> None:
    stream._abandon()


@pytest.mark.parametrize("end", [ChangeStream.close, leave], ids=["closed", "left"])
def test_the_session_of_a_stream_that_is_over_is_used_again(
    client: Client, server: ScriptedServer, end: Callable[[ChangeStream[Doc]], None]
) -> None:
    server.script("aggregate", first(1))
    stream = client.test.c.watch()
    assert not len(engine_of(client).sessions)
    end(stream)
    wait_until(lambda: len(engine_of(client).sessions) == 1)
    (used,) = set(sessions_of(server, *STREAM, "killCursors"))
    client.admin.command("ping")
    assert sessions_of(server, "ping") == [used]


def test_so_is_that_of_a_stream_that_was_dropped(client: Client, server: ScriptedServer) -> None:
    server.script("aggregate", first(1))
    client.test.c.watch()
    wait_until(lambda: len(engine_of(client).sessions) == 1)


def test_a_stream_of_a_bound_session_is_opened_in_it(
    client: Client, server: ScriptedServer
) -> None:
    server.script("aggregate", first(1))
    session = client.start_session()
    mine = session.session_id["id"]
    with session.bind(), client.test.c.watch() as stream:
        stream.next()
    assert set(sessions_of(server, *STREAM)) == {mine}
