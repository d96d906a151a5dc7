from __future__ import annotations

from itertools import product

import pytest
from pymongo.errors import ConfigurationError, InvalidOperation
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import Primary, Secondary
from pymongo.write_concern import WriteConcern

from greenmongo._core.sessions.transaction import (
    TRANSITIONS,
    Transaction,
    TransactionEvent,
    TransactionOptions,
    TransactionState,
    resolve_options,
)

NONE, STARTING, IN_PROGRESS, COMMITTED, COMMITTED_EMPTY, ABORTED = TransactionState
START, OPERATION, COMPLETED, COMMIT, ABORT = TransactionEvent


def in_state(state: TransactionState) -> Transaction:
    return Transaction(state)


def test_each_event_has_its_place_in_each_state() -> None:
    assert {(s, e) for s, events in TRANSITIONS.items() for e in events} == set(
        product(TransactionState, TransactionEvent)
    )


@pytest.mark.parametrize(
    ("before", "event", "after", "is_sent"),
    [
        (NONE, START, STARTING, False),
        (NONE, OPERATION, NONE, False),
        (STARTING, OPERATION, STARTING, False),
        (STARTING, COMPLETED, IN_PROGRESS, False),
        (STARTING, COMMIT, COMMITTED_EMPTY, False),
        (STARTING, ABORT, ABORTED, False),
        (IN_PROGRESS, OPERATION, IN_PROGRESS, False),
        (IN_PROGRESS, COMMIT, COMMITTED, True),
        (IN_PROGRESS, ABORT, ABORTED, True),
        (COMMITTED, COMMIT, COMMITTED, True),
        (COMMITTED, START, STARTING, False),
        (COMMITTED, OPERATION, NONE, False),
        (COMMITTED_EMPTY, COMMIT, COMMITTED_EMPTY, False),
        (COMMITTED_EMPTY, OPERATION, NONE, False),
        (ABORTED, START, STARTING, False),
        (ABORTED, OPERATION, NONE, False),
    ],
)
def test_the_states_follow_the_picture_of_the_specification(
    before: TransactionState, event: TransactionEvent, after: TransactionState, is_sent: bool
) -> None:
    transaction = in_state(before)
    assert transaction.apply(event) is is_sent
    assert transaction.state is after


@pytest.mark.parametrize(
    ("state", "event", "message"),
    [
        (NONE, COMMIT, "No transaction started"),
        (NONE, ABORT, "No transaction started"),
        (STARTING, START, "Transaction already in progress"),
        (IN_PROGRESS, START, "Transaction already in progress"),
        (COMMITTED, ABORT, "Cannot call abortTransaction after calling commitTransaction"),
        (COMMITTED_EMPTY, ABORT, "Cannot call abortTransaction after calling commitTransaction"),
        (ABORTED, COMMIT, "Cannot call commitTransaction after calling abortTransaction"),
        (ABORTED, ABORT, "Cannot call abortTransaction twice"),
    ],
)
def test_what_cannot_happen_raises_and_changes_nothing(
    state: TransactionState, event: TransactionEvent, message: str
) -> None:
    transaction = in_state(state)
    with pytest.raises(InvalidOperation, match=f"^{message}$"):
        transaction.apply(event)
    assert transaction.state is state


@pytest.mark.parametrize("event", [START, OPERATION])
def test_the_recovery_token_goes_with_its_transaction(event: TransactionEvent) -> None:
    transaction = in_state(COMMITTED)
    transaction.recovery_token = {"token": 1}
    transaction.apply(event)
    assert transaction.recovery_token is None


def test_the_recovery_token_stays_while_a_commit_may_be_repeated() -> None:
    transaction = in_state(IN_PROGRESS)
    transaction.recovery_token = {"token": 1}
    transaction.apply(COMMIT)
    transaction.apply(COMMIT)
    assert transaction.recovery_token == {"token": 1}


def test_unpinning_hands_out_what_keeps_the_connection_once() -> None:
    holder = object()
    transaction = Transaction(pinned_address=("a", 1), pinned_holder=holder)
    assert transaction.unpin() is holder
    assert transaction.pinned_address is None
    assert transaction.unpin() is None


@pytest.mark.parametrize(
    ("given", "first", "again"),
    [
        (None, {}, {"w": "majority", "wtimeout": 10_000}),
        (WriteConcern(1), {"w": 1}, {"w": "majority", "wtimeout": 10_000}),
        (
            WriteConcern(1, wtimeout=7, j=True),
            {"w": 1, "wtimeout": 7, "j": True},
            {"w": "majority", "wtimeout": 7, "j": True},
        ),
    ],
)
def test_a_commit_that_is_repeated_waits_for_a_majority(
    given: WriteConcern | None, first: dict[str, object], again: dict[str, object]
) -> None:
    transaction = Transaction(COMMITTED, TransactionOptions(write_concern=given))
    assert transaction.write_concern() == first
    transaction.is_commit_retry = True
    assert transaction.write_concern() == again


def test_a_transaction_refuses_a_write_concern_without_acknowledgement() -> None:
    with pytest.raises(ConfigurationError, match="do not support unacknowledged write concerns"):
        TransactionOptions(write_concern=WriteConcern(0))


def test_options_come_from_the_call_then_the_session_then_the_client() -> None:
    given = TransactionOptions(read_concern=ReadConcern("snapshot"))
    defaults = TransactionOptions(
        read_concern=ReadConcern("local"), write_concern=WriteConcern(2), max_commit_time_ms=5
    )
    client = TransactionOptions(write_concern=WriteConcern(3), read_preference=Secondary())
    assert resolve_options(given, defaults, client) == TransactionOptions(
        ReadConcern("snapshot"), WriteConcern(2), Secondary(), 5
    )
    assert resolve_options(TransactionOptions(read_preference=Primary()), None, client) == (
        TransactionOptions(None, WriteConcern(3), Primary())
    )
