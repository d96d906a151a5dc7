"""Transactions, through every door."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pymongo.errors import ConfigurationError, InvalidOperation, OperationFailure
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from greenmongo import MongoClient

pytestmark = pytest.mark.live

Doc = dict[str, Any]


@pytest.fixture
def c(db: Any) -> Any:
    """A collection that exists: to create one takes locks that a test would wait for."""
    db.create_collection("c")
    return db.c


@pytest.fixture
def session(client: MongoClient[Doc]) -> Any:
    return client.start_session()


def test_what_is_committed_is_seen_by_all(c: Any, session: Any) -> None:
    with session, session.start_transaction():
        c.insert_one({"_id": 1}, session=session)
        assert c.find_one(session=session) == {"_id": 1}
        assert c.find_one() is None
    assert c.find_one() == {"_id": 1}


def test_an_error_in_the_block_aborts_it(c: Any, session: Any) -> None:
    def fail() -> None:
        with session.start_transaction():
            c.insert_one({"_id": 1}, session=session)
            raise ZeroDivisionError

    with session:
        with pytest.raises(ZeroDivisionError):
            fail()
        assert not session.in_transaction
    assert c.find_one() is None


def test_the_end_of_a_session_aborts_its_transaction(c: Any, session: Any) -> None:
    with session:
        session.start_transaction()
        c.insert_one({"_id": 1}, session=session)
        assert session.in_transaction
    assert c.find_one() is None


def test_one_transaction_follows_another(c: Any, session: Any) -> None:
    with session:
        for number in range(3):
            with session.start_transaction():
                c.insert_one({"_id": number}, session=session)
    assert c.count_documents({}) == 3


def test_an_operation_after_the_end_is_in_none(c: Any, session: Any) -> None:
    with session:
        with session.start_transaction():
            c.insert_one({"_id": 1}, session=session)
        c.insert_one({"_id": 2}, session=session)
        with pytest.raises(InvalidOperation, match="No transaction started"):
            session.commit_transaction()
    assert c.count_documents({}) == 2


def test_a_commit_can_be_repeated(c: Any, session: Any) -> None:
    with session:
        session.start_transaction()
        c.insert_one({"_id": 1}, session=session)
        session.commit_transaction()
        session.commit_transaction()
        with pytest.raises(InvalidOperation, match="abortTransaction after calling commit"):
            session.abort_transaction()


def test_a_transaction_without_operations_is_nothing_to_the_server(session: Any) -> None:
    with session:
        session.start_transaction()
        with pytest.raises(InvalidOperation, match="Transaction already in progress"):
            session.start_transaction()
        session.commit_transaction()
        session.start_transaction()
        session.abort_transaction()
        with pytest.raises(InvalidOperation, match="Cannot call abortTransaction twice"):
            session.abort_transaction()


def test_a_write_conflict_has_a_label(c: Any, client: MongoClient[Doc]) -> None:
    c.insert_one({"_id": 1, "n": 0})
    with client.start_session() as first, client.start_session() as second:
        first.start_transaction()
        second.start_transaction()
        c.update_one({"_id": 1}, {"$inc": {"n": 1}}, session=first)
        with pytest.raises(OperationFailure) as caught:
            c.update_one({"_id": 1}, {"$inc": {"n": 1}}, session=second)
        assert caught.value.has_error_label("TransientTransactionError")
        second.abort_transaction()
        first.commit_transaction()
    assert c.find_one() == {"_id": 1, "n": 1}


def test_cursors_read_on_in_the_transaction(c: Any, session: Any) -> None:
    c.insert_many([{"_id": n} for n in range(10)])
    with session, session.start_transaction():
        c.delete_one({"_id": 9}, session=session)
        assert len(c.find(session=session, batch_size=3).to_list()) == 9
        assert len(list(c.aggregate([], session=session, batchSize=2))) == 9


def test_reads_are_from_the_primary(c: Any, session: Any) -> None:
    with session:
        session.start_transaction(read_preference=ReadPreference.SECONDARY)
        c.insert_one({"_id": 1}, session=session)
        with pytest.raises(InvalidOperation, match="transaction must be primary, not"):
            c.find_one(session=session)
        session.abort_transaction()
        session.start_transaction()
        away = c.with_options(read_preference=ReadPreference.SECONDARY)
        assert away.find_one(session=session) is None


def test_the_concerns_of_a_collection_are_of_no_account(c: Any, session: Any) -> None:
    unacknowledged = c.with_options(write_concern=WriteConcern(w=0))
    with session, session.start_transaction():
        assert unacknowledged.insert_one({"_id": 1}, session=session).acknowledged
        assert unacknowledged.update_one(
            {"_id": 1}, {"$set": {"n": 1}}, session=session
        ).acknowledged
        assert unacknowledged.delete_many({"_id": 2}, session=session).deleted_count == 0
        assert unacknowledged.insert_many([{"_id": 3}], session=session).acknowledged
    assert c.count_documents({}) == 2


def test_an_unacknowledged_transaction_is_refused(session: Any) -> None:
    with session:
        with pytest.raises(ConfigurationError, match="do not support unacknowledged write concern"):
            session.start_transaction(write_concern=WriteConcern(w=0))
        assert not session.in_transaction


def test_a_transaction_runs_in_a_request(c: Any, client: MongoClient[Doc], session: Any) -> None:
    with client.start_request() as request, session, session.start_transaction():
        c.insert_one({"_id": 1}, session=session)
        number = request.connection_id
        c.find_one(session=session)
        assert request.connection_id == number
    assert c.count_documents({}) == 1


@pytest.fixture
def blocking(client_door: str) -> None:
    if client_door not in {"thread", "greenlet"}:
        pytest.skip("the callback is a coroutine function")


@pytest.mark.usefixtures("blocking")
def test_a_function_is_run_in_a_transaction(c: Any, session: Any) -> None:
    def work(given: Any) -> str:
        assert given is session
        c.insert_one({"_id": 1}, session=given)
        return "done"

    with session:
        assert session.with_transaction(work) == "done"
    assert c.count_documents({}) == 1


@pytest.mark.usefixtures("blocking")
def test_a_function_is_run_again_after_a_write_conflict(
    c: Any, client: MongoClient[Doc], session: Any
) -> None:
    c.insert_one({"_id": 1, "n": 0})
    other = client.start_session()
    other.start_transaction()
    c.update_one({"_id": 1}, {"$inc": {"n": 1}}, session=other)
    calls: list[int] = []

    def work(given: Any) -> None:
        calls.append(1)
        if len(calls) == 3:
            other.commit_transaction()
        c.update_one({"_id": 1}, {"$inc": {"n": 1}}, session=given)

    with session, other:
        session.with_transaction(work)
    assert len(calls) >= 3
    assert c.find_one() == {"_id": 1, "n": 2}


@pytest.mark.usefixtures("blocking")
@pytest.mark.parametrize("end", ["commit_transaction", "abort_transaction"])
def test_a_function_may_end_its_transaction_itself(c: Any, session: Any, end: str) -> None:
    def work(given: Any) -> None:
        c.insert_one({"_id": 1}, session=given)
        getattr(given, end)()

    with session:
        session.with_transaction(work)
    assert c.count_documents({}) == (end == "commit_transaction")


@pytest.mark.usefixtures("blocking")
def test_convenient_api_prose_01_callback_raises_a_custom_error(c: Any, session: Any) -> None:
    class Oops(Exception):
        pass

    def work(given: Any) -> None:
        c.insert_one({"_id": 1}, session=given)
        raise Oops

    with session, pytest.raises(Oops):
        session.with_transaction(work)
    assert c.count_documents({}) == 0


@pytest.mark.usefixtures("blocking")
def test_convenient_api_prose_02_callback_returns_a_value(session: Any) -> None:
    with session:
        work: Callable[[Any], str] = lambda _: "Foo"  # noqa: E731
        assert session.with_transaction(work) == "Foo"
