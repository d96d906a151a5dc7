"""Sessions, through every door: options, order, who may use one, and what is left of it."""

from __future__ import annotations

import copy
import gc
from collections.abc import Callable
from typing import Any

import pymongo
import pytest
from bson.timestamp import Timestamp
from pymongo.errors import ConfigurationError, InvalidOperation
from pymongo.monitoring import CommandListener, CommandStartedEvent
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from greenmongo import MongoClient
from greenmongo.client_session import SessionOptions, TransactionOptions
from greenmongo.errors import MisuseError

pytestmark = pytest.mark.live

Make = Callable[..., MongoClient[dict[str, Any]]]


class Sent(CommandListener):
    """Keeps the commands that were sent."""

    def __init__(self) -> None:
        self.commands: list[Any] = []

    def started(self, event: CommandStartedEvent) -> None:
        self.commands.append(event.command)

    def succeeded(self, event: object) -> None:
        return

    def failed(self, event: object) -> None:
        return

    def named(self, name: str) -> list[Any]:
        return [command for command in self.commands if name in command]


@pytest.fixture
def sent() -> Sent:
    return Sent()


@pytest.fixture
def watched(make_client: Make, sent: Sent, db: Any) -> Any:
    """A database whose commands can be seen; it is emptied with `db`."""
    return make_client(event_listeners=[sent]).get_database(db.name)


def test_a_session_sends_its_id_with_every_command(watched: Any, sent: Sent) -> None:
    with watched.client.start_session() as session:
        watched.c.insert_one({"_id": 1}, session=session)
        watched.c.find_one(session=session)
        watched.command("ping", session=session)
        assert [command["lsid"] for command in sent.commands] == [session.session_id] * 3


def test_a_batch_that_follows_runs_in_the_cursors_session(watched: Any, sent: Sent) -> None:
    watched.c.insert_many([{} for _ in range(5)])
    with watched.client.start_session() as session:
        cursor = watched.c.find(session=session, batch_size=2)
        assert len(cursor.to_list()) == 5
        assert {command["lsid"]["id"] for command in sent.named("getMore")} == {
            session.session_id["id"]
        }


def test_sessions_prose_01_the_pool_is_a_stack(
    client: MongoClient[dict[str, Any]], db: Any
) -> None:
    db.command("ping")
    first, second = client.start_session(), client.start_session()
    ids = [first.session_id, second.session_id]
    first.end_session()
    second.end_session()
    with client.start_session() as third, client.start_session() as fourth:
        assert [third.session_id, fourth.session_id] == ids[::-1]


def test_sessions_prose_02_the_cluster_time_is_sent_with_every_command(
    watched: Any, sent: Sent
) -> None:
    watched.command("ping")
    watched.command("ping")
    watched.c.aggregate([]).to_list()
    watched.c.find().to_list()
    watched.c.insert_one({})
    assert all("$clusterTime" in command for command in sent.commands[1:])


def test_sessions_prose_03_the_session_given_is_the_one_that_is_sent(
    watched: Any, sent: Sent
) -> None:
    with watched.client.start_session() as session:
        watched.c.insert_one({}, session=session)
        watched.c.count_documents({}, session=session)
        watched.c.drop(session=session)
        assert all(command["lsid"] == session.session_id for command in sent.commands)


def test_sessions_prose_04_a_session_of_another_client_is_refused(
    make_client: Make, db: Any, watched: Any, sent: Sent
) -> None:
    with db.client.start_session() as session, pytest.raises(MisuseError, match="MongoClient that"):
        watched.c.find_one(session=session)
    assert sent.commands == []


def test_sessions_prose_06_a_session_that_has_ended_is_refused(watched: Any, sent: Sent) -> None:
    session = watched.client.start_session()
    session.end_session()
    session.end_session()
    assert session.has_ended
    with pytest.raises(InvalidOperation, match="Cannot use ended session"):
        watched.c.insert_one({}, session=session)
    with pytest.raises(InvalidOperation, match="Cannot use ended session"):
        session.start_transaction()
    with pytest.raises(InvalidOperation, match="Cannot use ended session"):
        session.session_id  # noqa: B018
    assert sent.commands == []


def test_a_session_that_is_dropped_gives_its_server_session_back(
    client: MongoClient[dict[str, Any]], db: Any, eventually: Callable[[Any], None]
) -> None:
    session = client.start_session()
    db.c.find_one(session=session)
    known = session.session_id
    del session
    others: list[Any] = []

    def is_back() -> bool:
        gc.collect()
        # Kept, or the next one would be that which this one gives back.
        others.append(client.start_session())
        return bool(others[-1].session_id == known)

    eventually(is_back)


def test_a_session_remembers_when_it_last_read_and_reads_no_earlier_state(
    watched: Any, sent: Sent
) -> None:
    with watched.client.start_session() as session:
        assert session.operation_time is None
        watched.c.insert_one({"_id": 1}, session=session)
        time = session.operation_time
        assert isinstance(time, Timestamp)
        watched.c.find_one(session=session)
        assert sent.named("find")[0]["readConcern"] == {"afterClusterTime": time}
        assert session.cluster_time["clusterTime"] >= time


def test_a_session_that_is_not_causally_consistent_reads_what_there_is(
    watched: Any, sent: Sent
) -> None:
    with watched.client.start_session(causal_consistency=False) as session:
        watched.c.insert_one({"_id": 1}, session=session)
        watched.c.find_one(session=session)
    assert "readConcern" not in sent.named("find")[0]


def test_a_session_goes_on_from_anothers_time(watched: Any, sent: Sent) -> None:
    client = watched.client
    with client.start_session() as first, client.start_session() as second:
        watched.c.insert_one({"_id": 1}, session=first)
        second.advance_cluster_time(first.cluster_time)
        second.advance_operation_time(first.operation_time)
        watched.c.find_one(session=second)
        assert sent.named("find")[0]["readConcern"] == {"afterClusterTime": first.operation_time}


def test_times_of_other_types_are_refused(client: MongoClient[dict[str, Any]]) -> None:
    wrong: Any = 1
    with client.start_session() as session:
        with pytest.raises(TypeError, match="cluster_time must be a subclass of"):
            session.advance_cluster_time(wrong)
        with pytest.raises(TypeError, match="Invalid cluster_time"):
            session.advance_cluster_time({})
        with pytest.raises(TypeError, match="operation_time must be an instance"):
            session.advance_operation_time(wrong)


def test_a_snapshot_session_reads_as_of_its_first_read(client: Any, db: Any) -> None:
    db.c.with_options(write_concern=WriteConcern("majority")).insert_one({"_id": 1})
    with client.start_session(snapshot=True) as session:
        assert db.c.count_documents({}, session=session) == 1
        db.c.insert_one({"_id": 2})
        assert db.c.count_documents({}, session=session) == 1
        with pytest.raises(InvalidOperation, match="not supported in snapshot sessions"):
            session.start_transaction()
    assert db.c.count_documents({}) == 2


def test_the_options_are_pymongos(client: MongoClient[dict[str, Any]]) -> None:
    defaults = TransactionOptions(ReadConcern("snapshot"), WriteConcern("majority"))
    with client.start_session(default_transaction_options=defaults) as session:
        assert isinstance(session.options, SessionOptions)
        assert session.options.default_transaction_options is defaults
        assert session.options.causal_consistency
        assert not session.options.snapshot
    with pytest.raises(ConfigurationError, match="snapshot reads do not support"):
        client.start_session(causal_consistency=True, snapshot=True)


def test_the_session_knows_its_client_and_cannot_be_copied(client: Any) -> None:
    with client.start_session() as session:
        assert session.client == client
        with pytest.raises(TypeError, match="cannot be copied"):
            copy.copy(getattr(session, "_it", session))


def test_what_a_bound_session_holds_runs_in_it(watched: Any, sent: Sent) -> None:
    watched.c.insert_many([{} for _ in range(3)])
    with watched.client.start_session() as session:
        with session.bind(end_session=False) as bound:
            assert bound == session
            watched.c.insert_one({})
            cursor = watched.c.find(batch_size=2)
            next(cursor)
        cursor.to_list()
        watched.command("ping")
        *inside, outside = [command["lsid"] == session.session_id for command in sent.commands[1:]]
        assert inside == [True] * len(inside)
        assert not outside
        assert sent.named("getMore")


def test_a_session_ends_with_the_block_it_is_bound_to(client: Any, db: Any) -> None:
    with client.start_session().bind() as session:
        db.c.find_one()
        assert session.operation_time is not None
    assert session.has_ended
    assert db.c.find_one() is None


def test_the_session_that_is_given_comes_before_the_bound_one(watched: Any, sent: Sent) -> None:
    client = watched.client
    with client.start_session() as other, client.start_session().bind():
        watched.c.find_one(session=other)
        assert sent.commands[0]["lsid"] == other.session_id


def test_another_clients_operations_are_refused_while_a_session_is_bound(
    client: Any, db: Any, watched: Any, sent: Sent
) -> None:
    with client.start_session().bind(), pytest.raises(InvalidOperation):
        watched.c.find_one()
    assert sent.commands == []


def test_an_unacknowledged_write_in_a_session_is_refused(client: Any, db: Any) -> None:
    unacknowledged = db.get_collection("c", write_concern=WriteConcern(w=0))
    with client.start_session() as session:
        with pytest.raises(ConfigurationError, match="Explicit sessions are incompatible"):
            unacknowledged.insert_one({}, session=session)
        with session.bind(), pytest.raises(ConfigurationError, match="Explicit sessions are"):
            unacknowledged.insert_one({})


def test_what_is_no_session_is_refused(db: Any, reference: pymongo.MongoClient[Any]) -> None:
    with reference.start_session() as theirs, pytest.raises(ValueError, match="ClientSession"):
        db.c.find_one(session=theirs)


def test_a_session_of_a_closed_client_can_be_ended(make_client: Make) -> None:
    client = make_client()
    session = client.start_session()
    client.get_database("test_live").c.find_one(session=session)
    session.start_transaction()
    client.get_database("test_live").c.find_one(session=session)
    client.close()
    session.end_session()
    assert session.has_ended
