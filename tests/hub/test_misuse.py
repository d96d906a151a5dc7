"""What cannot work is told in one way: what is wrong, which line did it, what to do instead."""

from __future__ import annotations

import asyncio
import pickle
from contextlib import ExitStack

import pytest

from bridge import AsyncMongoClient
from greenmongo import MongoClient
from greenmongo.errors import InvalidOperation, MisuseError
from tests.support.fix_doors import Door
from tests.support.fix_scripted import ScriptedServer


def closed_client(server: ScriptedServer) -> MongoClient[dict[str, object]]:
    client: MongoClient[dict[str, object]] = MongoClient(server.uri)
    client.close()
    return client


def test_the_line_that_used_a_closed_client_is_named(
    scripted_server: ScriptedServer, door: Door
) -> None:
    def use_it() -> None:
        closed_client(scripted_server).db.things.find_one()

    with pytest.raises(MisuseError, match="after close: open a new client") as caught:
        door.call(use_it)
    assert str(caught.value.call_site).startswith(__file__)
    assert str(caught.value.call_site).endswith("in use_it")
    assert str(caught.value.call_site) in str(caught.value)


def test_the_line_of_a_coroutine_is_named(scripted_server: ScriptedServer) -> None:
    client = AsyncMongoClient.from_client(closed_client(scripted_server))

    async def use_it() -> None:
        await client.db.things.find_one()

    with pytest.raises(MisuseError) as caught:
        asyncio.run(use_it())
    assert str(caught.value.call_site).endswith("in use_it")


def test_a_caller_that_is_called_through_the_standard_library_is_named(
    scripted_server: ScriptedServer,
) -> None:
    client = closed_client(scripted_server)

    def leave_a_stack() -> None:
        with ExitStack() as stack:
            stack.callback(client.db.things.find_one)

    with pytest.raises(MisuseError) as caught:
        leave_a_stack()
    assert str(caught.value.call_site).endswith("in leave_a_stack")


def test_without_a_line_of_the_users_none_is_named(scripted_server: ScriptedServer) -> None:
    client = AsyncMongoClient.from_client(closed_client(scripted_server))

    async def main() -> None:
        await asyncio.ensure_future(client.db.things.find_one())

    with pytest.raises(MisuseError) as caught:
        asyncio.run(main())
    assert caught.value.call_site is None


def test_the_error_survives_pickling_with_its_facts() -> None:
    error = MisuseError("this is wrong", "do that", "app.py:3 in main")
    copy = pickle.loads(pickle.dumps(error))

    assert isinstance(copy, MisuseError)
    assert issubclass(MisuseError, InvalidOperation)
    assert (copy.problem, copy.remedy, copy.call_site) == (
        "this is wrong",
        "do that",
        "app.py:3 in main",
    )
    assert str(copy) == str(error)
