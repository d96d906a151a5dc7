"""Connections that are established: for those who wait, and for minPoolSize.

The cases are listed in tests/README.md.
"""

from __future__ import annotations

import pytest
from pymongo.errors import AutoReconnect

from greenmongo._hub.thread import HubThread
from tests.support.hubside import hubside, turn, until
from tests.support.pool_bench import bench, waiting


@hubside
def test_a_connection_opened_for_one_who_left_is_kept_for_others(hub_thread: HubThread) -> None:
    with bench(max_size=1) as it:
        it.may_connect.clear()
        (caller,) = waiting(it.pool)
        caller.kill()
        it.may_connect.set()
        until(lambda: it.pool.idle_count == 1)
        assert it.pool.created_count == 1


@hubside
def test_only_so_many_connections_are_opened_at_once(hub_thread: HubThread) -> None:
    with bench(max_size=10, max_connecting=3) as it:
        it.may_connect.clear()
        callers = waiting(it.pool, 5)
        turn()
        assert it.pool.size == 3
        it.may_connect.set()
        assert len({id(caller.get(timeout=5)) for caller in callers}) == 5


@hubside
def test_P27_a_failed_connect_frees_its_place(hub_thread: HubThread) -> None:
    with bench(max_size=1, wait_timeout=10.0) as it:
        it.failure = AutoReconnect("refused")
        for _ in range(2):
            with pytest.raises(AutoReconnect, match="refused"):
                it.pool.checkout()
        assert it.connect_errors == [it.failure] * 2
        assert it.pool.size == 0
        it.failure = None
        assert it.pool.checkout().is_usable


@hubside
def test_the_first_in_line_gets_the_error_and_the_next_another_try(hub_thread: HubThread) -> None:
    with bench(max_size=1) as it:
        it.failure = AutoReconnect("refused")
        it.may_connect.clear()
        one, other = waiting(it.pool, 2)
        it.may_connect.set()
        with pytest.raises(AutoReconnect):
            one.get(timeout=5)
        with pytest.raises(AutoReconnect):
            other.get(timeout=5)
        assert it.pool.created_count == 2


@hubside
def test_callers_get_what_is_opened_for_the_minimum(hub_thread: HubThread) -> None:
    """D05: the hello is slow, and two callers come: two connections, not three."""
    with bench(min_size=2, max_connecting=3, max_size=5) as it:
        it.may_connect.clear()
        until(lambda: it.pool.created_count == 2)
        callers = waiting(it.pool, 2)
        turn()
        it.may_connect.set()
        assert len({id(caller.get(timeout=10)) for caller in callers}) == 2
        assert it.pool.created_count == it.pool.size == 2


@hubside
def test_callers_beyond_the_minimum_get_connections_of_their_own(hub_thread: HubThread) -> None:
    """D05: two callers, and one connection that is being opened for the minimum."""
    with bench(min_size=1, max_connecting=3, max_size=5) as it:
        it.may_connect.clear()
        until(lambda: it.pool.created_count == 1)
        callers = waiting(it.pool, 2)
        until(lambda: it.pool.created_count == 2)
        it.may_connect.set()
        assert len({id(caller.get(timeout=10)) for caller in callers}) == 2
        assert it.pool.created_count == it.pool.size == 2


@hubside
def test_the_error_of_the_minimum_is_told_to_a_caller_who_counts_on_it(
    hub_thread: HubThread,
) -> None:
    """D05: otherwise it would wait for a connection that nobody opens."""
    with bench(min_size=1, max_size=1) as it:
        it.failure = AutoReconnect("refused")
        it.may_connect.clear()
        until(lambda: it.pool.created_count == 1)
        (caller,) = waiting(it.pool)
        it.may_connect.set()
        with pytest.raises(AutoReconnect, match="refused"):
            caller.get(timeout=10)


@hubside
def test_the_minimum_is_opened_as_soon_as_the_server_is_healthy(hub_thread: HubThread) -> None:
    with bench(min_size=3) as it:
        until(lambda: it.pool.idle_count == 3)
        assert it.pool.size == 3
