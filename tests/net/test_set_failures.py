"""The acceptance cases of replica sets (S) that a scripted set can play, failures above all.

The cases are listed in tests/README.md.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from pymongo.errors import (
    AutoReconnect,
    ConfigurationError,
    ConnectionFailure,
    InvalidOperation,
    NetworkTimeout,
    NotPrimaryError,
    PyMongoError,
)
from pymongo.read_preferences import Primary, Secondary, SecondaryPreferred

from greenmongo import Connection, ReplicaSetConnection
from tests.support.fix_doors import Door
from tests.support.fix_hub import Client, Connect, run_script
from tests.support.fix_leaks import wait_until
from tests.support.fix_scripted import (
    MONGOS,
    Answer,
    FakeReplicaSet,
    ScriptedServer,
    silently,
)
from tests.support.peek import place, wait_until_known

OldClient = ReplicaSetConnection[dict[str, Any]]
QUIET = {"heartbeatFrequencyMS": 60_000}
"""No check but those that something asks for."""


@pytest.fixture
def trio(fake_replica_set: FakeReplicaSet) -> list[ScriptedServer]:
    return fake_replica_set.members


def knows_all(client: Client) -> None:
    wait_until(lambda: client.primary is not None and len(client.secondaries) == 2)


def stop_answering(*members: ScriptedServer) -> None:
    for member in members:
        member.refuse()
        member.kill_all()


def test_S02_defaults_reach_what_is_made_of_the_client(
    fake_replica_set: FakeReplicaSet, trio: list[ScriptedServer]
) -> None:
    for member in trio[1:]:
        member.hello["tags"] = {"dc": "here"}
    made: OldClient = ReplicaSetConnection(
        fake_replica_set.uri, read_preference=2, tag_sets=[{"dc": "here"}], safe=False
    )
    with made as client:
        assert client.secondary_acceptable_latency_ms == 15
        database = client.test
        for each in (client, database, database.c):
            assert each.read_preference == Secondary([{"dc": "here"}])
            assert not each.write_concern.acknowledged
        cursor = database.c.find()
        assert not list(cursor)
        assert cursor.address in {member.address for member in trio[1:]}
        override = database.c.with_options(read_preference=Primary()).find()
        assert not list(override)
        assert override.address == trio[0].address


def test_S03_another_name_is_a_wrong_option(fake_replica_set: FakeReplicaSet) -> None:
    hosts = ",".join(member.host for member in fake_replica_set.members)
    began = time.monotonic()
    with pytest.raises(ConfigurationError, match="'other'"):
        ReplicaSetConnection(hosts, replicaSet="other")
    assert time.monotonic() - began < 10  # and not after serverSelectionTimeoutMS
    with pytest.raises(ConfigurationError, match="replicaSet"):
        ReplicaSetConnection(hosts)


def test_S03_nobody_there_is_a_connection_failure() -> None:
    with pytest.raises(ConnectionFailure, match="refused"):
        ReplicaSetConnection("127.0.0.1:1", replicaSet="rs0", serverSelectionTimeoutMS=2500)


def test_S05_passive_members_are_read_from_and_hidden_ones_are_not_known(
    fake_replica_set: FakeReplicaSet, trio: list[ScriptedServer], client_of: Connect
) -> None:
    primary, passive, hidden = trio
    for member in trio:
        member.hello.update(hosts=[primary.host], passives=[passive.host])
    hidden.hello["hidden"] = True
    client = client_of(f"mongodb://{primary.host}/?replicaSet=rs0", heartbeatFrequencyMS=500)
    wait_until(lambda: client.secondaries == {passive.address})
    assert place(client, SecondaryPreferred())[0] == passive.host
    stop_answering(passive)
    wait_until(lambda: not client.secondaries)
    assert place(client, SecondaryPreferred())[0] == primary.host
    assert hidden.count() == 0


@pytest.mark.parametrize("code", [10107, 10058])
def test_S19_the_code_decides_not_the_text(
    fake_replica_set: FakeReplicaSet, trio: list[ScriptedServer], client_of: Connect, code: int
) -> None:
    client = client_of(fake_replica_set.uri)
    wait_until_known(client)
    client.admin.command("ping")
    checks = trio[0].count("hello")
    trio[0].script("insert", {"ok": 0.0, "code": code, "errmsg": "with other words"})
    with pytest.raises(NotPrimaryError):
        client.test.c.insert_one({})
    client.test.c.insert_one({})  # waits for the check that the error asked for
    assert trio[0].count("hello") > checks


def test_S19_the_words_of_a_document_decide_nothing(
    fake_replica_set: FakeReplicaSet, trio: list[ScriptedServer], client_of: Connect
) -> None:
    client = client_of(fake_replica_set.uri)
    document = {"_id": 1, "errmsg": "not master", "$err": "node is recovering"}
    trio[0].script("find", {"cursor": {"id": 0, "firstBatch": [document]}})
    assert client.test.c.find_one() == document


def test_S26_who_was_looked_for_in_vain_is_told(
    fake_replica_set: FakeReplicaSet, client_of: Connect
) -> None:
    client = client_of(fake_replica_set.uri, serverSelectionTimeoutMS=100)
    nowhere = Secondary([{"dc": "nowhere"}])
    with pytest.raises(AutoReconnect, match=r"Secondary.*dc.*nowhere") as caught:
        client.test.get_collection("c", read_preference=nowhere).find_one()
    assert isinstance(caught.value.errors, list)
    assert len(caught.value.errors) <= 3


@pytest.mark.parametrize("command", ["find", "aggregate"])
def test_S28_a_recovering_member_is_noticed_at_once(
    fake_replica_set: FakeReplicaSet,
    trio: list[ScriptedServer],
    client_of: Connect,
    command: str,
) -> None:
    client = client_of(fake_replica_set.uri, **QUIET)
    knows_all(client)
    for member in trio[1:]:
        member.on(command, {"ok": 0.0, "code": 13436, "errmsg": "recovering"})
        member.hello["secondary"] = False
    things = client.test.get_collection("c", read_preference=Secondary())
    for _ in range(2):
        with pytest.raises(AutoReconnect):
            things.find_one() if command == "find" else things.count_documents({})
    wait_until(lambda: client.secondaries == set())
    assert client.primary == trio[0].address


def test_S28_a_stepdown_is_noticed_at_once(
    fake_replica_set: FakeReplicaSet, trio: list[ScriptedServer], client_of: Connect
) -> None:
    client = client_of(fake_replica_set.uri, **QUIET)
    knows_all(client)
    fake_replica_set.elect(1)
    with pytest.raises(AutoReconnect):
        client.test.c.insert_one({})
    client.test.c.insert_one({})
    assert client.primary == trio[1].address
    assert trio[1].count("insert") == 1


@pytest.mark.parametrize("preference", [Primary(), Secondary()])
def test_S32_a_late_answer_is_not_a_dead_member(
    client_of: Connect, preference: Primary | Secondary
) -> None:
    with FakeReplicaSet(2) as pair:
        client = client_of(pair.uri, socketTimeoutMS=2500, **QUIET)
        wait_until(lambda: len(client.nodes) == 2)
        known = dict(client.topology_description.servers)
        things = client.test.get_collection("c", read_preference=preference)
        for member in pair.members:
            member.script("find", Answer(manner=silently))
        with pytest.raises(NetworkTimeout):
            things.find_one()
        assert client.topology_description.servers == known
        assert things.find_one() is None


def test_S34_the_monitors_end_with_a_client_that_nobody_has_any_more(
    fake_replica_set: FakeReplicaSet, trio: list[ScriptedServer]
) -> None:
    client: OldClient | None = ReplicaSetConnection(fake_replica_set.uri)
    wait_until(lambda: all(member.open_connections for member in trio))
    client = None  # noqa: F841 - the last reference
    gc.collect()
    wait_until(lambda: not any(member.open_connections for member in trio))


EXIT = """
import sys, time
mode = sys.argv[2]
if mode == "greenlet":
    from gevent import monkey
    monkey.patch_all()
from greenmongo import ReplicaSetConnection
client = ReplicaSetConnection(sys.argv[1], use_greenlets=mode == "greenlet")
assert client.admin.command("ping")["ok"]
print(time.monotonic())
"""


@pytest.mark.parametrize("mode", ["thread", "greenlet"])
def test_S35_a_program_ends_without_closing(fake_replica_set: FakeReplicaSet, mode: str) -> None:
    done = run_script(EXIT, fake_replica_set.uri, mode)
    assert (done.returncode, done.stderr) == (0, "")
    assert time.monotonic() - float(done.stdout) < 8  # and not after the next check


def test_S36_many_may_close_at_once(fake_replica_set: FakeReplicaSet, door: Door) -> None:
    client: OldClient = ReplicaSetConnection(fake_replica_set.uri)
    everybody = door.barrier(10)

    def close() -> None:
        everybody()
        client.close()

    door.gather(*[close] * 10)
    with pytest.raises(InvalidOperation):
        client.test.c.find_one()
    with pytest.raises(InvalidOperation):
        client.test.c.insert_one({})


FORK = """
import os, sys
from greenmongo import ReplicaSetConnection
from greenmongo.lowlevel import thread_of
client = ReplicaSetConnection(sys.argv[1])
assert client.alive()
if not (child := os.fork()):
    assert not client._executor.is_open, "the child believes to have monitors"
    client.disconnect()
    assert client.alive()
    assert client.test.c.find_one() is None
    client.close()
    sys.exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert client.alive()
client.close()
print("fine")
"""


def test_S37_a_forked_child_has_monitors_of_its_own(fake_replica_set: FakeReplicaSet) -> None:
    done = run_script(FORK, fake_replica_set.uri)
    assert (done.stdout, done.stderr) == ("fine\n", "")


def test_S38_all_members_may_be_replaced(
    fake_replica_set: FakeReplicaSet, client_of: Connect
) -> None:
    client = client_of(
        fake_replica_set.uri, heartbeatFrequencyMS=500, serverSelectionTimeoutMS=9999
    )
    knows_all(client)
    with FakeReplicaSet(3, primary=None) as other:
        old, new = list(fake_replica_set.members), list(other.members)
        fake_replica_set.members += new
        fake_replica_set.elect(3)
        wait_until(lambda: client.primary == new[0].address and len(client.nodes) == 6)
        stop_answering(*old)
        wait_until(lambda: client.nodes == {member.address for member in new})
        assert client.test.c.find_one() is None
        assert place(client, Secondary())[0] in {member.host for member in new[1:]}

        stop_answering(*new)
        wait_until(lambda: not client.nodes)
        for member in old:
            member.accept_again()
        assert place(client, Secondary())[0] in {member.host for member in old}
        del fake_replica_set.members[3:]
        fake_replica_set.elect(0)
        client.test.c.insert_one({})


@pytest.fixture
def routers() -> Iterator[list[ScriptedServer]]:
    with ExitStack() as stack:
        yield [stack.enter_context(ScriptedServer(MONGOS)) for _ in range(3)]


def test_S39_another_mongos_takes_over(routers: list[ScriptedServer]) -> None:
    for router in routers:
        router.on("whoami", {"host": router.host})
    made: Connection[dict[str, Any]] = Connection(
        [router.host for router in routers], heartbeatFrequencyMS=500
    )
    with made as client:
        # A context keeps to one of them.
        used = {client.admin.command("whoami")["host"] for _ in range(5)}
        (current,) = (router for router in routers if router.host in used)
        current.script("whoami", Answer(manner=lambda *_: stop_answering(current)))
        with pytest.raises(AutoReconnect):
            client.admin.command("whoami")
        assert client.admin.command("whoami")["host"] != current.host

        stop_answering(*(router for router in routers if router is not current))
        wait_until(lambda: not client.nodes)
        current.accept_again()
        assert client.admin.command("whoami")["host"] == current.host


@pytest.mark.parametrize("first", ["find", "insert", "update", "remove"])
def test_S42_without_connect_the_first_operation_connects(
    fake_replica_set: FakeReplicaSet, trio: list[ScriptedServer], first: str
) -> None:
    made: OldClient = ReplicaSetConnection(fake_replica_set.uri, _connect=False)
    with made as client:
        assert client.primary is None
        assert client.secondaries == client.arbiters == client.hosts == frozenset()
        assert client.seeds == {member.address for member in trio}
        assert client.max_bson_size == 16 * 1024 * 1024
        assert sum(member.count() for member in trio) == 0
        things = client.test.c
        operations: dict[str, Callable[[], object]] = {
            "find": things.find_one,
            "insert": lambda: things.insert({"a": 1}),
            "update": lambda: things.update({"a": 1}, {"$set": {"a": 2}}),
            "remove": lambda: things.remove({"a": 1}),
        }
        operations[first]()
        assert client.primary == trio[0].address


def test_S43_without_a_primary_it_is_not_the_size_that_is_wrong(client_of: Connect) -> None:
    with FakeReplicaSet(2, primary=None) as leaderless:
        made: OldClient = ReplicaSetConnection(leaderless.uri, serverSelectionTimeoutMS=2500)
        with made as client:
            assert client.max_bson_size == 16 * 1024 * 1024
            with pytest.raises(PyMongoError) as caught:
                client.test.c.insert_one({"filling": "x" * 5_000_000})
            assert isinstance(caught.value, AutoReconnect)
