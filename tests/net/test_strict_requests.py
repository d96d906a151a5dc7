"""A strict request hears, once, of every connection that it lost between two operations."""

from __future__ import annotations

from collections.abc import Callable

import gevent
import pytest
from gevent import Greenlet
from pymongo.errors import AutoReconnect, NotPrimaryError

from greenmongo._core.types import Address
from greenmongo.errors import RequestBroken
from tests.support.fix_doors import Door, in_hub
from tests.support.fix_faults import FaultProxy
from tests.support.fix_hub import Client, Connect
from tests.support.fix_leaks import wait_until
from tests.support.fix_scripted import FakeReplicaSet, ScriptedServer
from tests.support.peek import sid

LARGE = bytes(15_000_000)
"""More than the sockets' buffers on the way take."""

Proxied = Callable[[Address], FaultProxy]


@pytest.fixture
def client(fake_replica_set: FakeReplicaSet, client_of: Connect) -> Client:
    return client_of(fake_replica_set.uri, heartbeatFrequencyMS=500)


def elect(replica_set: FakeReplicaSet, client: Client, member: int) -> None:
    """Make a member the primary, and wait until the client knows."""
    replica_set.elect(member)
    for server in client._executor.open().topology.servers.values():
        client._executor.thread.submit(server.request_check)
    wait_until(lambda: client.primary == replica_set.members[member].address)


@pytest.mark.parametrize("strict", [True, False])
def test_another_primary_than_before_is_a_connection_lost(
    fake_replica_set: FakeReplicaSet, client: Client, door: Door, strict: bool
) -> None:
    def request() -> list[str]:
        heard = []
        with client.start_request(strict=strict):
            sid(client)
            elect(fake_replica_set, client, 1)
            for _ in range(3):
                try:
                    client.test.things.insert_one({})
                except AutoReconnect as error:
                    heard.append(type(error).__name__)
        return heard

    assert door.call(request) == (["RequestBroken"] if strict else [])
    assert fake_replica_set.members[1].count("insert") == (2 if strict else 3)


def test_who_was_told_that_the_primary_is_none_is_not_told_again(
    fake_replica_set: FakeReplicaSet, client: Client, door: Door
) -> None:
    failure = {"ok": 0.0, "code": 10107, "errmsg": "not primary"}

    def request() -> None:
        with client.start_request(strict=True):
            sid(client)
            fake_replica_set.members[0].script("insert", failure)
            with pytest.raises(NotPrimaryError):
                client.test.things.insert_one({})
            elect(fake_replica_set, client, 1)
            client.test.things.insert_one({})

    door.call(request)


def test_who_leaves_in_the_middle_of_sending_is_told_by_the_next_operation(
    scripted_server: ScriptedServer, fault_proxy: Proxied, client_of: Connect
) -> None:
    proxy = fault_proxy(scripted_server.address)
    client = client_of(proxy.uri)

    def request() -> None:
        caller, left = gevent.getcurrent(), gevent.Timeout()
        assert isinstance(caller, Greenlet)

        def leave() -> None:
            wait_until(lambda: proxy.held)
            caller.kill(left, block=False)

        with client.start_request(strict=True) as it:
            before = sid(client)
            proxy.stall()
            gevent.spawn(leave)
            with pytest.raises(gevent.Timeout):
                client.test.things.insert_one({"_id": 1, "large": LARGE})
            proxy.restore()
            with pytest.raises(RequestBroken):
                sid(client)
            assert sid(client) != before
            assert it.connection_id != before

    in_hub(request)
