from __future__ import annotations

from typing import Any

import pytest
from bson.binary import UUID_SUBTYPE, Binary
from bson.timestamp import Timestamp
from pymongo.errors import ConfigurationError, InvalidOperation

from greenmongo._core.sessions.client_session import (
    SessionOptions,
    SessionState,
    newest,
    require_session,
)
from greenmongo._core.sessions.server_session import ServerSession
from greenmongo._core.sessions.transaction import TransactionOptions, TransactionState


def explicit(**options: Any) -> SessionState:
    server_session = ServerSession(Binary(bytes(16), UUID_SUBTYPE), 0.0)
    return SessionState.of_explicit(server_session, SessionOptions.of_explicit(**options))


def test_a_session_of_a_caller_is_causally_consistent_unless_it_says_otherwise() -> None:
    assert explicit().options.causal_consistency
    assert not explicit(causal_consistency=False).options.causal_consistency
    assert not explicit(snapshot=True).options.causal_consistency


def test_an_implicit_session_is_not_causally_consistent_and_has_no_transaction() -> None:
    session = SessionState(ServerSession(Binary(bytes(16), UUID_SUBTYPE), 0.0))
    assert session.is_implicit
    assert not session.options.causal_consistency
    assert session.transaction is None


@pytest.mark.parametrize(
    "options", [{"snapshot": True, "causal_consistency": True}, {"snapshot_time": Timestamp(1, 1)}]
)
def test_options_that_exclude_each_other_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="snapshot"):
        SessionOptions.of_explicit(**options)


def test_a_snapshot_session_begins_with_the_time_it_is_given() -> None:
    session = explicit(snapshot=True, snapshot_time=Timestamp(3, 1))
    assert session.snapshot_time == Timestamp(3, 1)


def test_the_higher_cluster_time_is_the_newest_whatever_its_signature() -> None:
    early = {"clusterTime": Timestamp(1, 9), "signature": 2}
    late = {"clusterTime": Timestamp(2, 1), "signature": 1}
    assert newest(early, late) is newest(late, early) is late
    assert newest(None, early) is newest(early, None) is early
    assert newest(None, None) is None


def test_times_only_go_forward() -> None:
    session = explicit()
    for time in (Timestamp(5, 1), Timestamp(4, 9)):
        session.advance_cluster_time({"clusterTime": time})
        session.advance_operation_time(time)
    assert session.cluster_time == {"clusterTime": Timestamp(5, 1)}
    assert session.operation_time == Timestamp(5, 1)


def test_a_transaction_has_a_number_of_its_own() -> None:
    session = explicit()
    session.server_session.next_txn_number()
    session.start_transaction(TransactionOptions())
    assert session.server_session.txn_number == 2
    assert session.transaction is not None
    assert session.transaction.state is TransactionState.STARTING


def test_a_transaction_that_cannot_begin_takes_no_number() -> None:
    session = explicit()
    session.start_transaction(TransactionOptions())
    with pytest.raises(InvalidOperation, match="already in progress"):
        session.start_transaction(TransactionOptions())
    assert session.server_session.txn_number == 1


def test_a_snapshot_session_has_no_transactions() -> None:
    with pytest.raises(InvalidOperation, match="not supported in snapshot sessions"):
        explicit(snapshot=True).start_transaction(TransactionOptions())


def test_a_session_that_has_ended_is_refused() -> None:
    session = explicit()
    session.has_ended = True
    with pytest.raises(InvalidOperation, match="ended"):
        session.require_usable(has_sessions=True, max_wire_version=25)


def test_a_server_without_sessions_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="Sessions are not supported"):
        explicit().require_usable(has_sessions=False, max_wire_version=25)


def test_a_snapshot_needs_a_server_that_can_read_from_one() -> None:
    explicit().require_usable(has_sessions=True, max_wire_version=12)
    session = explicit(snapshot=True)
    session.require_usable(has_sessions=True, max_wire_version=13)
    with pytest.raises(ConfigurationError, match=r"Snapshot reads require MongoDB 5\.0 or later"):
        session.require_usable(has_sessions=True, max_wire_version=12)


def test_what_is_no_session_is_refused() -> None:
    with pytest.raises(ValueError, match="must be a ClientSession or None"):
        require_session(object())
