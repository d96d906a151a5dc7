"""A transaction that times out, and whose abort times out as well, does not stay open."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import pymongo
import pytest
from pymongo.errors import PyMongoError

from bridge import AsyncMongoClient
from greenmongo import MongoClient

pytestmark = pytest.mark.live

Doc = dict[str, Any]
DB = "test_aborts_timed_out"
BLOCKED = 1500
"""Milliseconds that the server holds a command back, which has given itself up by then."""
PATIENCE = 15.0
"""Seconds, of which a machine without load needs one. The server ends it after a minute."""


@pytest.fixture
def aside(mongo_uri: str) -> Iterator[pymongo.MongoClient[Doc]]:
    """A client that looks at the server from aside."""
    with pymongo.MongoClient[Doc](mongo_uri) as client:
        client[DB].c.insert_one({"_id": 0})
        yield client
        client.drop_database(DB)


@pytest.fixture
def client(mongo_uri: str, aside: object) -> Iterator[MongoClient[Doc]]:
    with MongoClient[Doc](mongo_uri, timeoutMS=400) as client:
        client.admin.command("ping")
        yield client


@contextmanager
def blocking(aside: pymongo.MongoClient[Doc], times: int, *commands: str) -> Iterator[None]:
    facts = {"failCommands": [*commands], "blockConnection": True, "blockTimeMS": BLOCKED}
    aside.admin.command(
        {"configureFailPoint": "failCommand", "mode": {"times": times}, "data": facts}
    )
    try:
        yield
    finally:
        aside.admin.command({"configureFailPoint": "failCommand", "mode": "off"})


def require_none_open_soon(aside: pymongo.MongoClient[Doc]) -> None:
    left_at = time.monotonic()
    while aside.admin.command("serverStatus")["transactions"]["currentOpen"]:
        assert time.monotonic() - left_at < PATIENCE
        time.sleep(0.01)


def test_a_blocking_transaction(client: MongoClient[Doc], aside: pymongo.MongoClient[Doc]) -> None:
    with client.start_session() as session:
        session.start_transaction()
        client[DB].c.insert_one({}, session=session)
        with blocking(aside, 1, "abortTransaction"):
            session.abort_transaction()
            require_none_open_soon(aside)


def test_a_blocking_transaction_whose_last_write_timed_out(
    client: MongoClient[Doc], aside: pymongo.MongoClient[Doc]
) -> None:
    def work(session: Any) -> None:
        client[DB].c.insert_one({}, session=session)
        client[DB].c.update_one({}, {"$set": {"x": 1}}, session=session)

    with client.start_session() as session, blocking(aside, 2, "update", "abortTransaction"):
        with pytest.raises(PyMongoError) as caught:
            session.with_transaction(work)
        assert caught.value.timeout
        require_none_open_soon(aside)


@pytest.mark.anyio
async def test_the_transaction_of_a_task_whose_last_write_timed_out(
    client: MongoClient[Doc], aside: pymongo.MongoClient[Doc]
) -> None:
    mine = AsyncMongoClient.from_client(client)

    async def work(session: Any) -> None:
        async with session.start_transaction():
            await mine[DB].c.insert_one({}, session=session)
            await mine[DB].c.update_one({}, {"$set": {"x": 1}}, session=session)

    async with mine.start_session() as session:
        with blocking(aside, 2, "update", "abortTransaction"):
            with pytest.raises(PyMongoError) as caught:
                await work(session)
            assert caught.value.timeout
            await anyio.to_thread.run_sync(require_none_open_soon, aside)
