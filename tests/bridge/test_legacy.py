from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from bridge import AsyncConnection, AsyncReplicaSetConnection
from greenmongo.errors import ConfigurationError
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
    ids = await asyncio.gather(*(connection_ids(connection) for _ in range(5)))
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
