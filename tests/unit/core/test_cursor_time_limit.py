"""How a timeout limits a cursor."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest
from pymongo.errors import ConfigurationError

from greenmongo._core.command import Command
from greenmongo._core.cursors.time_limit import CursorTimeLimit, check_await_time

FIND, GET_MORE = Command("find", {}, "db"), Command("getMore", {}, "db", takes_max_time=False)


def ends_at(command: Command) -> float:
    assert command.deadline is not None
    return command.deadline.at


def test_a_lifetime_is_one_deadline_from_the_first_command_on() -> None:
    limit = CursorTimeLimit("cursorLifetime", 5.0)
    limit.begin_call(1.0)
    first = limit.first(FIND, 2.0)
    limit.begin_call(4.0)
    assert ends_at(first) == ends_at(limit.further(GET_MORE, 4.0)) == 7.0
    assert first.takes_max_time


def test_iteration_gives_each_call_the_time_anew() -> None:
    limit = CursorTimeLimit("iteration", 5.0)
    first = limit.first(FIND, 2.0)
    limit.begin_call(4.0)
    assert ends_at(first) == 7.0
    assert [ends_at(limit.further(GET_MORE, now)) for now in (4.0, 8.0)] == [9.0, 9.0]
    assert not first.takes_max_time
    assert limit.first(FIND, 2.0, awaits_data=True).takes_max_time


@pytest.mark.parametrize("mode", ["cursorLifetime", "iteration"])
def test_to_close_a_cursor_has_the_whole_time_once_more(mode: Any) -> None:
    limit = CursorTimeLimit(mode, 5.0)
    limit.first(FIND, 2.0)
    assert ends_at(limit.last(GET_MORE, 100.0)) == 105.0


def test_a_cursor_like_it_begins_anew() -> None:
    limit = CursorTimeLimit("cursorLifetime", 5.0)
    limit.first(FIND, 2.0)
    assert ends_at(limit.anew().first(FIND, 50.0)) == 55.0


def test_zero_is_for_ever() -> None:
    limit = CursorTimeLimit("iteration", 0.0)
    assert ends_at(limit.first(FIND, 2.0)) == inf


def test_without_a_timeout_there_is_nothing_that_a_mode_could_be_of() -> None:
    with pytest.raises(ConfigurationError, match="timeout_mode needs a timeout"):
        CursorTimeLimit("iteration", None)


def test_other_modes_are_refused() -> None:
    unknown: Any = "forever"
    with pytest.raises(ValueError, match="forever"):
        CursorTimeLimit(unknown, 5.0)
    number: Any = 1
    with pytest.raises(TypeError, match="int"):
        CursorTimeLimit(number, 5.0)


@pytest.mark.parametrize(
    ("mode", "facts"), [("cursorLifetime", {"is_tailable": True}), ("iteration", {"writes": True})]
)
def test_each_mode_has_cursors_that_it_does_not_suit(mode: Any, facts: dict[str, bool]) -> None:
    with pytest.raises(ConfigurationError, match="alone"):
        CursorTimeLimit(mode, 5.0).check(**facts)
    other: Any = {"cursorLifetime": "iteration", "iteration": "cursorLifetime"}[mode]
    CursorTimeLimit(other, 5.0).check(**facts)


@pytest.mark.parametrize("milliseconds", [5, 10])
def test_the_server_must_not_wait_for_as_long_as_the_caller(milliseconds: int) -> None:
    with pytest.raises(ConfigurationError, match="less than"):
        check_await_time(milliseconds, 0.005)


@pytest.mark.parametrize(("milliseconds", "limit"), [(4, 0.005), (None, 1), (10, 0), (10, None)])
def test_it_may_wait_for_less_or_where_there_is_no_limit(milliseconds: Any, limit: Any) -> None:
    check_await_time(milliseconds, limit)
