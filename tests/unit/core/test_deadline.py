from __future__ import annotations

import pytest

from greenmongo._core.deadline import Deadline


def test_a_deadline_is_a_point_in_time() -> None:
    assert Deadline.after(2.5, 10.0) == Deadline(12.5)


@pytest.mark.parametrize(
    ("now", "remaining", "has_passed"), [(10.0, 2.5, False), (12.5, 0.0, True), (20.0, 0.0, True)]
)
def test_what_remains_is_never_negative(now: float, remaining: float, has_passed: bool) -> None:
    deadline = Deadline(12.5)
    assert deadline.remaining(now) == remaining
    assert deadline.has_passed(now) is has_passed


@pytest.mark.parametrize(
    ("round_trip_time", "expected"), [(0.0, 2500), (0.5, 2000), (2.5, 0), (3.0, -500)]
)
def test_the_server_may_use_what_the_way_there_and_back_leaves(
    round_trip_time: float, expected: int
) -> None:
    assert Deadline(12.5).as_max_time_ms(10.0, round_trip_time) == expected
