from __future__ import annotations

from collections.abc import Iterator

import pytest
from pymongo.errors import AutoReconnect, ConfigurationError, ServerSelectionTimeoutError
from pymongo.read_preferences import Secondary, SecondaryPreferred

from greenmongo._net.server import Server
from tests.support.fix_doors import start
from tests.support.fix_hub import Client, Connect
from tests.support.fix_leaks import wait_until
from tests.support.fix_scripted import MONGOS, Answer, FakeReplicaSet, ScriptedServer, hang_up
from tests.support.peek import wait_for_failed_check, wait_until_known

FAST = {"heartbeatFrequencyMS": 500}


def servers_of(client: Client) -> dict[tuple[str, int | None], Server]:
    return client._executor.open().topology.servers


def kinds(client: Client) -> dict[tuple[str, int | None], str]:
    servers = client.topology_description.servers
    return {address: server.server_type_name for address, server in servers.items()}


@pytest.fixture
def pair() -> Iterator[FakeReplicaSet]:
    with FakeReplicaSet(2) as members:
        yield members


def test_all_members_are_found_from_one(
    fake_replica_set: FakeReplicaSet, client_of: Connect
) -> None:
    first, *others = fake_replica_set.members
    client = client_of(f"mongodb://{others[0].host}/?replicaSet=rs0")
    wait_until(lambda: len(client.nodes) == 3)
    assert client.primary == first.address
    assert client.secondaries == {other.address for other in others}
    assert client.topology_description.topology_type_name == "ReplicaSetWithPrimary"


def test_a_server_alone_is_taken_for_what_it_is(client_of: Connect) -> None:
    with ScriptedServer() as standalone, ScriptedServer(MONGOS) as mongos:
        client = client_of(standalone.uri)
        client.admin.command("ping")
        assert kinds(client) == {standalone.address: "Standalone"}
        routed = client_of(f"mongodb://{mongos.host}/")
        routed.admin.command("ping")
        assert routed.is_mongos


def test_writes_follow_an_election(pair: FakeReplicaSet, client_of: Connect) -> None:
    one, other = pair.members
    # So that it is an operation that finds out.
    client = client_of(pair.uri, heartbeatFrequencyMS=60_000)
    wait_until_known(client)
    client.test.c.insert_one({"_id": 1})
    pair.elect(1)
    with pytest.raises(AutoReconnect):
        client.test.c.insert_one({"_id": 2})
    client.test.c.insert_one({"_id": 3})
    assert client.primary == other.address
    assert (one.count("insert"), other.count("insert")) == (2, 1)


def test_without_a_primary_reads_go_to_secondaries_and_writes_wait(client_of: Connect) -> None:
    with FakeReplicaSet(2, primary=None) as members:
        client = client_of(members.uri, serverSelectionTimeoutMS=300)
        client._executor.open()
        wait_until(lambda: len(client.secondaries) == 2)
        preferred = client.get_database("test", read_preference=SecondaryPreferred())
        assert preferred.c.find_one() is None
        with pytest.raises(ServerSelectionTimeoutError, match="RSSecondary"):
            client.test.c.insert_one({})


def test_a_write_waits_for_a_primary_to_appear(client_of: Connect) -> None:
    with FakeReplicaSet(2, primary=None) as members:
        client = client_of(members.uri, **FAST)
        writing = start(client.test.c.insert_one, {"_id": 1})
        wait_until(lambda: len(client.secondaries) == 2)
        members.elect(1)
        assert writing.result(10).acknowledged
        assert members.members[1].count("insert") == 1


def test_a_server_that_vanishes_is_unknown_and_comes_back(
    pair: FakeReplicaSet, client_of: Connect
) -> None:
    gone = pair.members[1]
    client = client_of(pair.uri, **FAST)
    wait_until(lambda: len(client.nodes) == 2)
    gone.refuse()
    gone.kill_all()
    wait_until(lambda: kinds(client)[gone.address] == "Unknown")
    gone.accept_again()
    wait_until(lambda: kinds(client)[gone.address] == "RSSecondary")
    secondary = client.get_database("test", read_preference=Secondary())
    assert secondary.c.find_one() is None


def test_nobody_there_is_told_with_the_reason(client_of: Connect) -> None:
    with ScriptedServer() as server:
        server.refuse()
        client = client_of(server.uri, serverSelectionTimeoutMS=200)
        wait_for_failed_check(client)
        with pytest.raises(ServerSelectionTimeoutError, match=f"{server.host}.*refused"):
            client.admin.command("ping")


def test_a_failed_operation_clears_the_pool_and_has_the_server_checked(
    scripted_server: ScriptedServer, client_of: Connect
) -> None:
    client = client_of(scripted_server.uri)
    client.admin.command("ping")
    (server,) = servers_of(client).values()
    scripted_server.script("ping", Answer(manner=hang_up))
    with pytest.raises(AutoReconnect):
        client.admin.command("ping")
    assert server.pool.generation == 1
    checks = scripted_server.count("hello")
    assert client.admin.command("ping") == {"ok": 1.0}
    assert scripted_server.count("hello") > checks


def test_a_member_that_left_the_set_is_forgotten(
    fake_replica_set: FakeReplicaSet, client_of: Connect
) -> None:
    client = client_of(fake_replica_set.uri, **FAST)
    wait_until(lambda: len(client.nodes) == 3)
    *stay, leaves = fake_replica_set.members
    for member in stay:
        member.hello.update(hosts=[each.host for each in stay], setVersion=2)
    wait_until(lambda: leaves.address not in client.topology_description.servers)
    wait_until(lambda: not leaves.open_connections)
    assert set(servers_of(client)) == {each.address for each in stay}


def test_a_member_that_joins_is_found(pair: FakeReplicaSet, client_of: Connect) -> None:
    client = client_of(pair.uri, **FAST)
    wait_until(lambda: len(client.nodes) == 2)
    with ScriptedServer(pair.members[1].hello, store=pair.store) as joins:
        hosts = [*(each.host for each in pair.members), joins.host]
        for member in (*pair.members, joins):
            member.hello.update(hosts=hosts, setVersion=2)
        joins.hello["me"] = joins.host
        wait_until(lambda: kinds(client).get(joins.address) == "RSSecondary")


def test_a_set_of_another_name_is_not_ours(pair: FakeReplicaSet, client_of: Connect) -> None:
    client = client_of(
        f"mongodb://{pair.members[0].host}/?replicaSet=other", serverSelectionTimeoutMS=60_000
    )
    # At once: with no server left there is nobody to wait for.
    with pytest.raises(ServerSelectionTimeoutError, match="none of the seeds is a member"):
        client.admin.command("ping")


def test_a_server_too_new_is_refused(client_of: Connect) -> None:
    with ScriptedServer({"minWireVersion": 999, "maxWireVersion": 1000}) as server:
        client = client_of(server.uri)
        with pytest.raises(ConfigurationError, match="999"):
            client.admin.command("ping")


def test_reads_are_spread_over_the_secondaries(
    fake_replica_set: FakeReplicaSet, client_of: Connect
) -> None:
    client = client_of(fake_replica_set.uri, localThresholdMS=10_000)
    wait_until(lambda: len(client.nodes) == 3)
    secondary = client.get_database("test", read_preference=Secondary())
    for _ in range(40):
        secondary.c.find_one()
    first, *others = (member.count("find") for member in fake_replica_set.members)
    assert first == 0
    assert all(others)


def test_reads_of_a_request_stay_on_one_member(
    fake_replica_set: FakeReplicaSet, client_of: Connect
) -> None:
    client = client_of(fake_replica_set.uri, localThresholdMS=10_000)
    wait_until(lambda: len(client.nodes) == 3)
    secondary = client.get_database("test", read_preference=Secondary())
    with client.start_request():
        for _ in range(20):
            secondary.c.find_one()
            client.test.c.insert_one({})
    counts = sorted(member.count("find") for member in fake_replica_set.members)
    assert counts == [0, 0, 20]
    assert len({each.connection for each in fake_replica_set.members[0].commands("insert")}) == 1


@pytest.mark.usefixtures("no_leaks")
def test_a_closed_client_leaves_no_monitor(
    fake_replica_set: FakeReplicaSet, client_of: Connect
) -> None:
    client = client_of(fake_replica_set.uri)
    wait_until(lambda: len(client.nodes) == 3)
    client.close()
    for member in fake_replica_set.members:
        member.wait_for(lambda: not member.open_connections)  # noqa: B023 - called at once
