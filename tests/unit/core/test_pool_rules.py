from __future__ import annotations

from dataclasses import replace

import pytest

from greenmongo._core.options import ClientOptions
from greenmongo._core.pool_rules import (
    CONNECTION_CHANGES,
    ConnectionState,
    PoolLimits,
    has_perished,
    may_connect,
)

LIMITS = PoolLimits(max_size=3, min_size=0, max_connecting=2, max_idle_time=None, wait_timeout=None)


def test_a_closed_connection_is_closed_for_good_and_any_other_can_be_closed() -> None:
    for state in ConnectionState:
        can_be_closed = ConnectionState.CLOSED in CONNECTION_CHANGES[state]
        assert can_be_closed is (state is not ConnectionState.CLOSED)
    assert not CONNECTION_CHANGES[ConnectionState.CLOSED]


def test_the_limits_are_the_clients_options() -> None:
    options = ClientOptions.build(
        "mongodb://h/?maxPoolSize=7&minPoolSize=2&maxConnecting=3"
        "&maxIdleTimeMS=1500&waitQueueTimeoutMS=250"
    )
    assert PoolLimits.of(options) == PoolLimits(7, 2, 3, 1.5, 0.25)


def test_a_pool_size_of_zero_means_no_limit() -> None:
    assert PoolLimits.of(ClientOptions.build("mongodb://h/?maxPoolSize=0")).max_size is None


@pytest.mark.parametrize(
    ("generation", "idle_for", "max_idle_time", "expected"),
    [
        (4, 0.0, None, False),
        (4, 1e9, None, False),
        (3, 0.0, None, True),
        (4, 9.9, 10.0, False),
        (4, 10.1, 10.0, True),
        (3, 9.9, 10.0, True),
    ],
)
def test_a_connection_perishes_when_stale_or_idle_for_too_long(
    generation: int, idle_for: float, max_idle_time: float | None, expected: bool
) -> None:
    limits = replace(LIMITS, max_idle_time=max_idle_time)
    assert expected is has_perished(
        generation=generation, current_generation=4, idle_for=idle_for, limits=limits
    )


@pytest.mark.parametrize(
    ("total", "connecting", "expected"),
    [(0, 0, True), (1, 1, True), (2, 2, False), (2, 0, True), (2, 1, True), (3, 0, False)],
)
def test_connections_are_opened_within_the_limits(
    total: int, connecting: int, expected: bool
) -> None:
    assert expected is may_connect(total=total, connecting=connecting, limits=LIMITS)


def test_without_a_limit_any_number_may_be_open() -> None:
    limits = replace(LIMITS, max_size=None)
    assert may_connect(total=10_000, connecting=0, limits=limits)
