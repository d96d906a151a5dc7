"""Leaving a transaction early: nothing stays open on the server, and nobody waits for that."""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import gevent
import pymongo
import pytest
from pymongo.errors import OperationFailure

from bridge import AsyncMongoClient
from greenmongo import MongoClient
from greenmongo.errors import ConcurrentSessionUse
from tests.support.fix_doors import start
from tests.support.fix_leaks import wait_until

pytestmark = pytest.mark.live

Doc = dict[str, Any]
DB = "test_leaving_transactions"
SOON = 1.0
"""Seconds after which no transaction may be open any more."""
on_both = pytest.mark.parametrize("backend", ["asyncio", "trio"])


@pytest.fixture
def aside(mongo_uri: str) -> Iterator[pymongo.MongoClient[Doc]]:
    """A client that looks at the server from aside."""
    with pymongo.MongoClient[Doc](mongo_uri) as client:
        client.drop_database(DB)
        client[DB].c.insert_one({"_id": 0})
        yield client
        client.drop_database(DB)


@pytest.fixture
def client(mongo_uri: str, aside: object) -> Iterator[MongoClient[Doc]]:
    with MongoClient[Doc](mongo_uri, maxPoolSize=10) as client:
        yield client
        wait_until(lambda: is_at_rest(client))


def is_at_rest(client: MongoClient[Doc]) -> bool:
    """Tell whether no connection is in use, and no reply still to come."""
    statistics = client._executor.statistics()
    return not statistics.abandoned and all(p.open == p.idle for p in statistics.pools)


def slow(milliseconds: int) -> Doc:
    return {"$where": f"sleep({milliseconds}) || true"}


def open_count(aside: pymongo.MongoClient[Doc]) -> int:
    """Return how many transactions are open on the server."""
    count: int = aside.admin.command("serverStatus")["transactions"]["currentOpen"]
    return count


async def until(condition: Callable[[], object]) -> None:
    """Wait until something is true that others do in their own time."""
    while not condition():  # noqa: ASYNC110
        await anyio.sleep(0.01)


def require_none_open_soon(aside: pymongo.MongoClient[Doc]) -> None:
    left_at = time.monotonic()
    while open_count(aside):
        # A machine that is shared may be slow at any moment.
        assert time.monotonic() - left_at < 5 * SOON
        time.sleep(0.01)
    # Nor does anybody hold a lock.
    with pymongo.timeout(5):
        aside[DB].c.update_one({"_id": 0}, {"$inc": {"n": 1}})


def work(client: Any, wait: int = 60_000) -> None:
    """Write in a transaction, and stay in it."""
    with client.start_session() as session, session.start_transaction():
        client[DB].c.update_one({"_id": 0}, {"$inc": {"n": 1}}, session=session)
        client[DB].c.find_one(slow(wait), session=session)


async def async_work(client: Any, wait: int = 60_000) -> None:
    async with client.start_session() as session, session.start_transaction():
        await client[DB].c.update_one({"_id": 0}, {"$inc": {"n": 1}}, session=session)
        await client[DB].c.find_one(slow(wait), session=session)


def test_a_greenlet_that_is_killed_leaves_no_transaction(
    client: MongoClient[Doc], aside: pymongo.MongoClient[Doc]
) -> None:
    def main() -> None:
        caller = gevent.spawn(work, client)
        while not open_count(aside):
            gevent.sleep(0.01)
        killed_at = time.monotonic()
        caller.kill()
        assert time.monotonic() - killed_at < SOON / 2

    start(main).result(20)
    require_none_open_soon(aside)


def test_a_thread_whose_transaction_is_interrupted_leaves_none(
    client: MongoClient[Doc], aside: pymongo.MongoClient[Doc]
) -> None:
    def interrupted() -> None:
        with client.start_session() as session, session.start_transaction():
            client[DB].c.update_one({"_id": 0}, {"$inc": {"n": 1}}, session=session)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    require_none_open_soon(aside)


@on_both
def test_a_task_that_is_cancelled_leaves_no_transaction(
    client: MongoClient[Doc], aside: pymongo.MongoClient[Doc], backend: str
) -> None:
    async def main() -> None:
        mine = AsyncMongoClient.from_client(client)
        async with anyio.create_task_group() as group:
            group.start_soon(async_work, mine)
            await until(lambda: open_count(aside))
            group.cancel_scope.cancel()

    anyio.run(main, backend=backend)
    require_none_open_soon(aside)


@on_both
def test_cancels_at_any_moment_leave_nothing(
    client: MongoClient[Doc], aside: pymongo.MongoClient[Doc], backend: str
) -> None:
    dice = random.Random(5)

    async def one(mine: Any) -> None:
        with anyio.move_on_after(dice.random() * 0.1):
            async with mine.start_session() as session:
                for _ in range(100):
                    async with session.start_transaction():
                        key = dice.randrange(1, 1000)
                        await mine[DB].c.insert_one({"key": key}, session=session)

    async def main() -> None:
        mine = AsyncMongoClient.from_client(client)
        for _ in range(5):
            async with anyio.create_task_group() as group:
                for _ in range(20):
                    group.start_soon(one, mine)

    anyio.run(main, backend=backend)
    require_none_open_soon(aside)


def test_kills_at_any_moment_leave_nothing(
    client: MongoClient[Doc], aside: pymongo.MongoClient[Doc]
) -> None:
    dice = random.Random(6)

    def one() -> None:
        with client.start_session() as session:
            while True:
                with session.start_transaction():
                    client[DB].c.insert_one({"key": 1}, session=session)

    def main() -> None:
        for _ in range(5):
            callers: list[Any] = [gevent.spawn(one) for _ in range(20)]
            for caller in callers:
                gevent.sleep(dice.random() * 0.01)
                caller.kill(block=False)
            gevent.joinall(callers)

    start(main).result(30)
    require_none_open_soon(aside)


def test_a_session_that_is_left_waits_for_what_still_runs(
    client: MongoClient[Doc], aside: pymongo.MongoClient[Doc]
) -> None:
    seen: list[Any] = []
    quietly: Any = False

    def main() -> None:
        with client.start_session() as session:
            with gevent.Timeout(0.05, quietly), session.start_transaction():
                client[DB].c.insert_one({"_id": "lost"}, session=session)
                client[DB].c.find_one(slow(60_000), session=session)
            with session.start_transaction():
                client[DB].c.insert_one({"_id": "kept"}, session=session)
            seen.extend(client[DB].c.distinct("_id", session=session))

    start(lambda: gevent.spawn(main).get()).result(20)
    assert seen == [0, "kept"]
    require_none_open_soon(aside)


def test_a_session_that_is_dropped_leaves_no_transaction(
    client: MongoClient[Doc], aside: pymongo.MongoClient[Doc]
) -> None:
    session = client.start_session()
    session.start_transaction()
    client[DB].c.update_one({"_id": 0}, {"$inc": {"n": 1}}, session=session)
    assert open_count(aside) == 1
    del session
    gc.collect()
    require_none_open_soon(aside)


def test_a_client_that_is_closed_leaves_no_transaction(
    mongo_uri: str, aside: pymongo.MongoClient[Doc]
) -> None:
    with MongoClient[Doc](mongo_uri) as other:
        session = other.start_session()
        session.start_transaction()
        other[DB].c.update_one({"_id": 0}, {"$inc": {"n": 1}}, session=session)
    assert open_count(aside) == 0


def test_two_threads_are_told_where_both_use_the_session(client: MongoClient[Doc]) -> None:
    with client.start_session() as session:
        first = start(lambda: client[DB].c.find_one(slow(300), session=session))
        wait_until(lambda: session._state.use is not None)
        with pytest.raises(ConcurrentSessionUse) as caught:
            client[DB].c.find_one(session=session)
        first.result(10)
        assert client[DB].c.find_one(session=session)
    for site in (caught.value.call_site, caught.value.other_site):
        assert site is not None
        assert __file__ in site


def test_two_greenlets_are_told_where_both_use_the_session(client: MongoClient[Doc]) -> None:
    def using(session: Any) -> None:
        client[DB].c.find_one(slow(300), session=session)

    def main() -> ConcurrentSessionUse:
        with client.start_session() as session:
            first = gevent.spawn(using, session)
            while session._state.use is None:
                gevent.sleep(0.01)
            with pytest.raises(ConcurrentSessionUse) as caught:
                client[DB].c.find_one(session=session)
            first.get()
            return caught.value

    error = start(lambda: gevent.spawn(main).get()).result(20)
    assert "in main" in str(error.call_site)
    assert "in using" in str(error.other_site)


@on_both
def test_two_tasks_are_told_where_both_use_the_session(
    client: MongoClient[Doc], backend: str
) -> None:
    mine = AsyncMongoClient.from_client(client)

    async def using(session: Any) -> None:
        await mine[DB].c.find_one(slow(300), session=session)

    async def main() -> ConcurrentSessionUse:
        async with mine.start_session() as session, anyio.create_task_group() as group:
            group.start_soon(using, session)
            await until(lambda: session._state.use)
            with pytest.raises(ConcurrentSessionUse) as caught:
                await mine[DB].c.find_one(session=session)
            return caught.value
        raise AssertionError("the group swallows nothing")

    error = anyio.run(main, backend=backend)
    assert "in main" in str(error.call_site)
    assert "in using" in str(error.other_site)


@on_both
def test_a_coroutine_function_is_run_in_a_transaction(
    client: MongoClient[Doc], aside: pymongo.MongoClient[Doc], backend: str
) -> None:
    mine, calls = AsyncMongoClient.from_client(client), []

    async def transfer(session: Any) -> str:
        calls.append(1)
        if len(calls) == 1:
            # What a write conflict looks like.
            error = OperationFailure("conflict", 112, {"errorLabels": LABELS})
            raise error
        await mine[DB].c.insert_one({"_id": "done"}, session=session)
        return "done"

    async def main() -> str:
        async with mine.start_session() as session:
            done: str = await session.with_transaction(transfer)
            return done

    assert anyio.run(main, backend=backend) == "done"
    assert len(calls) == 2
    assert aside[DB].c.count_documents({"_id": "done"}) == 1


LABELS = ["TransientTransactionError"]


@pytest.mark.parametrize("times", [1, 2])
def test_a_commit_of_which_nothing_was_heard_is_sent_once_more(
    client: MongoClient[Doc], aside: pymongo.MongoClient[Doc], times: int
) -> None:
    fail: Callable[..., Any] = lambda **data: aside.admin.command(  # noqa: E731
        {
            "configureFailPoint": "failCommand",
            "mode": {"times": times},
            "data": {"failCommands": ["commitTransaction"], **data},
        }
    )
    fail(closeConnection=True)
    with client.start_session() as session:
        session.with_transaction(lambda s: client[DB].c.insert_one({"_id": "x"}, session=s))
    assert aside[DB].c.count_documents({"_id": "x"}) == 1
