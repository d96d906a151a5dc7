"""The prose tests of Driver Sessions that go through many methods, and of Causal Consistency."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pymongo
import pytest
from pymongo.errors import ConfigurationError, InvalidOperation, OperationFailure, PyMongoError
from pymongo.monitoring import CommandStartedEvent, CommandSucceededEvent
from pymongo.operations import IndexModel, InsertOne
from pymongo.read_concern import ReadConcern

from greenmongo import MongoClient
from greenmongo.embedded import MongoServer
from tests.support.listeners import Recorder

pytestmark = pytest.mark.live

NAME = "test_prose_sessions"

Use = Callable[[Any, Any], Any]

READS: dict[str, Use] = {
    "find": lambda c, s: list(c.find(session=s)),
    "find_one": lambda c, s: c.find_one(session=s),
    "aggregate": lambda c, s: list(c.aggregate([], session=s)),
    "count_documents": lambda c, s: c.count_documents({}, session=s),
    "distinct": lambda c, s: c.distinct("x", session=s),
    "find_raw_batches": lambda c, s: list(c.find_raw_batches(session=s)),
}
WRITES: dict[str, Use] = {
    "insert_one": lambda c, s: c.insert_one({}, session=s),
    "insert_many": lambda c, s: c.insert_many([{}, {}], session=s),
    "bulk_write": lambda c, s: c.bulk_write([InsertOne({})], session=s),
    "replace_one": lambda c, s: c.replace_one({}, {}, session=s),
    "update_one": lambda c, s: c.update_one({}, {"$set": {"x": 1}}, session=s),
    "update_many": lambda c, s: c.update_many({}, {"$set": {"x": 1}}, session=s),
    "delete_one": lambda c, s: c.delete_one({}, session=s),
    "delete_many": lambda c, s: c.delete_many({}, session=s),
    "find_one_and_delete": lambda c, s: c.find_one_and_delete({}, session=s),
    "find_one_and_replace": lambda c, s: c.find_one_and_replace({}, {}, session=s),
    "find_one_and_update": lambda c, s: c.find_one_and_update({}, {"$set": {"x": 1}}, session=s),
    "create_index": lambda c, s: c.create_index("x", session=s),
    "create_indexes": lambda c, s: c.create_indexes([IndexModel("x")], session=s),
    "drop_indexes": lambda c, s: c.drop_indexes(session=s),
    "drop": lambda c, s: c.drop(session=s),
}
OTHERS: dict[str, Use] = {
    "list_indexes": lambda c, s: list(c.list_indexes(session=s)),
    "index_information": lambda c, s: c.index_information(session=s),
    "options": lambda c, s: c.options(session=s),
    "rename": lambda c, s: c.rename("d", session=s),
    "watch": lambda c, s: c.watch(session=s).close(),
    "command": lambda c, s: c.database.command("ping", session=s),
    "cursor_command": lambda c, s: list(c.database.cursor_command("find", "c", session=s)),
    "create_collection": lambda c, s: c.database.create_collection("d", session=s),
    "list_collections": lambda c, s: list(c.database.list_collections(session=s)),
    "list_collection_names": lambda c, s: c.database.list_collection_names(session=s),
    "drop_collection": lambda c, s: c.database.drop_collection("d", session=s),
    "validate_collection": lambda c, s: c.database.validate_collection("c", session=s),
    "list_databases": lambda c, s: list(c.database.client.list_databases(session=s)),
    "list_database_names": lambda c, s: c.database.client.list_database_names(session=s),
    "drop_database": lambda c, s: c.database.client.drop_database("nobody", session=s),
}
ALL = {**READS, **WRITES, **OTHERS}


@pytest.fixture
def seen() -> Recorder:
    return Recorder("commands")


@pytest.fixture
def watched(mongo_uri: str, seen: Recorder, reference: pymongo.MongoClient[Any]) -> Iterator[Any]:
    """A collection whose commands can be seen. Other doors borrow these methods."""
    with MongoClient[Any](mongo_uri, event_listeners=seen.listeners) as client:
        yield client[NAME].c
    reference.drop_database(NAME)


@pytest.fixture
def client(watched: Any) -> MongoClient[Any]:
    found: MongoClient[Any] = watched.database.client
    return found


def last_sent(seen: Recorder) -> Any:
    return seen.of(CommandStartedEvent)[-1].command


def read_after(seen: Recorder) -> Any:
    """Return the time after which the last command reads."""
    return last_sent(seen).get("readConcern", {}).get("afterClusterTime")


@pytest.mark.parametrize("method", ALL)
def test_sessions_prose_05_a_session_of_another_client_is_refused(
    mongo_uri: str, watched: Any, seen: Recorder, method: str
) -> None:
    with (
        MongoClient[Any](mongo_uri) as another,
        another.start_session() as session,
        pytest.raises(InvalidOperation, match="MongoClient"),
    ):
        ALL[method](watched, session)
    assert not seen.of(CommandStartedEvent)


@pytest.mark.parametrize("method", ALL)
def test_sessions_prose_06_a_session_that_has_ended_is_refused_everywhere(
    watched: Any, seen: Recorder, method: str
) -> None:
    with watched.database.client.start_session() as session:
        pass
    with pytest.raises(InvalidOperation, match="ended"):
        ALL[method](watched, session)
    assert not seen.of(CommandStartedEvent)


def test_sessions_prose_21_a_snapshot_time_needs_a_snapshot_session(
    client: MongoClient[Any], watched: Any
) -> None:
    with client.start_session(snapshot=True) as session:
        watched.insert_one({})
        watched.find_one(session=session)
        then = session.snapshot_time
    assert then is not None
    with pytest.raises(ConfigurationError, match="snapshot"):
        client.start_session(snapshot=False, snapshot_time=then)


def test_sessions_prose_22_other_sessions_have_no_snapshot_time(client: MongoClient[Any]) -> None:
    with client.start_session() as session, pytest.raises(InvalidOperation, match="snapshot"):
        assert session.snapshot_time


def test_sessions_prose_23_the_snapshot_time_cannot_be_set(client: MongoClient[Any]) -> None:
    with client.start_session(snapshot=True) as session:
        with pytest.raises(AttributeError):
            setattr(session, "snapshot_time", None)  # noqa: B010 # the type checkers know it
        assert session.snapshot_time is None


# ---- Causal Consistency, "Test Plan"; 10 was removed ----------------------------------------


def test_causal_consistency_prose_01_a_new_session_has_no_time(client: MongoClient[Any]) -> None:
    with client.start_session() as session:
        assert session.operation_time is None


def test_causal_consistency_prose_02_the_first_read_is_after_nothing(
    watched: Any, seen: Recorder
) -> None:
    with watched.database.client.start_session(causal_consistency=True) as session:
        watched.find_one(session=session)
    assert read_after(seen) is None


@pytest.mark.parametrize("is_causal", [True, False])
def test_causal_consistency_prose_03_each_reply_has_the_sessions_time(
    watched: Any, seen: Recorder, is_causal: bool
) -> None:
    with watched.database.client.start_session(causal_consistency=is_causal) as session:
        watched.find_one(session=session)
        (told,) = seen.of(CommandSucceededEvent)
        assert session.operation_time == told.reply["operationTime"]
        watched.insert_one({"_id": 1})
        with pytest.raises(OperationFailure) as caught:
            watched.database.command("find", "c", filter={"$no": 1}, session=session)
        details = caught.value.details
        assert details is not None
        assert session.operation_time == details["operationTime"]


@pytest.mark.parametrize("method", READS)
def test_causal_consistency_prose_04_a_read_is_after_the_read_before(
    watched: Any, seen: Recorder, method: str
) -> None:
    with watched.database.client.start_session(causal_consistency=True) as session:
        watched.find_one(session=session)
        then = session.operation_time
        READS[method](watched, session)
    assert then is not None
    assert read_after(seen) == then


@pytest.mark.parametrize("method", WRITES)
def test_causal_consistency_prose_05_a_read_is_after_the_write_before(
    watched: Any, seen: Recorder, method: str
) -> None:
    watched.insert_one({"_id": 1})
    with watched.database.client.start_session(causal_consistency=True) as session:
        WRITES[method](watched, session)
        then = session.operation_time
        watched.find_one(session=session)
    assert then is not None
    assert read_after(seen) == then


def test_causal_consistency_prose_05_a_read_is_after_a_write_that_failed(
    watched: Any, seen: Recorder
) -> None:
    watched.insert_one({"_id": 1})
    with watched.database.client.start_session(causal_consistency=True) as session:
        with pytest.raises(PyMongoError):
            watched.insert_one({"_id": 1}, session=session)
        then = session.operation_time
        watched.find_one(session=session)
    assert then is not None
    assert read_after(seen) == then


@pytest.mark.parametrize("method", READS)
def test_causal_consistency_prose_06_other_sessions_read_after_nothing(
    watched: Any, seen: Recorder, method: str
) -> None:
    with watched.database.client.start_session(causal_consistency=False) as session:
        watched.find_one(session=session)
        READS[method](watched, session)
    assert read_after(seen) is None


def test_causal_consistency_prose_07_and_11_a_standalone_server_has_no_cluster_time(
    standalone: MongoServer, seen: Recorder
) -> None:
    with (
        MongoClient[Any](standalone.uri, event_listeners=seen.listeners) as client,
        client.start_session(causal_consistency=True) as session,
    ):
        for _ in range(2):
            client.test.c.find_one(session=session)
        assert read_after(seen) is None
        assert all("$clusterTime" not in each.command for each in seen.of(CommandStartedEvent))


def test_causal_consistency_prose_08_the_servers_own_read_concern_has_no_level(
    watched: Any, seen: Recorder
) -> None:
    with watched.database.client.start_session(causal_consistency=True) as session:
        watched.find_one(session=session)
        then = session.operation_time
        watched.find_one(session=session)
    assert last_sent(seen)["readConcern"] == {"afterClusterTime": then}


def test_causal_consistency_prose_09_another_read_concern_goes_along(
    watched: Any, seen: Recorder
) -> None:
    collection = watched.with_options(read_concern=ReadConcern("majority"))
    with watched.database.client.start_session(causal_consistency=True) as session:
        collection.find_one(session=session)
        then = session.operation_time
        collection.find_one(session=session)
    assert last_sent(seen)["readConcern"] == {"level": "majority", "afterClusterTime": then}


def test_causal_consistency_prose_12_the_cluster_time_is_sent(watched: Any, seen: Recorder) -> None:
    watched.database.command("ping")
    watched.find_one()
    assert "$clusterTime" in last_sent(seen)
