from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pymongo.errors import AutoReconnect, OperationFailure, PyMongoError

from greenmongo._core.command import Command, Retryability
from greenmongo._core.deadline import Deadline
from greenmongo._core.options import ClientOptions
from greenmongo._core.pool_rules import PoolCleared
from greenmongo._core.retry_policy import RetryPolicy
from greenmongo._core.retryable_errors import labelled_as_overload
from greenmongo._core.sdam.kinds import TopologyKind

OPTIONS = ClientOptions(server_selection_timeout=30.0)
OVERLOAD = ["SystemOverloadedError", "RetryableError"]

READ = Command("find", {"find": "c"}, "db", retry=Retryability.READ)
WRITE = Command("insert", {"insert": "c"}, "db", is_write=True, retry=Retryability.WRITE)
WRITE_OF_MANY = Command("update", {"update": "c"}, "db", is_write=True)
GET_MORE = Command("getMore", {"getMore": 5}, "db")
GENERIC = Command("anything", {"anything": 1}, "db", retry=Retryability.UNKNOWN)
EVERYTHING = [READ, WRITE, WRITE_OF_MANY, GET_MORE, GENERIC]


def overload(labels: list[str] = OVERLOAD, **details: Any) -> OperationFailure:
    return OperationFailure("too much", 462, {"errorLabels": labels, **details})


def policy(
    command: Command,
    options: ClientOptions = OPTIONS,
    deadline: Deadline | None = None,
    *,
    is_strict: bool = False,
    has_timeout: bool | None = None,
) -> RetryPolicy:
    if has_timeout is None:
        has_timeout = deadline is not None
    return RetryPolicy(command, options, deadline, is_strict=is_strict, has_timeout=has_timeout)


def judged(
    it: RetryPolicy,
    error: PyMongoError,
    *,
    tries: int = 1,
    was_sent: bool = True,
    is_numbered: bool = False,
    now: float = 0.0,
    jitter: float = 1.0,
) -> float | None:
    return it.judge(
        error, tries=tries, was_sent=was_sent, is_numbered=is_numbered, now=now, jitter=jitter
    )


# ---- as the specifications of retryable reads and writes say ------------------------------------


def test_a_read_is_sent_once_more() -> None:
    it = policy(READ)
    assert judged(it, AutoReconnect("gone"), tries=1) == 0.0
    assert judged(it, AutoReconnect("gone"), tries=2) is None


@pytest.mark.parametrize(("is_numbered", "expected"), [(True, 0.0), (False, None)])
def test_a_write_needs_a_number(is_numbered: bool, expected: float | None) -> None:
    it = policy(WRITE)
    assert judged(it, AutoReconnect("gone"), is_numbered=is_numbered) == expected


@pytest.mark.parametrize("command", [WRITE_OF_MANY, GET_MORE, GENERIC])
def test_what_is_not_retryable_is_sent_once(command: Command) -> None:
    assert judged(policy(command), AutoReconnect("gone")) is None


@pytest.mark.parametrize("command", [READ, WRITE])
def test_options_forbid_it(command: Command) -> None:
    options = replace(OPTIONS, retry_reads=False, retry_writes=False)
    assert judged(policy(command, options), AutoReconnect("gone"), is_numbered=True) is None


def test_a_strict_request_does_not_go_on_elsewhere() -> None:
    assert judged(policy(READ, is_strict=True), AutoReconnect("gone")) is None


def test_nothing_sent_is_no_try_but_ends_at_its_deadline() -> None:
    it = policy(READ)
    for now in (0.0, 10.0, 29.0):
        assert judged(it, AutoReconnect("gone"), tries=0, was_sent=False, now=now) == 0.0
    assert judged(it, AutoReconnect("gone"), tries=0, was_sent=False, now=31.0) is None


def test_with_a_deadline_it_goes_on_ever_more_slowly_until_then() -> None:
    it = policy(READ, deadline=Deadline.after(1.0, 0.0))
    backoffs = [judged(it, AutoReconnect("gone"), tries=tries) for tries in range(1, 6)]
    assert backoffs[0] == 0.0
    assert None not in backoffs
    assert backoffs == sorted(backoffs, key=lambda seconds: seconds or 0.0)
    assert judged(it, AutoReconnect("gone"), tries=9, now=0.9) == pytest.approx(0.1)
    assert judged(it, AutoReconnect("gone"), tries=9, now=1.1) is None


def test_with_a_timeout_of_0_there_is_no_last_try() -> None:
    """D02: the pauses keep it from asking without end a server that refuses at once."""
    it = policy(READ, has_timeout=True)
    backoffs = [judged(it, AutoReconnect("gone"), tries=tries) for tries in range(1, 20)]
    assert backoffs[0] == 0.0
    assert backoffs[-1] == 0.5
    assert it.may_send_again(AutoReconnect("gone"), tries=20, is_numbered=False, now=0.0)


def test_with_a_timeout_of_0_an_overload_bounds_the_tries_all_the_same() -> None:
    """D02: Client Backpressure, "Interaction with Other Retry Policies"."""
    it = policy(READ, has_timeout=True)
    assert judged(it, overload(), tries=2) == 0.2
    assert judged(it, AutoReconnect("gone"), tries=3) is None


def test_with_a_timeout_of_0_what_cannot_be_sent_ends_with_the_selection_of_a_server() -> None:
    """D02: CSOT leaves serverSelectionTimeoutMS in force."""
    it = policy(READ, has_timeout=True)
    assert judged(it, AutoReconnect("gone"), tries=0, was_sent=False) == 0.0
    assert judged(it, AutoReconnect("gone"), tries=0, was_sent=False, now=31.0) is None


# ---- a server that has too much to do -----------------------------------------------------------


@pytest.mark.parametrize("command", EVERYTHING, ids=lambda command: command.name)
def test_whatever_it_did_not_begin_is_sent_again(command: Command) -> None:
    """D03: jitter apart, the pauses are 200 and 400 ms."""
    it = policy(command)
    assert [judged(it, overload(), tries=tries) for tries in (1, 2, 3)] == [0.2, 0.4, None]


@pytest.mark.parametrize("labels", [OVERLOAD[:1], OVERLOAD[1:], []])
def test_both_labels_are_needed(labels: list[str]) -> None:
    assert judged(policy(WRITE_OF_MANY), overload(labels)) is None


def test_a_retryable_error_of_such_a_server_is_retried_with_pauses_too() -> None:
    error = OperationFailure("shutting down", 91, {"errorLabels": OVERLOAD[:1]})
    it = policy(READ)
    assert [judged(it, error, tries=tries) for tries in (1, 2, 3)] == [0.2, 0.4, None]


def test_retries_after_other_errors_count_for_the_pause() -> None:
    """D03: the specification counts them all, and so do attempts in which nothing was sent."""
    it = policy(READ, replace(OPTIONS, max_adaptive_retries=5))
    assert judged(it, AutoReconnect("gone"), tries=1) == 0.0
    assert judged(it, overload(), tries=1, was_sent=False) == 0.4
    assert judged(it, overload(), tries=2) == 0.8


@pytest.mark.parametrize(
    ("command", "reads", "writes", "expected"),
    [
        (READ, True, False, 0.2),
        (READ, False, True, None),
        (GET_MORE, False, True, None),
        (WRITE_OF_MANY, False, True, 0.2),
        (WRITE_OF_MANY, True, False, None),
        (GENERIC, True, True, 0.2),
        (GENERIC, False, True, None),
        (GENERIC, True, False, None),
    ],
)
def test_the_options_for_reads_and_writes_hold(
    command: Command, reads: bool, writes: bool, expected: float | None
) -> None:
    options = replace(OPTIONS, retry_reads=reads, retry_writes=writes)
    assert judged(policy(command, options), overload()) == expected


@pytest.mark.parametrize("most", [0, 1, 5])
def test_how_often_is_an_option(most: int) -> None:
    it = policy(GENERIC, replace(OPTIONS, max_adaptive_retries=most))
    backoffs = [judged(it, overload(), tries=tries) for tries in range(1, most + 2)]
    assert backoffs.count(None) == 1
    assert backoffs[-1] is None


def test_it_bounds_the_tries_of_an_operation_with_a_deadline_as_well() -> None:
    it = policy(READ, deadline=Deadline.after(60.0, 0.0))
    assert judged(it, AutoReconnect("gone"), tries=1) == 0.0
    assert judged(it, overload(), tries=2) == 0.4
    assert judged(it, AutoReconnect("gone"), tries=3) is None


def test_a_pause_that_outlasts_the_deadline_is_not_begun() -> None:
    it = policy(READ, deadline=Deadline.after(0.3, 0.0))
    assert judged(it, overload(), tries=1) == 0.2
    assert judged(it, overload(), tries=2, now=0.2) is None


def test_the_server_may_say_how_long_and_jitter_makes_it_shorter() -> None:
    it = policy(READ, replace(OPTIONS, max_adaptive_retries=20))
    assert judged(it, overload(baseBackoffMS=500), jitter=0.5) == 0.5
    assert judged(it, overload(baseBackoffMS=500), jitter=0.5) == 1.0
    assert judged(it, overload(baseBackoffMS=10_000), jitter=0.5) == 5.0
    assert judged(it, overload(), jitter=0.0) == 0.0


@pytest.mark.parametrize("base", [0, 0.0, -1, float("nan"), None, "?", [500]])
def test_what_is_no_time_is_as_if_the_server_had_not_said_it(base: object) -> None:
    """D03: a base of 0 as well, or there would be no pause at all."""
    assert judged(policy(READ), overload(baseBackoffMS=base)) == 0.2


def test_the_pauses_do_not_grow_for_ever() -> None:
    it = policy(READ, replace(OPTIONS, max_adaptive_retries=5_000))
    backoffs = [judged(it, overload(), tries=tries) for tries in range(1, 2_000)]
    assert backoffs[-1] == 10.0


@pytest.mark.parametrize("kind", TopologyKind)
@pytest.mark.parametrize("is_wanted", [True, False])
def test_a_refused_command_goes_elsewhere_only_if_that_is_wanted(
    kind: TopologyKind, is_wanted: bool
) -> None:
    it = policy(READ, replace(OPTIONS, enable_overload_retargeting=is_wanted))
    expected = is_wanted or kind is TopologyKind.SHARDED
    assert it.goes_elsewhere(overload(), kind, was_sent=True) is expected


@pytest.mark.parametrize("kind", TopologyKind)
def test_a_refused_connection_is_looked_for_elsewhere(kind: TopologyKind) -> None:
    error = labelled_as_overload(AutoReconnect("closed"))
    assert policy(READ).goes_elsewhere(error, kind, was_sent=False)


@pytest.mark.parametrize("kind", TopologyKind)
@pytest.mark.parametrize("was_sent", [True, False])
@pytest.mark.parametrize("is_wanted", [True, False])
@pytest.mark.parametrize(
    "error", [AutoReconnect("gone"), PoolCleared("paused"), OperationFailure("host", 6)]
)
def test_other_errors_go_elsewhere_in_sharded_clusters_alone(
    kind: TopologyKind, was_sent: bool, is_wanted: bool, error: PyMongoError
) -> None:
    """D01: the specification forbids to avoid a server of a replica set for anything else."""
    it = policy(READ, replace(OPTIONS, enable_overload_retargeting=is_wanted))
    expected = kind is TopologyKind.SHARDED
    assert it.goes_elsewhere(error, kind, was_sent=was_sent) is expected


def test_a_failed_write_concern_asks_whether_it_would_be_sent_again() -> None:
    it = policy(WRITE)
    error = OperationFailure("stepped down", 91, {"errorLabels": ["RetryableWriteError"]})
    assert it.may_send_again(error, tries=1, is_numbered=True, now=0.0)
    assert not it.may_send_again(error, tries=1, is_numbered=False, now=0.0)
    assert not it.may_send_again(error, tries=2, is_numbered=True, now=0.0)
