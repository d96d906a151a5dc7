"""An abort right after its caller has left the first operation of the transaction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anyio
import gevent
import pytest

from bridge import AsyncMongoClient
from greenmongo import MongoClient
from greenmongo.hub import run
from greenmongo.lowlevel import native_sleep
from tests.support.fix_doors import in_hub, start
from tests.support.fix_leaks import wait_until

pytestmark = pytest.mark.live

SLOW = {"$where": "sleep(350) || true"}
LEAVES_AFTER = 0.25
"""Seconds: the command was sent, and the hub, which is busy, sees its reply before it is ended."""


def hold_the_hub() -> None:
    native_sleep(0.15)
    run(native_sleep, 0.3)


@pytest.fixture
def plain(mongo_uri: str) -> Iterator[MongoClient[Any]]:
    """A client with something to read slowly."""
    with MongoClient[Any](mongo_uri) as client:
        client.left_transactions.c.insert_one({})
        yield client
        client.drop_database("left_transactions")


def open_transactions(client: MongoClient[Any]) -> int:
    return int(client.admin.command("serverStatus")["transactions"]["currentOpen"])


def test_an_abort_after_the_first_operation_was_left_is_told_to_the_server(
    plain: MongoClient[Any],
) -> None:
    c = plain.left_transactions.c

    def leave_and_abort() -> None:
        with plain.start_session() as session:
            session.start_transaction()
            gevent.with_timeout(LEAVES_AFTER, c.find_one, SLOW, session=session, timeout_value=None)
            session.abort_transaction()

    holding = start(hold_the_hub)
    in_hub(leave_and_abort)
    holding.result()

    wait_until(lambda: not open_transactions(plain), 10.0)


@pytest.mark.anyio
async def test_so_is_one_of_a_task(plain: MongoClient[Any]) -> None:
    face = AsyncMongoClient.from_client(plain)
    async with face.start_session() as session:
        session.start_transaction()
        holding = start(hold_the_hub)
        with anyio.move_on_after(LEAVES_AFTER):
            await face.left_transactions.c.find_one(SLOW, session=session)
        await session.abort_transaction()
        holding.result()

    wait_until(lambda: not open_transactions(plain), 10.0)
