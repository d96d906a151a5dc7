"""The same operations on the same server: PyMongo and we tell of them in the same way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import pymongo
import pytest
from bson import DBRef
from pymongo import IndexModel, ReadPreference, ReturnDocument, monitoring
from pymongo.collation import Collation
from pymongo.errors import PyMongoError
from pymongo.write_concern import WriteConcern

from greenmongo import MongoClient
from tests.support.fix_server import Deployment
from tests.support.listeners import Recorder

pytestmark = pytest.mark.live

DB = "test_live_events"
VOLATILE = {
    "operationTime",
    "electionId",
    "opTime",
    "lsid",
    "txnNumber",
    "getMore",
    "id",
    "cursors",
    "cursorsKilled",
    "endSessions",
    "lastWrite",
    "uuid",
}
ATTRIBUTES = (
    "command_name",
    "database_name",
    "command",
    "reply",
    "failure",
    "connection_id",
    "reason",
    "options",
    "interrupt_connections",
    "server_address",
)

Action = Callable[[Any], Any]


def steady(value: Any) -> Any:
    """Return what two runs of the same command have in common."""
    if isinstance(value, Mapping):
        return {
            key: ... if key in VOLATILE else steady(item)
            for key, item in value.items()
            # PyMongo learns the first one from the checks of its servers; we do not.
            if key != "$clusterTime"
        }
    if isinstance(value, (list, tuple)):
        return [steady(item) for item in value]
    return value


def facts(event: Any) -> tuple[Any, ...]:
    """Return what must be the same in the events of both clients."""
    name = type(event).__name__
    values = {each: steady(getattr(event, each)) for each in ATTRIBUTES if hasattr(event, each)}
    if values.get("command_name") == "endSessions":
        # Any server does, which is said in ours by nothing and in PyMongo's by a preference.
        values.pop("command", None)
    for each in ("previous_description", "new_description"):
        if hasattr(event, each):
            values[each] = kind_of(getattr(event, each))
    return name, values


def kind_of(description: Any) -> Any:
    """Return what a description calls its subject."""
    if hasattr(description, "server_type_name"):
        return description.server_type_name
    servers = description.server_descriptions().values()
    return description.topology_type_name, sorted(each.server_type_name for each in servers)


def told(kind: Callable[..., Any], uri: str, action: Action, *kinds: str) -> list[tuple[Any, ...]]:
    """Return the facts of what a client tells while it does something, and as it closes.

    Commands come first: they are told of in the caller's place, and what becomes of connections
    beside it, in no order between the two.
    """
    recorder = Recorder(*kinds)
    client = kind(uri, event_listeners=recorder.listeners)
    with client:
        # Nothing is to be discovered any more while the action is watched.
        client.admin.command("ping")
        with suppress(PyMongoError):
            action(client[DB])
    return commands_first(recorder.events)


def commands_first(events: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Return the facts of events, those of commands before all others."""
    return sorted(map(facts, events), key=lambda each: not each[0].startswith("Command"))


def insert_a_few(db: Any) -> None:
    db.c.insert_many([{"_id": number, "text": "x"} for number in range(7)])


COMMANDS: dict[str, Action] = {
    "insert_one": lambda db: db.c.insert_one({"_id": 100, "x": [1, {"y": None}]}),
    "insert_many": lambda db: db.c.insert_many([{"_id": number} for number in range(50, 60)]),
    "insert_a_duplicate": lambda db: db.c.insert_one({"_id": 1}),
    "insert_unacknowledged": lambda db: db.get_collection(
        "c", write_concern=WriteConcern(w=0)
    ).insert_one({"_id": 101}),
    "update_one": lambda db: db.c.update_one({"_id": 1}, {"$set": {"text": "y"}}, upsert=True),
    "update_many": lambda db: db.c.update_many({}, {"$inc": {"n": 1}}),
    "replace_one": lambda db: db.c.replace_one({"_id": 2}, {"text": "z"}),
    "delete_one": lambda db: db.c.delete_one({"_id": 3}),
    "delete_many": lambda db: db.c.delete_many({"_id": {"$gt": 3}}),
    "find_one": lambda db: db.c.find_one({"_id": 4}),
    "find_one_and_update": lambda db: db.c.find_one_and_update({"_id": 4}, {"$set": {"n": 1}}),
    "find_in_batches": lambda db: list(db.c.find({}, batch_size=3).sort("_id", 1)),
    "find_and_close": lambda db: next_and_close(db.c.find({}, batch_size=2)),
    "aggregate": lambda db: list(db.c.aggregate([{"$match": {"_id": 1}}])),
    "count_documents": lambda db: db.c.count_documents({"text": "x"}),
    "distinct": lambda db: db.c.distinct("text"),
    "create_index": lambda db: db.c.create_index("text"),
    "find_from_anywhere": lambda db: list(
        db.get_collection("c", read_preference=ReadPreference.NEAREST).find({}, batch_size=3)
    ),
    "find_with_a_comment": lambda db: list(db.c.find({}, batch_size=3, comment={"a": 1})),
    "find_with_options": lambda db: list(
        db.c.find({}, {"text": 1}, skip=1, limit=5, batch_size=2, max_time_ms=5000, hint="_id_")
    ),
    "explain": lambda db: db.c.find({"text": "x"}).explain(),
    "aggregate_in_batches": lambda db: list(db.c.aggregate([], batchSize=3, comment="why")),
    "aggregate_out": lambda db: db.c.aggregate([{"$out": "d"}]),
    "aggregate_and_close": lambda db: db.c.aggregate([], batchSize=3).close(),
    "estimated_document_count": lambda db: db.c.estimated_document_count(comment="why"),
    "list_indexes": lambda db: list(db.c.list_indexes(comment="why")),
    "create_indexes": lambda db: db.c.create_indexes([IndexModel("n"), IndexModel([("m", -1)])]),
    "drop_index": lambda db: db.c.drop_index("text_1"),
    "drop_indexes": lambda db: db.c.drop_indexes(),
    "options": lambda db: db.c.options(),
    "rename": lambda db: db.c.rename("e", dropTarget=True),
    "create_collection": lambda db: db.create_collection("f", capped=True, size=4096),
    "create_the_same_collection": lambda db: db.create_collection("c"),
    "list_collections": lambda db: list(db.list_collections(comment="why")),
    "list_collection_names": lambda db: db.list_collection_names(filter={"name": "c"}),
    "drop_collection": lambda db: db.drop_collection("c", comment="why"),
    "drop_what_is_not_there": lambda db: db.drop_collection("nothing"),
    "drop_an_index_of_nothing": lambda db: db.nothing.drop_index("x"),
    "an_error_that_is_allowed": lambda db: db.command("nope", allowable_errors=[59]),
    "a_message_that_is_allowed": lambda db: db.command("nope", allowable_errors=["no such"]),
    "an_error_that_is_not_checked": lambda db: db.command("nope", check=False),
    "validate_collection": lambda db: db.validate_collection("c"),
    "dereference": lambda db: db.dereference(DBRef("c", 1)),
    "database_aggregate": lambda db: list(db.aggregate([{"$documents": [{"a": 1}]}])),
    "cursor_command": lambda db: list(db.cursor_command("find", "c", batchSize=3)),
    "a_command_from_anywhere": lambda db: db.command(
        "count", "c", read_preference=ReadPreference.NEAREST
    ),
    "list_databases": lambda db: list(db.client.list_databases(nameOnly=True)),
    "list_database_names": lambda db: db.client.list_database_names(comment="why"),
    "server_info": lambda db: db.client.server_info(),
    "replace_with_options": lambda db: db.c.replace_one(
        {"_id": 2}, {"n": 3}, upsert=True, hint="_id_", let={"v": 1}, comment="why"
    ),
    "update_with_options": lambda db: db.c.update_many(
        {}, {"$set": {"a.$[i]": 3}}, array_filters=[{"i": 1}], collation=Collation("en")
    ),
    "update_unacknowledged": lambda db: db.get_collection(
        "c", write_concern=WriteConcern(w=0)
    ).update_one({"_id": 1}, {"$set": {"n": 1}}),
    "delete_with_options": lambda db: db.c.delete_one({"_id": 3}, hint="_id_", comment="why"),
    "write_concerns": lambda db: db.get_collection(
        "c", write_concern=WriteConcern(w="majority", wtimeout=5000)
    ).insert_one({"_id": 102}),
    "find_one_and_delete": lambda db: db.c.find_one_and_delete(
        {"_id": 4}, {"text": 0}, sort=[("_id", 1)], comment="why"
    ),
    "find_one_and_replace": lambda db: db.c.find_one_and_replace(
        {"_id": 4}, {"n": 1}, upsert=True, return_document=ReturnDocument.AFTER
    ),
    "drop": lambda db: db.c.drop(),
    "a_command_that_fails": lambda db: db.command("nope"),
    "a_bad_filter": lambda db: db.c.find_one({"$nope": 1}),
}


def next_and_close(cursor: Any) -> None:
    next(cursor)
    cursor.close()


@pytest.fixture
def seed(reference: pymongo.MongoClient[dict[str, Any]]) -> Iterator[Callable[[], None]]:
    """Have the same documents before each run."""

    def sow() -> None:
        reference.drop_database(DB)
        insert_a_few(reference[DB])

    yield sow
    reference.drop_database(DB)


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_are_told_as_pymongo_tells_them(
    name: str, seed: Callable[[], None], mongo_uri: str
) -> None:
    action = COMMANDS[name]
    seed()
    expected = told(pymongo.MongoClient, mongo_uri, action, "commands")
    seed()
    assert told(MongoClient, mongo_uri, action, "commands") == expected


@pytest.mark.parametrize("name", ["insert_one", "find_in_batches", "a_command_that_fails"])
def test_connections_are_told_of_as_pymongo_tells_of_them(
    name: str, seed: Callable[[], None], mongo_uri: str
) -> None:
    kinds = ("commands", "pools")
    seed()
    expected = told(pymongo.MongoClient, mongo_uri, COMMANDS[name], *kinds)
    seed()
    assert told(MongoClient, mongo_uri, COMMANDS[name], *kinds) == expected


def test_the_deployment_is_told_of_as_pymongo_tells_of_it(mongo_uri: str) -> None:
    def nothing(db: Any) -> None:
        return

    kinds = ("topologies", "servers")
    expected = told(pymongo.MongoClient, mongo_uri, nothing, *kinds)
    actual = told(MongoClient, mongo_uri, nothing, *kinds)
    # PyMongo forgets what it knew before it tells that it closes; we tell it once.
    servers = ("ServerDescriptionChangedEvent", "TopologyDescriptionChangedEvent")
    assert [each for each in actual if each[0] not in servers] == [
        each for each in expected if each[0] not in servers
    ]
    known = [event for event in actual if event[0] == "TopologyDescriptionChangedEvent"]
    assert (
        known[:2]
        == [event for event in expected if event[0] == "TopologyDescriptionChangedEvent"][:2]
    )
    assert known[-1][1]["new_description"] == ("Unknown", [])


def test_a_lost_connection_is_told_of(deployment: Deployment) -> None:
    """With the specification's order; PyMongo tells that it closed before it takes it back."""
    recorder = Recorder("commands", "pools")
    fail = {
        "configureFailPoint": "failCommand",
        "mode": {"times": 1},
        "data": {"failCommands": ["find"], "closeConnection": True, "appName": "events"},
    }
    listeners = recorder.listeners
    opened: MongoClient[dict[str, Any]] = MongoClient(
        deployment.uri, appname="events", event_listeners=listeners, retryReads=False
    )
    with opened as client:
        client.admin.command(fail)
        recorder.events.clear()
        with pytest.raises(PyMongoError):
            client[DB].c.find_one()
        # Later on, a check finds that the server is well.
        names = recorder.names
        assert [each for each in names if each.startswith("Command")] == [
            "CommandStarted",
            "CommandFailed",
        ]
        assert [each for each in names if not each.startswith("Command")][:5] == [
            "ConnectionCheckOutStarted",
            "ConnectionCheckedOut",
            "PoolCleared",
            "ConnectionCheckedIn",
            "ConnectionClosed",
        ]
        (closed,) = recorder.of(monitoring.ConnectionClosedEvent)
        assert closed.reason == "error"
