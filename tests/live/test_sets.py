"""The acceptance cases of replica sets (S) that need real members.

The cases are listed in tests/README.md.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest
from bson.int64 import Int64
from pymongo.errors import AutoReconnect, NotPrimaryError, OperationFailure
from pymongo.read_preferences import (
    Nearest,
    Secondary,
    SecondaryPreferred,
)
from pymongo.write_concern import WriteConcern

from greenmongo import Connection, ReplicaSetConnection
from greenmongo.embedded import Member, MongoServer
from tests.support.fix_doors import Door, start
from tests.support.fix_hub import Client, Connect
from tests.support.fix_leaks import wait_until
from tests.support.fix_members import (
    address_of,
    member_at,
    reconfigure,
    restore,
    secondaries_of,
)
from tests.support.peek import place, pools_of, wait_until_known

pytestmark = [pytest.mark.live, pytest.mark.timeout(90)]

OldClient = ReplicaSetConnection[dict[str, Any]]
DB = "test_sets"
PATIENCE = 30.0


@pytest.fixture
def primary(members: MongoServer) -> Member:
    return members.wait_for_primary()


@pytest.fixture
def client(members: MongoServer, primary: Member, client_of: Connect) -> Client:
    """A client that knows every member and takes none for too far away."""
    client = client_of(
        members.uri,
        localThresholdMS=100_000,
        heartbeatFrequencyMS=500,
        serverSelectionTimeoutMS=30_000,
    )
    wait_until(lambda: client.primary and len(client.secondaries) == 2, PATIENCE)
    return client


@pytest.fixture
def ten(members: MongoServer, primary: Member, client: Client) -> Iterator[Any]:
    """A collection of ten documents that every member has."""
    everywhere = client[DB].get_collection("ten", write_concern=WriteConcern(3))
    everywhere.insert_many([{"_id": n} for n in range(10)])
    yield client[DB].get_collection("ten", read_preference=SecondaryPreferred())
    restore(members)  # a majority of those with data must agree to what follows
    client.drop_database(DB)


def test_S01_the_attributes_of_a_set(members: MongoServer, primary: Member) -> None:
    made: OldClient = ReplicaSetConnection(primary.host, replicaSet="rs0")
    data, arbiter = members.members[:3], members.members[3]
    with made as client:
        wait_until(lambda: len(client.secondaries) == 2 and client.arbiters)
        assert client.primary == primary.address
        assert client.secondaries == {m.address for m in data} - {primary.address}
        assert client.arbiters == {arbiter.address}
        assert client.hosts == {member.address for member in data}
        assert client.seeds == {primary.address}
        assert not client.is_mongos
        for name in ("one", "two", "three"):
            place(client, Nearest([{"name": name}]))
        opened = {address: pool.created_count for address, pool in pools_of(client).items()}
        assert opened == {**{member.address: 1 for member in data}, arbiter.address: 0}


def test_S04_an_arbiter_is_a_valid_seed(members: MongoServer) -> None:
    made: OldClient = ReplicaSetConnection(members.members[3].host, replicaSet="rs0")
    with made as client:
        wait_until(lambda: len(client.hosts) == 3)
        assert client.admin.command("ping")["ok"]


def test_S16_S31_a_pinned_secondary_dies_and_comes_back(
    members: MongoServer, primary: Member, client_of: Connect
) -> None:
    client = client_of(members.uri, retryReads=True, heartbeatFrequencyMS=500)
    wait_until(lambda: len(client.secondaries) == 2)
    with client.start_request():
        pinned = member_at(members, place(client, Secondary())[0])
        pinned.kill()
        # Commands are not retried, reads are.
        assert client[DB].get_collection("c", read_preference=Secondary()).find_one() is None
        other = place(client, Secondary())
        assert other[0] not in (pinned.host, primary.host)
        assert client.in_request()
        assert place(client, Secondary()) == other
    wait_until(lambda: client.secondaries == {address_of(other[0])}, 20)
    pinned.restart()
    wait_until(lambda: len(client.secondaries) == 2, PATIENCE)
    assert client.primary == primary.address


def test_S17_S29_S30_the_primary_is_killed(
    members: MongoServer, primary: Member, client: Client, ten: Any
) -> None:
    cursor = ten.find(batch_size=5)
    first = [next(cursor)["_id"] for _ in range(5)]

    def request() -> list[AutoReconnect]:
        client.start_request()
        with pytest.raises(AutoReconnect):
            client.admin.command({"sleep": 1, "secs": 60, "lock": "none"})
        assert client.in_request()
        failures = []
        while True:
            try:
                client[DB].things.insert_one({})
                break
            except AutoReconnect as error:
                failures.append(error)
        assert client.in_request()
        places = {place(client) for _ in range(5)}
        assert len(places) == 1
        assert places.pop()[0] != primary.host
        return failures

    # Nothing but an AutoReconnect comes out of it, or the future raises.
    outcome = start(request)
    sleeping = {"currentOp": 1, "command.sleep": {"$exists": True}}
    wait_until(lambda: primary.run(sleeping)["inprog"])
    primary.kill()
    rest = [document["_id"] for document in cursor]
    assert sorted(first + rest) == list(range(10))
    assert cursor.address != primary.address
    outcome.result(60)


def test_S18_a_stepdown_keeps_the_connections(
    members: MongoServer, primary: Member, client_of: Connect
) -> None:
    # So that it is an operation that finds out.
    calm = {"serverMonitoringMode": "poll", "heartbeatFrequencyMS": 60_000}
    clients = [client_of(members.uri, serverSelectionTimeoutMS=20_000, **calm) for _ in range(2)]
    for client in clients:
        wait_until_known(client)
        client.start_request()
        assert place(client)[0] == primary.host
    # For long enough that it is not elected once more, however slow the others are.
    primary.run({"replSetStepDown": 30, "secondaryCatchUpPeriodSecs": 4})
    members.wait_for_primary(60)
    reader, writer = clients
    with pytest.raises(NotPrimaryError) as read:
        reader[DB].c.find_one()
    with pytest.raises(NotPrimaryError) as write:
        writer[DB].c.insert_one({})
    for caught, code in ((read, 13435), (write, 10107)):
        assert isinstance(caught.value.details, dict)
        assert caught.value.details["code"] == code
    for client in clients:
        pool = pools_of(client)[primary.address]
        assert (pool.size, pool.created_count, pool.generation) == (1, 1, 0)
        assert client.in_request()
        assert place(client)[0] != primary.host
        client.end_request()


def test_S21_a_member_that_joins_is_part_of_the_request(
    members: MongoServer, primary: Member, client: Client, door: Door
) -> None:
    configured = primary.run({"replSetGetConfig": 1})["config"]["members"]
    everybody = {member["host"] for member in configured}
    joins = secondaries_of(members)[0]
    (tags,) = (member["tags"] for member in configured if member["host"] == joins.host)
    reconfigure(members, everybody - {joins.host}, configured)
    try:
        wait_until(lambda: joins.address not in client.secondaries, PATIENCE)

        def request() -> None:
            with client.start_request():
                place(client)
                reconfigure(members, everybody, configured)
                wait_until(lambda: joins.address in client.secondaries, PATIENCE)
                there = {place(client, Secondary([tags])) for _ in range(10)}
                assert [host for host, _ in there] == [joins.host]

        outcome = door.spawn(request)
        wait_until(lambda: joins.address in client.secondaries, PATIENCE)
        outcome()
    finally:
        reconfigure(members, everybody, configured)
        wait_until(lambda: joins.address in client.secondaries, PATIENCE)


def test_S27_a_recovering_member_is_not_read_from(members: MongoServer, client: Client) -> None:
    recovering, healthy = secondaries_of(members)
    recovering.run({"replSetMaintenance": 1})
    try:
        wait_until(lambda: client.secondaries == {healthy.address}, PATIENCE)
        assert {place(client, Secondary())[0] for _ in range(50)} == {healthy.host}
    finally:
        recovering.run({"replSetMaintenance": 0})
        wait_until(lambda: len(client.secondaries) == 2, PATIENCE)


def test_S40_a_connection_to_one_member(members: MongoServer, primary: Member) -> None:
    secondary = secondaries_of(members)[0]
    arbiter = members.members[3]
    strict: Connection[dict[str, Any]] = Connection(secondary.host)
    with strict as client:
        assert (client.host, client.port) == secondary.address
        assert not client.is_primary
        with pytest.raises(AutoReconnect):
            client[DB].c.find_one()
        for mode in (1, 2, 3, 4):
            lenient: Connection[dict[str, Any]] = Connection(secondary.host, read_preference=mode)
            with lenient as other:
                assert other[DB].c.find_one() is None
    for member, is_primary in ((primary, True), (arbiter, False)):
        direct: Connection[dict[str, Any]] = Connection(member.host)
        with direct as client:
            assert (client.host, client.port) == member.address
            assert client.is_primary is is_primary


@pytest.mark.parametrize("end", ["closed", "collected"])
def test_S41_a_cursor_is_ended_on_its_member(ten: Any, client_of: Connect, end: str) -> None:
    cursor = ten.find(batch_size=2)
    next(cursor)
    (host, port), cursor_id = cursor.address, cursor.cursor_id
    direct = client_of(f"mongodb://{host}:{port}/?directConnection=true")

    def error_code() -> int | None:
        command = {"getMore": Int64(cursor_id), "collection": "ten"}
        with pytest.raises(OperationFailure) as caught:
            direct[DB].command(command, read_preference=SecondaryPreferred())
        return caught.value.code

    assert error_code() != 43  # it lives: only the session is another one
    if end == "closed":
        cursor.close()
    del cursor
    gc.collect()
    wait_until(lambda: error_code() == 43)
