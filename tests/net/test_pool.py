"""The pool of one server: what is idle, cleared and closed.

The cases are listed in tests/README.md.
"""

from __future__ import annotations

import pytest

from greenmongo._core.pool_rules import PoolCleared, PoolState
from greenmongo._hub.thread import HubThread
from tests.support.hubside import hubside, op_msg, until
from tests.support.pool_bench import bench, waiting, warm_up


@hubside
def test_P01_two_checkouts_differ(hub_thread: HubThread) -> None:
    with bench() as it:
        one, other = it.pool.checkout(), it.pool.checkout()
        assert one is not other
        assert (it.pool.idle_count, it.pool.size) == (0, 2)
        it.pool.checkin(one)
        it.pool.checkin(other)
        assert (it.pool.idle_count, it.pool.size) == (2, 2)


@hubside
def test_P09_an_open_connection_is_reused(hub_thread: HubThread) -> None:
    with bench() as it:
        (connection,) = warm_up(it.pool, 1)
        assert it.pool.checkout() is connection
        assert it.pool.created_count == 1


@hubside
def test_the_connection_used_last_is_taken_first(hub_thread: HubThread) -> None:
    with bench() as it:
        one, other = warm_up(it.pool, 2)
        assert it.pool.checkout() is other
        assert it.pool.checkout() is one


@hubside
@pytest.mark.parametrize("what", ["end", "message"])
def test_P10_a_dead_idle_connection_is_replaced(hub_thread: HubThread, what: str) -> None:
    with bench() as it:
        (dead,) = warm_up(it.pool, 1)
        if what == "end":
            it.peers[1].close()
        else:
            it.peers[1].send(op_msg(1))
        until(lambda: not it.pool.size)
        connection = it.pool.checkout()
        assert connection is not dead
        it.pool.checkin(connection)
        assert it.pool.idle_count == 1


@hubside
def test_an_idle_connection_is_not_kept_for_ever(hub_thread: HubThread) -> None:
    with bench(max_idle_time=10.0) as it:
        old, fresh = warm_up(it.pool, 2)
        old.idle_since -= 11.0
        assert it.pool.checkout() is fresh
        assert it.pool.checkout() is not old
        assert not old.stream.is_open


@hubside
def test_tidying_up_closes_the_old_and_opens_the_missing(hub_thread: HubThread) -> None:
    with bench(max_idle_time=10.0, min_size=2) as it:
        until(lambda: it.pool.idle_count == 2)
        old = it.pool.checkout()
        it.pool.checkin(old)
        old.idle_since -= 11.0
        it.pool.tidy_up()
        assert not old.stream.is_open
        until(lambda: it.pool.idle_count == 2)
        assert it.pool.created_count == 3


@hubside
def test_P17_a_connection_returned_after_a_clear_is_closed(hub_thread: HubThread) -> None:
    with bench() as it:
        connection = it.pool.checkout()
        it.pool.clear()
        it.pool.ready()
        it.pool.checkin(connection)
        assert not connection.stream.is_open
        assert (it.pool.idle_count, it.pool.size) == (0, 0)


@hubside
def test_a_connection_opened_across_a_clear_is_closed(hub_thread: HubThread) -> None:
    with bench() as it:
        it.may_connect.clear()
        (caller,) = waiting(it.pool)
        it.pool.clear()
        it.may_connect.set()
        with pytest.raises(PoolCleared):
            caller.get(timeout=5)
        until(lambda: not it.pool.size)
        assert it.peers[1].is_hung_up()


@hubside
def test_a_cleared_pool_lets_nobody_in_until_its_server_is_healthy(hub_thread: HubThread) -> None:
    with bench(max_size=1) as it:
        held = it.pool.checkout()
        callers = waiting(it.pool, 2)
        it.pool.clear(OSError("it broke"))
        problems = []
        for caller in callers:
            with pytest.raises(PoolCleared, match=r"paused .it broke") as caught:
                caller.get(timeout=5)
            problems.append(caught.value)
        assert problems[0] is not problems[1]  # Each has the traceback of one caller.
        with pytest.raises(PoolCleared, match="paused"):
            it.pool.checkout()
        it.pool.ready()
        it.pool.checkin(held)
        assert it.pool.checkout() is not held


@hubside
def test_clearing_twice_makes_everything_stale_twice(hub_thread: HubThread) -> None:
    with bench() as it:
        it.pool.clear()
        it.pool.clear()
        assert (it.pool.generation, it.pool.state) == (2, PoolState.PAUSED)


@hubside
def test_a_closed_pool_closes_everything_and_stays_closed(hub_thread: HubThread) -> None:
    with bench(max_size=2) as it:
        (idle,) = warm_up(it.pool, 1)
        held = it.pool.checkout()
        assert held is idle
        it.may_connect.clear()
        (caller,) = waiting(it.pool)
        it.pool.close()
        it.pool.clear()
        it.pool.ready()
        with pytest.raises(PoolCleared, match="closed"):
            caller.get(timeout=5)
        with pytest.raises(PoolCleared, match="closed"):
            it.pool.checkout()
        it.pool.checkin(held)
        it.may_connect.set()
        until(lambda: not it.pool.size)
        assert all(peer.is_hung_up() for peer in it.peers.values())


@hubside
def test_a_pool_tells_what_it_is(hub_thread: HubThread) -> None:
    with bench() as it:
        warm_up(it.pool, 2)
        assert repr(it.pool) == "<Pool peer:27017 ready: 2 connections, 2 idle, 0 waiting>"
