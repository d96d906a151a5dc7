from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from pymongo.read_preferences import Secondary

from bridge import (
    AsyncConnection,
    AsyncLegacyCollection,
    AsyncLegacyCursor,
    AsyncLegacyDatabase,
    AsyncReplicaSetConnection,
)
from greenmongo.errors import ConfigurationError, InvalidOperation
from tests.support.fix_server import Deployment

pytestmark = pytest.mark.asyncio

Legacy = AsyncConnection[dict[str, Any]] | AsyncReplicaSetConnection[dict[str, Any]]


@pytest_asyncio.fixture(params=["Connection", "ReplicaSetConnection"])
async def connection(
    request: pytest.FixtureRequest, deployment: Deployment
) -> AsyncIterator[Legacy]:
    made: Legacy
    if request.param == "Connection":
        made = AsyncConnection(deployment.uri)
    else:
        made = AsyncReplicaSetConnection(deployment.uri)
    yield made
    await made.close()


async def connection_ids(client: Legacy) -> set[int]:
    seen = set()
    for _ in range(5):
        seen.add((await client.admin.command("hello"))["connectionId"])
        await asyncio.sleep(0)
    return seen


async def test_every_task_has_a_connection_of_its_own(connection: Legacy) -> None:
    everybody, waiting = asyncio.Event(), [5]

    async def ids_of_task() -> set[int]:
        first = await connection_ids(connection)
        # A task that is over gives its connection back, to one that has not begun.
        waiting[0] -= 1
        if not waiting[0]:
            everybody.set()
        await everybody.wait()
        return first

    ids = await asyncio.gather(*(ids_of_task() for _ in range(5)))
    assert all(len(of_one_task) == 1 for of_one_task in ids)
    assert len(set().union(*ids)) == 5


async def test_the_first_operation_starts_the_request(connection: Legacy) -> None:
    assert not connection.in_request()
    await connection.admin.command("ping")
    assert connection.in_request()
    await connection.end_request()
    assert not connection.in_request()


async def test_a_request_outlives_a_disconnect(connection: Legacy) -> None:
    before = await connection_ids(connection)
    await connection.disconnect()
    assert connection.in_request()
    after = await connection_ids(connection)
    assert len(after) == 1
    assert after != before


async def test_a_connection_can_be_used_after_it_was_closed(deployment: Deployment) -> None:
    connection: AsyncConnection[dict[str, Any]] = AsyncConnection(deployment.uri)
    for _ in range(2):
        assert (await connection.admin.command("ping"))["ok"] == 1.0
        await connection.close()


async def test_a_wrong_option_is_named() -> None:
    with pytest.raises(ConfigurationError, match="no_such_option"):
        AsyncConnection(no_such_option=1)
    with pytest.raises(ConfigurationError, match="replicaSet"):
        AsyncReplicaSetConnection("localhost")


async def test_options_are_set_on_the_blocking_object(connection: Legacy) -> None:
    collection = connection.test_bridge_legacy.things
    assert collection.safe
    collection.safe = False
    collection.read_preference = 2
    collection.set_lasterror_options(w=1, j=True)
    assert collection.get_lasterror_options() == {"w": 1, "j": True}
    assert collection.write_concern == collection._sync.write_concern
    assert collection["deeper"].read_preference == Secondary()
    assert connection.safe
    with pytest.raises(AttributeError):
        connection.max_bson_size = 5


async def test_everything_that_is_got_from_a_connection_has_the_old_methods(
    connection: Legacy,
) -> None:
    for database in (
        connection.test_bridge_legacy,
        connection.get_database("test_bridge_legacy"),
        connection.get_default_database("test_bridge_legacy"),
        connection.test_bridge_legacy.with_options(),
    ):
        assert isinstance(database, AsyncLegacyDatabase)
        assert database.connection is connection
        for collection in (
            database.things,
            database.things.more,
            database.get_collection("things"),
            database.things.with_options(),
        ):
            assert isinstance(collection, AsyncLegacyCollection)
            assert collection.database is database
            cursor = collection.find()
            for each in (cursor, cursor.clone(), copy.copy(cursor), copy.deepcopy(cursor)):
                assert isinstance(each, AsyncLegacyCursor)
                assert each.collection is collection


async def test_two_tasks_cannot_be_two_users(deployment: Deployment) -> None:
    connection: AsyncConnection[dict[str, Any]] = AsyncConnection(deployment.uri)
    db = connection.test_bridge_legacy
    for name in ("ada", "bob"):
        await db.add_user(name, "secret")
    tries = [db.authenticate(name, "secret") for name in ("ada", "bob")]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(map(repr, map(type, outcomes))) == sorted([repr(bool), repr(InvalidOperation)])
    await db.logout()
    for name in ("ada", "bob"):
        await db.remove_user(name)
    await connection.close()
