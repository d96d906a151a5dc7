"""S33 through the asynchronous doors: an exhausted pool is not a dead member.

The cases are listed in tests/README.md.
"""

from __future__ import annotations

import anyio
import pytest
from pymongo.errors import WaitQueueTimeoutError
from pymongo.read_preferences import Primary, Secondary

from greenmongo.hub import statistics_of
from tests.support.fix_loops import Connect, eventually
from tests.support.fix_scripted import FakeReplicaSet

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("preference", [Primary(), Secondary()])
async def test_S33_an_exhausted_pool_is_not_a_dead_member(
    connect: Connect, preference: Primary | Secondary
) -> None:
    with FakeReplicaSet(2) as pair:
        client = connect(
            pair.uri, minPoolSize=1, maxPoolSize=1, waitQueueTimeoutMS=100, retryReads=True
        )
        await client.aconnect()
        await eventually(lambda: len(client.sync.secondaries) == 1)
        # Nobody but the one who is refused has to wait.
        await eventually(lambda: [p.idle for p in statistics_of(client.sync).pools] == [1, 1])
        things = client.test.get_collection("c", read_preference=preference)

        async def read_in_vain() -> None:
            with pytest.raises(WaitQueueTimeoutError):
                await things.find_one()

        async with client.start_request():
            await things.find_one()
            known = dict(client.sync.topology_description.servers)
            async with anyio.create_task_group() as others:
                others.start_soon(read_in_vain)
            assert client.sync.topology_description.servers == known
            await things.find_one()
        # Nothing was cleared: everybody has used the same connection.
        assert max(pool.created for pool in statistics_of(client.sync).pools) == 1
        assert await things.find_one() is None
