from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from bson.objectid import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from greenmongo._core.sdam.freshness import compare_topology_versions
from greenmongo._core.sdam.heartbeat import (
    ErrorFact,
    ErrorKind,
    ErrorVerdict,
    RoundTripTimes,
    delay_before_check,
    judge_check_failure,
    judge_error,
    may_stream,
    updated_round_trip_time,
)
from greenmongo._core.sdam.kinds import ServerKind
from greenmongo._core.sdam.server_description import ServerDescription

A = ("a", 27017)
PROCESS, RESTARTED = ObjectId("0" * 23 + "1"), ObjectId("0" * 23 + "2")
IGNORED = ErrorVerdict(ignore=True)
UNREACHABLE = ErrorVerdict(mark_unknown=True, clear_pool=True, cancel_check=True)
PRIMARY = ServerDescription(A, ServerKind.RS_PRIMARY)


def version(counter: int, process: ObjectId = PROCESS) -> dict[str, Any]:
    return {"processId": process, "counter": counter}


@pytest.mark.parametrize(
    ("known", "reported", "expected"),
    [
        (None, version(1), -1),
        (version(1), None, -1),
        (version(5), version(1, RESTARTED), -1),
        (version(1), version(2), -1),
        (version(2), version(2), 0),
        (version(3), version(2), 1),
    ],
)
def test_news_without_a_comparable_version_counts_as_newer(
    known: dict[str, Any] | None, reported: dict[str, Any] | None, expected: int
) -> None:
    assert compare_topology_versions(known, reported) == expected


# -- errors of operations --------------------------------------------------------------------------


def test_an_error_on_a_connection_from_before_the_pool_was_cleared_is_ignored() -> None:
    fact = ErrorFact(ErrorKind.NETWORK, pool_generation=0, current_generation=1)
    assert judge_error(PRIMARY, fact) == IGNORED


@pytest.mark.parametrize("counter", [1, 2])
def test_an_error_older_than_what_is_known_of_the_server_is_ignored(counter: int) -> None:
    server = replace(PRIMARY, topology_version=version(2))
    fact = ErrorFact(ErrorKind.COMMAND, code=10107, topology_version=version(counter))
    assert judge_error(server, fact) == IGNORED


@pytest.mark.parametrize("code", [10107, 13435, 10058, 11602, 13436, 189])
def test_a_server_that_changes_state_is_asked_what_it_is_now(code: int) -> None:
    server = replace(PRIMARY, topology_version=version(2))
    fact = ErrorFact(ErrorKind.COMMAND, code=code, topology_version=version(3))
    assert judge_error(server, fact) == ErrorVerdict(
        mark_unknown=True, topology_version=version(3), request_check=True
    )


@pytest.mark.parametrize("code", [91, 11600])
def test_a_server_that_shuts_down_loses_its_connections(code: int) -> None:
    verdict = judge_error(PRIMARY, ErrorFact(ErrorKind.COMMAND, code=code))
    assert verdict == ErrorVerdict(mark_unknown=True, clear_pool=True, request_check=True)


def test_an_old_server_closes_its_connections_when_it_steps_down() -> None:
    verdict = judge_error(PRIMARY, ErrorFact(ErrorKind.COMMAND, code=189, max_wire_version=7))
    assert verdict.clear_pool


@pytest.mark.parametrize(
    "fact",
    [
        ErrorFact(ErrorKind.COMMAND, code=11000),
        ErrorFact(ErrorKind.COMMAND),
        ErrorFact(ErrorKind.TIMEOUT),
        ErrorFact(ErrorKind.AUTHENTICATION, code=18),
    ],
)
def test_other_errors_say_nothing_about_the_server(fact: ErrorFact) -> None:
    assert judge_error(PRIMARY, fact) == IGNORED


@pytest.mark.parametrize(
    "fact",
    [
        ErrorFact(ErrorKind.NETWORK),
        ErrorFact(ErrorKind.NETWORK, before_handshake=True),
        ErrorFact(ErrorKind.TIMEOUT, before_handshake=True),
        ErrorFact(ErrorKind.AUTHENTICATION, before_handshake=True),
        ErrorFact(ErrorKind.COMMAND, code=8000, before_handshake=True),
    ],
)
def test_a_server_that_cannot_be_talked_to_is_unknown(fact: ErrorFact) -> None:
    assert judge_error(PRIMARY, fact) == UNREACHABLE


def test_an_overloaded_server_is_left_alone() -> None:
    fact = ErrorFact(ErrorKind.NETWORK, before_handshake=True, is_overload=True)
    assert judge_error(PRIMARY, fact) == IGNORED


def test_behind_a_load_balancer_only_the_pool_of_a_known_server_is_cleared() -> None:
    balancer = ServerDescription.load_balancer(A)
    known = ErrorFact(ErrorKind.NETWORK, load_balanced=True, has_service_id=True)
    assert judge_error(balancer, known) == ErrorVerdict(clear_pool=True, cancel_check=True)
    for kind, code in [(ErrorKind.NETWORK, None), (ErrorKind.COMMAND, 91)]:
        unknown = ErrorFact(kind, code=code, before_handshake=True, load_balanced=True)
        assert judge_error(balancer, unknown) == IGNORED


def test_behind_a_load_balancer_a_shutdown_does_not_mark_the_balancer() -> None:
    fact = ErrorFact(ErrorKind.COMMAND, code=91, load_balanced=True, has_service_id=True)
    verdict = judge_error(ServerDescription.load_balancer(A), fact)
    assert verdict == ErrorVerdict(clear_pool=True, request_check=True)


# -- failed checks ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "interrupts", "again"),
    [
        (ErrorKind.NETWORK, False, True),
        (ErrorKind.TIMEOUT, True, True),
        (ErrorKind.COMMAND, False, False),
    ],
)
def test_a_failed_check_clears_the_pool(kind: ErrorKind, interrupts: bool, again: bool) -> None:
    assert judge_check_failure(PRIMARY, kind) == ErrorVerdict(
        mark_unknown=True, clear_pool=True, interrupt_in_use=interrupts, request_check=again
    )


def test_a_server_that_was_unknown_already_is_not_checked_again_at_once() -> None:
    verdict = judge_check_failure(ServerDescription.unknown(A), ErrorKind.NETWORK)
    assert not verdict.request_check


@pytest.mark.parametrize(
    ("now", "requested", "expected"),
    [(100.0, False, 10.0), (104.0, False, 6.0), (100.0, True, 0.5), (100.4, True, 0.1)],
)
def test_a_request_shortens_the_wait_before_a_check(
    now: float, requested: bool, expected: float
) -> None:
    assert delay_before_check(100.0, now, 10.0, requested=requested) == pytest.approx(expected)


def test_a_check_that_is_overdue_starts_at_once() -> None:
    assert delay_before_check(100.0, 150.0, 10.0, requested=False) == 0.0


# -- round trip times ------------------------------------------------------------------------------


def test_the_average_of_round_trips_starts_with_the_first() -> None:
    assert updated_round_trip_time(None, 5.0) == 5.0
    assert updated_round_trip_time(10.0, 5.0) == pytest.approx(9.0)


def test_the_first_round_trip_is_the_average_and_says_nothing_of_the_minimum() -> None:
    times = RoundTripTimes().with_sample(0.4)
    assert (times.average, times.minimum) == (0.4, 0.0)


def test_the_average_moves_by_a_fifth() -> None:
    times = RoundTripTimes().with_sample(1.0).with_sample(2.0)
    assert times.average == pytest.approx(1.2)
    assert times.minimum == 1.0


@given(st.lists(st.floats(0, 100), min_size=2))
def test_the_minimum_is_that_of_the_latest_ten(samples: list[float]) -> None:
    times = RoundTripTimes()
    for sample in samples:
        times = times.with_sample(sample)
    assert times.minimum == min(samples[-10:])


@pytest.mark.parametrize(
    ("mode", "elsewhere", "on_a_function_service"),
    [("auto", True, False), ("stream", True, True), ("poll", False, False)],
)
def test_hellos_stream_unless_told_otherwise_or_on_a_function_service(
    mode: str, elsewhere: bool, on_a_function_service: bool
) -> None:
    assert may_stream(mode, {}) is elsewhere
    assert may_stream(mode, {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1"}) is on_a_function_service
