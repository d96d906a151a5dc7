"""Operations may become cheaper, and not dearer: what they cost is counted, not timed.

If a change is worth what it costs: `python -m benchmarks.costs --instructions --update`.
"""

from __future__ import annotations

import shutil

import pytest

from benchmarks.costs import (
    CALLS,
    INSTRUCTIONS,
    TOLERANCES,
    calls,
    compare,
    environment,
    instructions,
    kept,
)

UPDATE = "worth it? then: python -m benchmarks.costs --update (with --instructions for these)"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_no_operation_takes_more_calls_than_before() -> None:
    before = kept(CALLS)
    if before is None:
        pytest.skip("no calls are kept for this version of Python")
    assert compare(calls(), before) == [], UPDATE


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_operation_takes_more_instructions_than_before() -> None:
    if shutil.which("valgrind") is None:
        pytest.skip("valgrind is not installed: apt-get install valgrind")
    before = kept(INSTRUCTIONS)
    if before is None:
        pytest.skip(f"no instructions are kept for {environment()}")
    assert compare(instructions(), before, TOLERANCES[INSTRUCTIONS]) == [], UPDATE


def test_what_costs_less_or_little_more_passes() -> None:
    before = {"find_one": 1000, "insert_one": 20}
    assert compare({"find_one": 1050, "insert_one": 22}, before) == []
    assert compare({"find_one": 10, "insert_one": 20}, before) == []


def test_what_costs_more_is_named() -> None:
    before = {"find_one": 1000, "insert_one": 20}
    assert compare({"find_one": 1051, "insert_one": 23}, before) == [
        "find_one: 1,051 instead of 1,000",
        "insert_one: 23 instead of 20",
    ]


def test_an_operation_that_is_not_kept_yet_is_named() -> None:
    assert compare({"distinct": 90}, {"find_one": 100}) == ["distinct: 90 instead of 0"]
