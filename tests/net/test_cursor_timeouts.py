"""The timeouts of cursors, of databases and collections, and of sessions.

Client Side Operations Timeout, "Cursors", "MongoClient Configuration" and "Sessions".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from pymongo.errors import ConfigurationError, PyMongoError

from bridge import AsyncMongoClient
from greenmongo import CursorType, timeout
from greenmongo.errors import MisuseError
from tests.support.fix_doors import Door
from tests.support.fix_hub import Connect
from tests.support.fix_scripted import Answer, ScriptedServer, silently

FIRST = {"cursor": {"id": 7, "ns": "test.c", "firstBatch": [{"_id": 1}]}}
LAST = {"cursor": {"id": 0, "ns": "test.c", "nextBatch": [{"_id": 2}]}}
MODES: list[Any] = ["cursorLifetime", "iteration"]

Open = Callable[..., Any]
OPENED: dict[str, tuple[str, Open]] = {
    "find": ("find", lambda db, **mode: db.c.find(**mode)),
    "find_raw_batches": ("find", lambda db, **mode: db.c.find_raw_batches(**mode)),
    "aggregate": ("aggregate", lambda db, **mode: db.c.aggregate([], **mode)),
    "aggregate of a database": ("aggregate", lambda db, **mode: db.aggregate([], **mode)),
    "aggregate_raw_batches": (
        "aggregate",
        lambda db, **mode: db.c.aggregate_raw_batches([], **mode),
    ),
    "list_indexes": ("listIndexes", lambda db, **mode: db.c.list_indexes(**mode)),
    "list_search_indexes": ("aggregate", lambda db, **mode: db.c.list_search_indexes(**mode)),
    "list_collections": ("listCollections", lambda db, **mode: db.list_collections(**mode)),
    "cursor_command": ("find", lambda db, **mode: db.cursor_command("find", "c", **mode)),
}


def limits(server: ScriptedServer, name: str) -> list[int | None]:
    """Return what each command of a name told of the time that is left."""
    return [each.document.get("maxTimeMS") for each in server.commands(name)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("way", OPENED)
def test_a_cursor_keeps_the_timeout_that_it_was_created_with(
    scripted_server: ScriptedServer, connect_through: Connect, way: str, mode: Any
) -> None:
    name, opened = OPENED[way]
    client = connect_through(scripted_server.uri)
    scripted_server.on(name, FIRST)
    scripted_server.on("getMore", LAST)
    cursor = opened(client.test.with_options(timeout_ms=60_000), timeout_mode=mode)
    cursor.next()
    cursor.close()
    (first,) = limits(scripted_server, name)
    assert (first is not None) is (mode == "cursorLifetime")
    # Closing has the whole time anew.
    (last,) = limits(scripted_server, "killCursors")
    assert last is not None
    assert 50_000 < last <= 60_000


@pytest.mark.parametrize("mode", MODES)
def test_its_batches_are_limited_outside_of_the_block(
    scripted_server: ScriptedServer, client_of: Connect, door: Door, mode: Any
) -> None:
    client = client_of(scripted_server.uri)
    scripted_server.on("find", FIRST)
    scripted_server.on("getMore", Answer(manner=silently))

    def read() -> None:
        with timeout(2):
            cursor = client.test.c.find(timeout_mode=mode)
        cursor.next()
        cursor.next()

    with pytest.raises(PyMongoError) as caught:
        door.call(read)
    assert caught.value.timeout
    scripted_server.wait_for(lambda: scripted_server.commands("killCursors"))
    (limit,) = limits(scripted_server, "killCursors")
    assert limit is not None


@pytest.mark.parametrize("mode", MODES)
def test_so_are_those_of_a_coroutine(scripted_server: ScriptedServer, mode: Any) -> None:
    scripted_server.on("find", FIRST)
    scripted_server.on("getMore", Answer(manner=silently))

    async def read() -> None:
        async with AsyncMongoClient[Any](scripted_server.uri) as client:
            with timeout(2):
                cursor = client.test.c.find(timeout_mode=mode)
            await cursor.next()
            await cursor.next()

    with pytest.raises(PyMongoError) as caught:
        asyncio.run(read())
    assert caught.value.timeout


@pytest.mark.parametrize("way", OPENED)
def test_a_mode_needs_a_timeout(
    scripted_server: ScriptedServer, connect_through: Connect, way: str
) -> None:
    name, opened = OPENED[way]
    client = connect_through(scripted_server.uri)
    with pytest.raises(ConfigurationError, match="timeout_mode needs a timeout"):
        list(opened(client.test, timeout_mode="iteration"))
    assert not scripted_server.commands(name)


def test_the_clone_of_a_cursor_has_its_timeout(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client = client_of(scripted_server.uri)
    scripted_server.on("find", FIRST)
    with timeout(60):
        cursor = client.test.c.find(timeout_mode="cursorLifetime")
    cursor.clone().next()
    (limit,) = limits(scripted_server, "find")
    assert limit is not None


@pytest.mark.parametrize(
    ("cursor_type", "is_told"), [(CursorType.TAILABLE, False), (CursorType.TAILABLE_AWAIT, True)]
)
def test_the_server_is_not_to_limit_the_life_of_a_tailable_cursor(
    scripted_server: ScriptedServer, connect_through: Connect, cursor_type: int, is_told: bool
) -> None:
    client = connect_through(scripted_server.uri, timeoutMS=60_000)
    scripted_server.on("find", FIRST)
    client.test.c.find(cursor_type=cursor_type).next()
    client.test.cursor_command("find", "c", cursor_type=cursor_type).next()
    assert [limit is not None for limit in limits(scripted_server, "find")] == [is_told] * 2


WRONG: dict[str, Open] = {
    "a tailable cursor for life": lambda c: c.find(
        cursor_type=CursorType.TAILABLE, timeout_mode="cursorLifetime"
    ),
    "a tailable command for life": lambda c: c.database.cursor_command(
        "find", "c", tailable=True, timeout_mode="cursorLifetime"
    ),
    "made tailable later": lambda c: c.find(timeout_mode="cursorLifetime").add_option(
        CursorType.TAILABLE
    ),
    "a pipeline that writes": lambda c: c.aggregate([{"$out": "d"}], timeout_mode="iteration"),
    "waiting too long in find": lambda c: c.find(
        cursor_type=CursorType.TAILABLE_AWAIT
    ).max_await_time_ms(60_000),
    "waiting too long in aggregate": lambda c: c.aggregate([], maxAwaitTimeMS=60_000),
    "waiting too long in a command": lambda c: c.database.cursor_command(
        "find", "c", max_await_time_ms=60_000
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_does_not_suit_is_refused(
    scripted_server: ScriptedServer, connect_through: Connect, what: str
) -> None:
    client = connect_through(scripted_server.uri, timeoutMS=60_000)
    with pytest.raises(ConfigurationError):
        list(WRONG[what](client.test.c))
    assert not scripted_server.commands("find")
    assert not scripted_server.commands("aggregate")


# ---- databases and collections --------------------------------------------------------------

TIMED: dict[str, Open] = {
    "a database": lambda db: db.with_options(timeout_ms=20_000).c,
    "a collection": lambda db: db.c.with_options(timeout_ms=20_000),
    "one that is more exact": lambda db: db.with_options(timeout_ms=0).c.with_options(
        timeout_ms=20_000
    ),
    "other options": lambda db: db.c.with_options(timeout_ms=20_000).with_options(),
    "a part of it": lambda db: db.c.with_options(timeout_ms=20_000)["part"],
}


@pytest.mark.parametrize("what", TIMED)
def test_a_database_or_collection_has_a_timeout_of_its_own(
    scripted_server: ScriptedServer, connect_through: Connect, what: str
) -> None:
    client = connect_through(scripted_server.uri, timeoutMS=60_000)
    collection = TIMED[what](client.test)
    scripted_server.on("listIndexes", FIRST)
    collection.insert_one({})
    collection.list_indexes().next()
    for name in ("insert", "listIndexes"):
        (limit,) = limits(scripted_server, name)
        assert limit is not None
        assert 10_000 < limit <= 20_000


def test_a_block_comes_before_the_timeout_of_a_collection(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client = client_of(scripted_server.uri)
    with timeout(40):
        client.test.c.with_options(timeout_ms=20_000).insert_one({})
    (limit,) = limits(scripted_server, "insert")
    assert limit is not None
    assert 30_000 < limit <= 40_000


def test_zero_takes_the_limit_of_the_client_away(
    scripted_server: ScriptedServer, connect_through: Connect
) -> None:
    client = connect_through(scripted_server.uri, timeoutMS=60_000)
    client.test.c.with_options(timeout_ms=0).insert_one({})
    assert limits(scripted_server, "insert") == [None]


@pytest.mark.parametrize(("milliseconds", "error"), [("1", TypeError), (-1, ValueError)])
def test_other_times_are_refused(
    scripted_server: ScriptedServer, client_of: Connect, milliseconds: Any, error: type[Exception]
) -> None:
    client = client_of(scripted_server.uri)
    with pytest.raises(error, match="timeout_ms"):
        client.test.with_options(timeout_ms=milliseconds)
    with pytest.raises(error, match="default_timeout_ms"):
        client.start_session(default_timeout_ms=milliseconds)


# ---- sessions -------------------------------------------------------------------------------


@pytest.fixture
def committing(scripted_server: ScriptedServer) -> ScriptedServer:
    """A server that takes part in transactions."""
    for name in ("commitTransaction", "abortTransaction"):
        scripted_server.on(name, {"ok": 1.0})
    return scripted_server


@pytest.mark.parametrize("end", ["commit_transaction", "abort_transaction"])
@pytest.mark.parametrize(
    ("milliseconds", "told"), [(20_000, range(10_000, 20_001)), (0, None), (None, range(60_001))]
)
def test_a_session_has_a_timeout_of_its_own_for_what_it_does_by_itself(
    committing: ScriptedServer,
    connect_through: Connect,
    end: str,
    milliseconds: int | None,
    told: Any,
) -> None:
    client = connect_through(committing.uri, timeoutMS=60_000)
    with client.start_session(default_timeout_ms=milliseconds) as session:
        session.start_transaction()
        client.test.c.insert_one({}, session=session)
        getattr(session, end)()
    name = "commitTransaction" if end.startswith("commit") else "abortTransaction"
    (limit,) = limits(committing, name)
    assert limit is told if told is None else limit in told
    (of_insert,) = limits(committing, "insert")
    assert of_insert is not None
    assert of_insert > 30_000


@pytest.mark.parametrize("source", ["client", "session", "block"])
def test_operations_of_with_transaction_may_have_no_timeout_of_their_own(
    committing: ScriptedServer, client_of: Connect, source: str
) -> None:
    client = client_of(committing.uri, **({"timeoutMS": 60_000} if source == "client" else {}))
    of_session = 60_000 if source == "session" else None

    def insert(session: Any) -> None:
        with timeout(1):
            client.test.c.insert_one({}, session=session)

    with (
        client.start_session(default_timeout_ms=of_session) as session,
        timeout(60 if source == "block" else None),
        pytest.raises(MisuseError, match="timeout"),
    ):
        session.with_transaction(insert)
    assert not committing.commands("insert")


def test_without_a_timeout_of_the_whole_they_may(
    committing: ScriptedServer, client_of: Connect
) -> None:
    client = client_of(committing.uri)

    def insert(session: Any) -> None:
        with timeout(30):
            client.test.c.insert_one({}, session=session)

    with client.start_session() as session:
        session.with_transaction(insert)
    (limit,) = limits(committing, "insert")
    assert limit is not None


def test_the_timeout_of_the_whole_holds_in_other_threads(
    committing: ScriptedServer, client_of: Connect, every_door: Door
) -> None:
    client = client_of(committing.uri)

    def insert(session: Any) -> None:
        client.test.c.insert_one({}, session=session)

    with client.start_session(default_timeout_ms=30_000) as session:
        session.with_transaction(lambda session: every_door.call(insert, session))
    (limit,) = limits(committing, "insert")
    assert limit is not None
    assert 20_000 < limit <= 30_000


def test_another_session_and_none_are_not_limited(
    committing: ScriptedServer, client_of: Connect
) -> None:
    client = client_of(committing.uri, timeoutMS=60_000)

    def insert(session: Any) -> None:
        with timeout(30):
            client.test.c.insert_one({})
        client.test.c.insert_one({}, session=session)

    with client.start_session() as session:
        session.with_transaction(insert)
    assert len(committing.commands("insert")) == 2
