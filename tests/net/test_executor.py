from __future__ import annotations

import pytest

from greenmongo.errors import InvalidOperation, ServerSelectionTimeoutError
from greenmongo.hub import PoolStatistics, statistics_of
from tests.support.fix_hub import Connect
from tests.support.fix_scripted import FakeReplicaSet, ScriptedServer


def test_the_address_is_waited_for(scripted_server: ScriptedServer, client_of: Connect) -> None:
    client = client_of(scripted_server.uri)
    assert client.address == scripted_server.address
    assert client.is_primary
    assert not client.is_mongos


def test_a_secondary_that_is_connected_to_directly_is_no_primary(client_of: Connect) -> None:
    with FakeReplicaSet(2) as members:
        primary, secondary = members.members
        client = client_of(secondary.uri, directConnection=True)
        assert not client.is_primary
        assert client.address == secondary.address
        assert client_of(primary.uri, directConnection=True).is_primary


def test_without_a_server_the_address_is_an_error(client_of: Connect) -> None:
    client = client_of("mongodb://127.0.0.1:1", serverSelectionTimeoutMS=1)
    with pytest.raises(ServerSelectionTimeoutError, match=r"No servers|refused"):
        client.address  # noqa: B018


def test_a_closed_client_has_no_address(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client = client_of(scripted_server.uri)
    client.close()
    with pytest.raises(InvalidOperation):
        client.address  # noqa: B018


def test_statistics_count_what_there_is(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client = client_of(scripted_server.uri)
    with client.start_request():
        client.admin.command("ping")
        during = statistics_of(client)
    after = statistics_of(client)
    assert during.requests == 1
    assert during.pools == (PoolStatistics(scripted_server.address, 1, 1, 0, 0),)
    assert after.requests == after.abandoned == 0
    assert after.pools == (PoolStatistics(scripted_server.address, 1, 1, 1, 0),)
    assert after.server_sessions == 1
