from __future__ import annotations

from typing import Any

import pytest
from bson.binary import UUID_SUBTYPE, Binary
from bson.int64 import Int64
from bson.timestamp import Timestamp
from pymongo.errors import (
    AutoReconnect,
    ExecutionTimeout,
    InvalidOperation,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WriteConcernError,
    WTimeoutError,
)
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import Primary, Secondary
from pymongo.write_concern import WriteConcern

from greenmongo._core.command import Command, Retryability
from greenmongo._core.pool_rules import PoolCleared
from greenmongo._core.sessions.client_session import SessionOptions, SessionState
from greenmongo._core.sessions.command_fields import (
    absorb_abandonment,
    absorb_error,
    absorb_reply,
    add_session_fields,
    check_in_transaction,
    label_transaction_error,
    unpins,
)
from greenmongo._core.sessions.server_session import ServerSession
from greenmongo._core.sessions.transaction import (
    Transaction,
    TransactionEvent,
    TransactionOptions,
    TransactionState,
)
from greenmongo._core.types import Document

NOW = {"clusterTime": Timestamp(9, 1)}
TRANSIENT, UNKNOWN = "TransientTransactionError", "UnknownTransactionCommitResult"
OVERLOADED = ["SystemOverloadedError", "RetryableError"]


def command_of(body: Document, **more: Any) -> Command:
    return Command(next(iter(body)), body, "db", **more)


def implicit() -> SessionState:
    return SessionState(ServerSession(Binary(bytes(16), UUID_SUBTYPE), 0.0))


def explicit(**options: Any) -> SessionState:
    return SessionState.of_explicit(
        implicit().server_session, SessionOptions.of_explicit(**options)
    )


def transaction_of(session: SessionState) -> Transaction:
    assert session.transaction is not None
    return session.transaction


def in_transaction(
    state: TransactionState = TransactionState.IN_PROGRESS, **options: Any
) -> SessionState:
    session = explicit()
    session.start_transaction(TransactionOptions(**options))
    transaction_of(session).state = state
    return session


def fields(
    session: SessionState,
    body: Document,
    *,
    txn_number: int | None = None,
    cluster_time: Document | None = NOW,
    **command: Any,
) -> Document:
    """Return what was added to a body, and what of it was changed."""
    sent = dict(body)
    add_session_fields(
        sent,
        command_of(body, **command),
        session,
        txn_number=txn_number,
        cluster_time=cluster_time,
    )
    assert sent.pop("lsid") == session.server_session.lsid
    sent.pop("$clusterTime", None)
    return {name: value for name, value in sent.items() if body.get(name) != value}


# ---- outside of transactions ----------------------------------------------------------------


def test_an_implicit_session_adds_its_id_the_number_of_a_write_and_the_time() -> None:
    body: Document = {"insert": "c"}
    session = implicit()
    add_session_fields(body, command_of({"insert": "c"}), session, txn_number=4, cluster_time=NOW)
    assert body == {
        "insert": "c",
        "lsid": session.server_session.lsid,
        "txnNumber": Int64(4),
        "$clusterTime": NOW,
    }
    assert type(body["txnNumber"]) is Int64


@pytest.mark.parametrize(("own", "is_own_sent"), [(10, True), (8, False)])
def test_the_higher_of_the_two_cluster_times_is_sent(own: int, is_own_sent: bool) -> None:
    session = explicit()
    time = {"clusterTime": Timestamp(own, 1)}
    session.advance_cluster_time(time)
    body: Document = {}
    add_session_fields(body, command_of({"ping": 1}), session, txn_number=None, cluster_time=NOW)
    assert body["$clusterTime"] == (time if is_own_sent else NOW)


def test_an_operation_of_a_causal_session_comes_after_the_one_before() -> None:
    session = explicit()
    assert fields(session, {"find": "c"}, reads_after=True) == {}
    session.advance_operation_time(Timestamp(7, 2))
    added = {"readConcern": {"afterClusterTime": Timestamp(7, 2)}}
    assert fields(session, {"find": "c"}, reads_after=True) == added


def test_the_level_of_a_read_concern_is_kept_and_the_command_left_alone() -> None:
    session = explicit()
    session.advance_operation_time(Timestamp(7, 2))
    concern = {"level": "majority"}
    body = {"find": "c", "readConcern": concern}
    assert fields(session, body, reads_after=True)["readConcern"] == {
        "level": "majority",
        "afterClusterTime": Timestamp(7, 2),
    }
    assert concern == {"level": "majority"}


def test_commands_without_a_read_concern_of_the_drivers_get_no_time() -> None:
    session = explicit()
    session.advance_operation_time(Timestamp(7, 2))
    assert fields(session, {"listCollections": 1}) == {}


def test_a_deployment_without_cluster_times_gets_no_time() -> None:
    session = explicit()
    session.advance_operation_time(Timestamp(7, 2))
    assert fields(session, {"find": "c"}, cluster_time=None, reads_after=True) == {}


def test_a_session_that_is_not_causal_adds_no_time() -> None:
    session = explicit(causal_consistency=False)
    session.advance_operation_time(Timestamp(7, 2))
    assert fields(session, {"find": "c"}, reads_after=True) == {}


@pytest.mark.parametrize("place", ["cursor", "top"])
def test_a_snapshot_session_reads_as_of_its_first_read(place: str) -> None:
    session = explicit(snapshot=True)
    assert fields(session, {"find": "c"})["readConcern"] == {"level": "snapshot"}
    for time in (Timestamp(3, 1), Timestamp(4, 1)):
        seen: Document = {"atClusterTime": time}
        absorb_reply(session, {"ok": 1.0, "cursor": seen} if place == "cursor" else seen)
    assert fields(session, {"insert": "c"})["readConcern"] == {
        "level": "snapshot",
        "atClusterTime": Timestamp(3, 1),
    }
    assert fields(session, {"getMore": 1}, address=("h", 1)) == {}


# ---- commands of transactions ---------------------------------------------------------------


def test_the_first_command_starts_the_transaction_with_its_read_concern_alone() -> None:
    session = in_transaction(TransactionState.STARTING, read_concern=ReadConcern("snapshot"))
    session.advance_operation_time(Timestamp(7, 2))
    body = {"insert": "c", "readConcern": {"level": "local"}, "writeConcern": {"w": 2}}
    sent = dict(body)
    add_session_fields(sent, command_of(body), session, txn_number=None, cluster_time=NOW)
    assert sent == {
        "insert": "c",
        "lsid": session.server_session.lsid,
        "$clusterTime": NOW,
        "txnNumber": Int64(1),
        "autocommit": False,
        "startTransaction": True,
        "readConcern": {"level": "snapshot", "afterClusterTime": Timestamp(7, 2)},
    }


def test_other_commands_carry_the_number_and_no_concern() -> None:
    session = in_transaction(read_concern=ReadConcern("snapshot"), write_concern=WriteConcern(2))
    session.advance_operation_time(Timestamp(7, 2))
    body: Document = {"find": "c", "readConcern": {"level": "local"}}
    add_session_fields(body, command_of(body), session, txn_number=None, cluster_time=NOW)
    assert "readConcern" not in body
    assert "startTransaction" not in body
    assert (body["txnNumber"], body["autocommit"]) == (Int64(1), False)


def test_the_end_of_a_transaction_has_its_write_concern_and_the_recovery_token() -> None:
    session = in_transaction(write_concern=WriteConcern(2))
    absorb_reply(session, {"ok": 1.0, "recoveryToken": {"shard": 1}})
    transaction_of(session).apply(TransactionEvent.COMMIT)
    expected = {
        "txnNumber": Int64(1),
        "autocommit": False,
        "writeConcern": {"w": 2},
        "recoveryToken": {"shard": 1},
    }
    assert fields(session, {"commitTransaction": 1}) == expected
    absorb_error(session, AutoReconnect("gone"))
    assert fields(session, {"commitTransaction": 1}) == {
        **expected,
        "writeConcern": {"w": "majority", "wtimeout": 10_000},
    }


def test_a_commit_that_an_overloaded_server_refused_is_sent_as_before() -> None:
    session = in_transaction(write_concern=WriteConcern(2))
    transaction_of(session).apply(TransactionEvent.COMMIT)
    absorb_reply(session, {"ok": 0.0, "errorLabels": OVERLOADED})
    assert fields(session, {"commitTransaction": 1})["writeConcern"] == {"w": 2}


def test_an_operation_after_a_commit_has_nothing_of_the_transaction() -> None:
    session = in_transaction(TransactionState.COMMITTED)
    transaction_of(session).apply(TransactionEvent.OPERATION)
    assert fields(session, {"ping": 1}) == {}


def test_reads_in_a_transaction_go_to_the_primary() -> None:
    session = in_transaction(read_preference=Secondary())
    with pytest.raises(InvalidOperation, match="read preference in a transaction must be primary"):
        check_in_transaction(command_of({"find": "c"}, read_preference=Primary()), session)
    check_in_transaction(command_of({"insert": "c"}, is_write=True), session)
    transaction_of(session).state = TransactionState.NONE
    check_in_transaction(command_of({"find": "c"}, read_preference=Secondary()), session)


def test_the_read_preference_of_a_transaction_comes_before_that_of_a_collection() -> None:
    session = in_transaction(read_preference=Primary())
    check_in_transaction(command_of({"find": "c"}, read_preference=Secondary()), session)


def test_a_callers_command_cannot_bring_a_read_concern_into_a_transaction() -> None:
    command = command_of({"find": "c", "readConcern": {}}, retry=Retryability.UNKNOWN)
    with pytest.raises(InvalidOperation, match="Cannot set read concern after starting"):
        check_in_transaction(command, in_transaction(TransactionState.STARTING))


# ---- replies --------------------------------------------------------------------------------


@pytest.mark.parametrize("ok", [1.0, 0.0])
def test_a_reply_tells_the_times_even_if_it_is_an_error(ok: float) -> None:
    session = explicit()
    absorb_reply(session, {"ok": ok, "operationTime": Timestamp(5, 1), "$clusterTime": NOW})
    assert session.operation_time == Timestamp(5, 1)
    assert session.cluster_time == NOW


@pytest.mark.parametrize("reply", [{"ok": 1.0}, {"ok": 0.0, "errorLabels": [TRANSIENT]}])
def test_the_first_reply_brings_a_transaction_under_way(reply: Document) -> None:
    session = in_transaction(TransactionState.STARTING)
    absorb_reply(session, reply)
    assert transaction_of(session).state is TransactionState.IN_PROGRESS


def test_a_first_command_that_an_overloaded_server_refused_is_still_to_come() -> None:
    session = in_transaction(TransactionState.STARTING)
    absorb_reply(session, {"ok": 0.0, "errorLabels": OVERLOADED})
    assert transaction_of(session).state is TransactionState.STARTING


def test_only_a_success_brings_a_recovery_token() -> None:
    session = in_transaction()
    absorb_reply(session, {"ok": 0.0, "recoveryToken": {"shard": 1}})
    assert transaction_of(session).recovery_token is None


# ---- errors ---------------------------------------------------------------------------------


def test_a_network_error_makes_the_session_dirty_and_the_transaction_known() -> None:
    session = in_transaction(TransactionState.STARTING)
    absorb_error(session, AutoReconnect("gone"))
    assert session.server_session.is_dirty
    assert transaction_of(session).state is TransactionState.IN_PROGRESS


def test_an_error_of_the_drivers_own_changes_nothing() -> None:
    session = in_transaction(TransactionState.STARTING)
    absorb_error(session, InvalidOperation("no"))
    assert not session.server_session.is_dirty
    assert transaction_of(session).state is TransactionState.STARTING


def test_an_abandoned_command_may_have_begun_the_transaction() -> None:
    session = in_transaction(TransactionState.STARTING)
    absorb_abandonment(session)
    assert session.server_session.is_dirty
    assert transaction_of(session).state is TransactionState.IN_PROGRESS


@pytest.mark.parametrize(
    ("error", "is_transient"),
    [
        (AutoReconnect("gone"), True),
        (ServerSelectionTimeoutError("none"), True),
        (WaitQueueTimeoutError("full"), True),
        (PoolCleared("cleared"), True),
        (NotPrimaryError("not primary", {"ok": 0.0}), False),
        (OperationFailure("no", 112, {"ok": 0.0}), False),
        (OperationFailure("no", 112, {"ok": 0.0, "errorLabels": [TRANSIENT]}), True),
    ],
)
def test_a_transaction_that_lost_its_server_can_be_repeated(
    error: PyMongoError, is_transient: bool
) -> None:
    session = in_transaction()
    told = label_transaction_error(session, error)
    assert type(told) is type(error)
    assert told.has_error_label(TRANSIENT) is is_transient
    assert unpins(session, told) is is_transient


def failure(kind: type[OperationFailure], code: int, *labels: str) -> OperationFailure:
    return kind("no", code, {"ok": 0.0, "errmsg": "no", "errorLabels": list(labels)})


@pytest.mark.parametrize(
    ("error", "is_unknown"),
    [
        (AutoReconnect("gone"), True),
        (ServerSelectionTimeoutError("none"), True),
        (NotPrimaryError("not primary", {"ok": 0.0}), True),
        (failure(OperationFailure, 91), True),
        (failure(OperationFailure, 1, "RetryableWriteError"), True),
        (failure(ExecutionTimeout, 50), True),
        (failure(WriteConcernError, 64), True),
        (failure(WTimeoutError, 64), True),
        (failure(WriteConcernError, 100), False),
        (failure(WriteConcernError, 79), False),
        (failure(OperationFailure, 251, TRANSIENT), False),
    ],
)
def test_a_commit_whose_outcome_nobody_knows_says_so(error: PyMongoError, is_unknown: bool) -> None:
    session = in_transaction(TransactionState.COMMITTED)
    told = label_transaction_error(session, error)
    assert told.has_error_label(UNKNOWN) is is_unknown
    if isinstance(error, AutoReconnect):
        assert not told.has_error_label(TRANSIENT)


def test_an_aborted_transaction_leaves_its_server_whatever_came_back() -> None:
    session = in_transaction(TransactionState.ABORTED)
    assert unpins(session, OperationFailure("no", 1))
    assert not unpins(implicit(), OperationFailure("no", 1))


def test_errors_outside_of_transactions_are_left_as_they_are() -> None:
    error = AutoReconnect("gone")
    assert label_transaction_error(explicit(), error) is error
    assert label_transaction_error(implicit(), error) is error
