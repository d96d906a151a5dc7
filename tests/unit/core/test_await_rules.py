"""How those who wait for news share a pool."""

from __future__ import annotations

import pytest

from greenmongo._core.await_rules import await_time_ms, turns_of


@pytest.mark.parametrize(("size", "turns"), [(1, 1), (2, 1), (3, 1), (5, 2), (100, 50)])
def test_they_have_half_of_it_and_one_at_least(size: int, turns: int) -> None:
    assert turns_of(size) == turns


@pytest.mark.parametrize("asked", [None, 1, 60_000])
def test_few_wait_for_as_long_as_they_ask(asked: int | None) -> None:
    assert await_time_ms(asked, crowd=25, max_pool_size=100) == asked


def test_where_turns_run_short_nobody_holds_one_for_long() -> None:
    assert await_time_ms(60_000, crowd=26, max_pool_size=100) == 1_000
    assert await_time_ms(None, crowd=26, max_pool_size=100) is None


@pytest.mark.parametrize(
    ("crowd", "size", "milliseconds"),
    [(100, 100, 500), (500, 100, 100), (500, 5, 4), (9_000, 2, 1)],
    ids=str,
)
def test_the_more_there_are_the_shorter_they_wait(crowd: int, size: int, milliseconds: int) -> None:
    assert await_time_ms(None, crowd=crowd, max_pool_size=size) == milliseconds
    assert await_time_ms(60_000, crowd=crowd, max_pool_size=size) == milliseconds


def test_nobody_waits_for_longer_than_he_asks() -> None:
    assert await_time_ms(2, crowd=500, max_pool_size=100) == 2


@pytest.mark.parametrize("asked", [None, 60_000])
def test_the_only_connection_is_soon_free_for_others(asked: int | None) -> None:
    assert await_time_ms(asked, crowd=1, max_pool_size=1) == 100
