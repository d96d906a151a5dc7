"""The acceptance cases of replica sets (S) that need a set of another make, or use one up.

The cases are listed in tests/README.md.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pymongo.read_preferences import Nearest, SecondaryPreferred
from pymongo.write_concern import WriteConcern

from greenmongo.embedded import MongoServer
from tests.support.fix_hub import Client, Connect
from tests.support.fix_leaks import wait_until
from tests.support.fix_members import reconfigure
from tests.support.peek import place

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.timeout(120)]

PATIENCE = 30.0
OPTIONS = {
    "localThresholdMS": 100_000,
    "heartbeatFrequencyMS": 500,
    "serverSelectionTimeoutMS": 30_000,
}


@pytest.fixture
def shy() -> Iterator[MongoServer]:
    """A set of a primary, one that never becomes it, and two that clients are not told about."""
    hidden = {"priority": 0, "hidden": True, "votes": 0}
    kinds = [{}, {"priority": 0}, hidden, {**hidden, "secondaryDelaySecs": 1}]
    with MongoServer(kinds) as server:
        yield server


@pytest.fixture
def theseus() -> Iterator[MongoServer]:
    """Three members that elect, and three to replace them."""
    with MongoServer([{}] * 3 + [{"priority": 0, "votes": 0}] * 3) as server:
        yield server


def test_S05_passive_members_are_read_from_and_hidden_ones_are_not(
    shy: MongoServer, client_of: Connect
) -> None:
    primary, passive, *hidden = shy.members
    client = client_of(shy.uri, **OPTIONS)
    client.test.get_collection("c", write_concern=WriteConcern("majority")).insert_one({})
    wait_until(lambda: client.secondaries == {passive.address}, PATIENCE)
    assert client.nodes == {primary.address, passive.address}
    assert {place(client, Nearest())[0] for _ in range(50)} == {primary.host, passive.host}
    assert {place(client, SecondaryPreferred())[0] for _ in range(10)} == {passive.host}
    passive.kill()
    wait_until(lambda: not client.secondaries, PATIENCE)
    assert {place(client, SecondaryPreferred())[0] for _ in range(10)} == {primary.host}
    assert not client.nodes & {member.address for member in hidden}


def test_S38_the_ship_of_theseus(theseus: MongoServer, client_of: Connect) -> None:
    old, new = theseus.members[:3], theseus.members[3:]
    config = theseus.wait_for_primary().run({"replSetGetConfig": 1})["config"]["members"]
    reconfigure(theseus, {member.host for member in old}, config)
    seeds = ",".join(member.host for member in old)
    client: Client = client_of(f"mongodb://{seeds}/?replicaSet=rs0", **OPTIONS)
    wait_until(lambda: client.nodes == {member.address for member in old}, PATIENCE)
    client.test.c.insert_one({"_id": 1})

    reconfigure(theseus, {member.host for member in theseus.members}, config)
    wait_until(lambda: len(client.nodes) == 6, PATIENCE)
    everywhere = client.test.get_collection("c", write_concern=WriteConcern(6, j=True))
    everywhere.insert_one({"_id": 2})
    for member in old:
        member.kill()
    wait_until(lambda: client.nodes == {member.address for member in new}, PATIENCE)
    anywhere = client.test.get_collection("c", read_preference=Nearest())
    assert sorted(each["_id"] for each in anywhere.find()) == [1, 2]
    assert place(client, SecondaryPreferred())[0] in {member.host for member in new}

    for member in new:
        member.kill()
    wait_until(lambda: not client.nodes, PATIENCE)
    for member in old:
        member.start()
    assert sorted(each["_id"] for each in anywhere.find()) == [1, 2]
    assert place(client, Nearest())[0] in {member.host for member in old}
    client.test.c.insert_one({"_id": 3})
