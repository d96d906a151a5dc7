from __future__ import annotations

from typing import Any

import pytest
from bson.binary import UUID_SUBTYPE, Binary
from pymongo.errors import ExecutionTimeout, NetworkTimeout, OperationFailure, PyMongoError

from greenmongo._core.deadline import Deadline
from greenmongo._core.sessions.client_session import SessionOptions, SessionState
from greenmongo._core.sessions.convenient import Pause, Step, with_transaction_steps
from greenmongo._core.sessions.server_session import ServerSession
from greenmongo._core.sessions.transaction import TransactionEvent, TransactionOptions

TRANSIENT = OperationFailure("conflict", 112, {"errorLabels": ["TransientTransactionError"]})
UNKNOWN = OperationFailure("lost", 91, {"errorLabels": ["UnknownTransactionCommitResult"]})
TOO_LONG = OperationFailure("late", 50, {"errorLabels": ["UnknownTransactionCommitResult"]})


class Play:
    """Takes the steps; what each does can be set, and the time goes on as the test says."""

    def __init__(self, **outcomes: list[Any]) -> None:
        self.outcomes = outcomes
        self.taken: list[str] = []
        self.pauses: list[float] = []
        self.now = 0.0
        self.slowness = 0.0
        self.session = SessionState.of_explicit(
            ServerSession(Binary(bytes(16), UUID_SUBTYPE), 0.0), SessionOptions.of_explicit()
        )

    def take(self, step: Step | Pause) -> Any:
        self.now += self.slowness
        if isinstance(step, Pause):
            self.pauses.append(float(step))
            return None
        self.taken.append(step.name)
        transaction = self.session.transaction
        assert transaction is not None
        if step is Step.START:
            self.session.start_transaction(TransactionOptions())
        elif step is not Step.CALL:
            transaction.apply(TransactionEvent[step.name])
        outcome = (self.outcomes.get(step.name) or [None]).pop(0)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome() if callable(outcome) else outcome

    def run(self, deadline: Deadline | None = None) -> Any:
        steps = with_transaction_steps(
            self.session, deadline=deadline, clock=lambda: self.now, jitter=lambda: 1.0
        )
        try:
            step = next(steps)
            while True:
                try:
                    result = self.take(step)
                except Exception as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(result)
        except StopIteration as end:
            return end.value


def test_it_starts_calls_and_commits() -> None:
    play = Play(CALL=["value"])
    assert play.run() == "value"
    assert play.taken == ["START", "CALL", "COMMIT"]


def test_a_callback_that_fails_for_good_aborts() -> None:
    play = Play(CALL=[ValueError("no")])
    with pytest.raises(ValueError, match="no"):
        play.run()
    assert play.taken == ["START", "CALL", "ABORT"]


def test_what_may_pass_is_tried_again_after_a_pause_that_grows() -> None:
    play = Play(CALL=[TRANSIENT] * 15 + ["done"])
    assert play.run() == "done"
    assert play.taken[-3:] == ["START", "CALL", "COMMIT"]
    assert play.pauses[:3] == pytest.approx([0.005, 0.0075, 0.01125])
    assert max(play.pauses) == 0.5


def test_a_commit_that_nothing_was_heard_of_is_repeated() -> None:
    play = Play(COMMIT=[UNKNOWN, UNKNOWN, None])
    play.run()
    assert play.taken == ["START", "CALL", "COMMIT", "COMMIT", "COMMIT"]


def test_a_commit_that_took_the_server_too_long_is_not_repeated() -> None:
    play = Play(COMMIT=[TOO_LONG])
    with pytest.raises(OperationFailure, match="late"):
        play.run()


def test_a_commit_may_have_to_begin_anew() -> None:
    play = Play(COMMIT=[TRANSIENT, None])
    play.run()
    assert play.taken == ["START", "CALL", "COMMIT", "START", "CALL", "COMMIT"]


@pytest.mark.parametrize("event", [TransactionEvent.COMMIT, TransactionEvent.ABORT])
def test_a_callback_may_end_the_transaction(event: TransactionEvent) -> None:
    play = Play()
    transaction = play.session.transaction
    assert transaction is not None
    play.outcomes["CALL"] = [lambda: transaction.apply(event) or "mine"]
    assert play.run() == "mine"
    assert play.taken == ["START", "CALL"]


@pytest.mark.parametrize("outcomes", [{"CALL": [TRANSIENT]}, {"COMMIT": [UNKNOWN]}])
@pytest.mark.parametrize(
    ("deadline", "kind"), [(None, NetworkTimeout), (Deadline.after(5, 0), ExecutionTimeout)]
)
def test_convenient_api_prose_03_time_runs_out(
    outcomes: dict[str, list[PyMongoError]], deadline: Deadline | None, kind: type[PyMongoError]
) -> None:
    """The error says that it is a timeout, has the labels, and the last error for its cause."""
    play = Play(**{name: list(errors) for name, errors in outcomes.items()})
    play.slowness = 121.0
    ((last,),) = outcomes.values()
    with pytest.raises(kind) as caught:
        play.run(deadline)
    assert caught.value.__cause__ is last
    assert caught.value.timeout
    for label in getattr(last, "details", {})["errorLabels"]:
        assert caught.value.has_error_label(label)


def test_who_is_thrown_out_of_the_callback_takes_no_more_steps() -> None:
    play = Play(CALL=[KeyboardInterrupt()])
    with pytest.raises(KeyboardInterrupt):
        play.run()
    assert play.taken == ["START", "CALL"]
