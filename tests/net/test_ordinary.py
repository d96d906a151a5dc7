"""The straight way of ordinary operations: it ends as the general one, whatever happens."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from pymongo.errors import PyMongoError
from pymongo.write_concern import WriteConcern

from greenmongo import timeout
from greenmongo._core.command import Command
from greenmongo._net import ordinary
from greenmongo._net.operation import Operation
from tests.support.fix_hub import Client, Connect
from tests.support.fix_leaks import wait_until
from tests.support.fix_scripted import (
    Answer,
    AnswerLike,
    FakeReplicaSet,
    ScriptedServer,
    by_half_then_hang_up,
    garbage,
    hang_up,
    reset,
    to_another_request,
    twice,
)
from tests.support.fix_ways import set_way
from tests.support.peek import engine_of, pools_of

NAMESPACE = "test.c"
FOUND: dict[str, Any] = {"cursor": {"id": 0, "ns": NAMESPACE, "firstBatch": [{"_id": 1}]}}
OPEN: dict[str, Any] = {"cursor": {"id": 7, "ns": NAMESPACE, "firstBatch": [{"_id": 1}]}}
NEXT: dict[str, Any] = {"cursor": {"id": 7, "ns": NAMESPACE, "nextBatch": [{"_id": 2}]}}
LAST: dict[str, Any] = {"cursor": {"id": 0, "ns": NAMESPACE, "nextBatch": [{"_id": 3}]}}
NOT_PRIMARY = {
    "ok": 0.0,
    "code": 10107,
    "errmsg": "not primary",
    "errorLabels": ["RetryableWriteError"],
}
STEPPED_DOWN = {
    "n": 1,
    "writeConcernError": {"code": 11602, "errmsg": "stepped down"},
    "errorLabels": ["RetryableWriteError"],
}
CONCERN_FAILED = {"n": 1, "writeConcernError": {"code": 64, "errmsg": "waiting", "errInfo": {}}}
OVERLOADED = {
    "ok": 0.0,
    "code": 462,
    "errmsg": "busy",
    "errorLabels": ["RetryableError", "SystemOverloadedError"],
}

Act = Callable[[Client], object]


def find_one(client: Client) -> object:
    return client.test.c.find_one({"_id": 1})


def find_all(client: Client) -> object:
    return list(client.test.c.find({}, batch_size=1))


def insert_one(client: Client) -> object:
    return client.test.c.insert_one({"_id": 1}).acknowledged


def update_one(client: Client) -> object:
    return client.test.c.update_one({"_id": 1}, {"$set": {"n": 1}}).raw_result


def find_and_delete(client: Client) -> object:
    return client.test.c.find_one_and_delete({"_id": 1})


def aggregate(client: Client) -> object:
    return list(client.test.c.aggregate([]))


def lines() -> Iterator[Any]:
    """Make each case: what is called, and how the server answers, command by command."""
    failures: Mapping[str, AnswerLike] = {
        "hangs up": Answer(manner=hang_up),
        "resets": Answer(manner=reset),
        "hangs up half-way": Answer(manner=by_half_then_hang_up),
        "garbage": Answer(manner=garbage),
        "answers another request": Answer(manner=to_another_request),
        "steps down": NOT_PRIMARY,
        "refuses": {"ok": 0.0, "code": 2, "errmsg": "BadValue"},
        "is in overload": OVERLOADED,
        "makes no sense": {"cursor": 5, "n": [], "value": 3},
    }
    calls: Mapping[str, tuple[Act, str, dict[str, Any]]] = {
        "find_one": (find_one, "find", FOUND),
        "insert_one": (insert_one, "insert", {"n": 1}),
        "update_one": (update_one, "update", {"n": 1, "nModified": 1}),
        "find_and_delete": (find_and_delete, "findAndModify", {"value": {"_id": 1}}),
        "aggregate": (aggregate, "aggregate", FOUND),
    }
    for call, (act, name, good) in calls.items():
        yield pytest.param(act, {name: [good, good]}, id=f"{call}: goes well")
        for failure, bad in failures.items():
            yield pytest.param(act, {name: [bad, good]}, id=f"{call}: {failure} once")
        for failure in ("hangs up", "steps down", "is in overload"):
            bad = failures[failure]
            yield pytest.param(act, {name: [bad, bad, bad]}, id=f"{call}: {failure} always")
        yield pytest.param(act, {name: [Answer(good, twice)]}, id=f"{call}: answers twice")
    for call in ("insert_one", "update_one", "find_and_delete"):
        act, name, good = calls[call]
        for failure, bad in (("stepped down", STEPPED_DOWN), ("concern failed", CONCERN_FAILED)):
            yield pytest.param(act, {name: [bad, good]}, id=f"{call}: {failure}")
    for failure, bad in failures.items():
        script = {"find": [OPEN], "getMore": [NEXT, bad, LAST], "killCursors": [{}]}
        yield pytest.param(find_all, script, id=f"getMore: {failure}")
    yield pytest.param(find_all, {"find": [OPEN], "getMore": [NEXT, LAST]}, id="getMore: goes well")


@dataclass
class Outcome:
    """What the caller, the server and the client itself have seen."""

    result: object
    commands: list[dict[str, Any]]
    sessions: int
    idle: int
    busy: int


def seen(server: ScriptedServer, names: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the commands, with the ids of sessions replaced by the order of their coming."""
    ids: list[Any] = []
    commands = []
    for received in server.commands():
        if received.name not in names:
            continue
        document = {**received.document, "connection": received.connection.number}
        if "lsid" in document:
            if document["lsid"] not in ids:
                ids.append(document["lsid"])
            document["lsid"] = ids.index(document["lsid"])
        commands.append(document)
    return commands


def outcome(act: Act, script: Mapping[str, list[AnswerLike]], connect: Connect) -> Outcome:
    """Call through a client that has a connection and a session ready, and see what comes of it."""
    with FakeReplicaSet(1) as members:
        server = members.members[0]
        client = connect(members.uri, retryReads=True, retryWrites=True, maxPoolSize=1)
        client.admin.command("ping")
        for name, answers in script.items():
            server.script(name, *answers)
        result: object
        try:
            result = act(client)
        except PyMongoError as error:
            text = re.sub(r"\d+", "#", str(error))
            context = type(error.__cause__), type(error.__context__)
            details = getattr(error, "details", None)
            result = type(error), text, details, error._error_labels, context
        engine = engine_of(client)
        wait_until(
            lambda: not any(each.operation_count for each in engine.topology.servers.values())
        )
        client.admin.command("ping")
        pool = pools_of(client)[server.address]
        commands = seen(server, script)
        found = Outcome(result, commands, len(engine.sessions), pool.idle_count, pool.size)
        client.close()
    return found


@pytest.mark.parametrize(("act", "script"), list(lines()))
def test_both_ways_end_alike(
    act: Act,
    script: Mapping[str, list[AnswerLike]],
    client_of: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    straight = outcome(act, script, client_of)
    set_way(monkeypatch, "general")
    assert straight == outcome(act, script, client_of)


def count_operations(patch: pytest.MonkeyPatch) -> list[str]:
    """Return a list to which each operation adds its name that is not run straight."""
    names: list[str] = []

    def operation(context: Any, command: Command, holder: Any) -> Operation:
        names.append(command.name)
        return Operation(context, command, holder)

    patch.setattr(ordinary, "Operation", operation)
    return names


def test_what_goes_well_goes_straight(
    fake_replica_set: FakeReplicaSet, client_of: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(fake_replica_set.uri, retryReads=True, retryWrites=True)
    client.admin.command("ping")
    things, names = client.test.c, count_operations(monkeypatch)
    things.insert_one({"_id": 1})
    things.insert_many([{"_id": 2}, {"_id": 3}])
    things.update_one({"_id": 1}, {"$set": {"n": 1}})
    assert things.find_one({"_id": 1}) == {"_id": 1, "n": 1}
    assert things.count_documents({}) == 3
    assert names == []
    assert len(list(things.find({}, batch_size=2))) == 3
    # That which has left a cursor open, not that which reads on.
    assert names == ["find"]


def test_what_is_unusual_does_not(
    fake_replica_set: FakeReplicaSet, client_of: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(fake_replica_set.uri)
    client.admin.command("ping")
    names = count_operations(monkeypatch)
    with timeout(10):
        client.test.c.find_one()
    client.test.get_collection("c", write_concern=WriteConcern(w=0)).delete_one({})
    assert names == ["find", "delete"]
