"""Callers that wait for a connection: order, limits, and leaving.

The cases are listed in tests/README.md.
"""

from __future__ import annotations

from functools import partial

import gevent
import pytest
from gevent.hub import get_hub
from pymongo.errors import AutoReconnect, WaitQueueTimeoutError

from greenmongo._core.pool_rules import PoolCleared
from greenmongo._core.requests.errors import ExceededMaxWaiters
from greenmongo._hub.thread import HubThread
from greenmongo._net.wait_queue import WaitQueue
from tests.support.hubside import hubside, open_connection, turn, until
from tests.support.pool_bench import bench, waiting


@hubside
def test_P23_the_cap_makes_callers_wait(hub_thread: HubThread) -> None:
    with bench(max_size=1) as it:
        held = it.pool.checkout()
        (caller,) = waiting(it.pool)
        turn()
        assert not caller.ready()
        it.pool.checkin(held)
        assert caller.get(timeout=5) is held
        assert it.pool.created_count == 1


@hubside
def test_those_who_came_first_are_served_first(hub_thread: HubThread) -> None:
    with bench(max_size=1) as it:
        held = it.pool.checkout()
        served: list[int] = []

        def queue(n: int) -> None:
            connection = it.pool.checkout()
            served.append(n)
            it.pool.checkin(connection)

        callers = [gevent.spawn(queue, n) for n in range(5)]
        until(lambda: it.pool.waiting_count == 5)
        it.pool.checkin(held)
        gevent.joinall(callers, timeout=5)
        assert served == list(range(5))


@hubside
def test_nobody_overtakes_the_queue(hub_thread: HubThread) -> None:
    with bench(max_size=1) as it:
        held = it.pool.checkout()
        (first,) = waiting(it.pool)
        it.pool.checkin(held)
        # The connection is on its way to the first in line, who has not run yet.
        second = gevent.spawn(it.pool.checkout)
        assert first.get(timeout=5) is held
        turn()
        assert not second.ready()
        second.kill()


@hubside
def test_P24_the_wait_may_be_limited(hub_thread: HubThread) -> None:
    with bench(max_size=1, min_size=1, wait_timeout=0.02) as it:
        until(lambda: it.pool.idle_count == 1)
        held = it.pool.checkout()
        with pytest.raises(WaitQueueTimeoutError, match=r"after 0\.02 s.*maxPoolSize: 1") as caught:
            it.pool.checkout()
        assert not isinstance(caught.value, AutoReconnect)
        assert it.pool.waiting_count == 0
        it.pool.checkin(held)
        assert it.pool.checkout() is held


@hubside
def test_the_limit_is_for_those_who_wait_not_for_whom_a_connection_is_opened(
    hub_thread: HubThread,
) -> None:
    with bench(max_connecting=2, wait_timeout=0.02) as it:
        it.may_connect.clear()
        served = waiting(it.pool, 2)
        with pytest.raises(WaitQueueTimeoutError, match=r"after 0\.02 s"):
            it.pool.checkout()
        # They came before, so their limit was over before.
        assert not any(caller.ready() for caller in served)
        it.may_connect.set()
        assert len({caller.get(timeout=5) for caller in served}) == 2


@hubside
def test_a_connection_that_is_opened_for_another_is_waited_for_as_long_as_the_limit_says(
    hub_thread: HubThread,
) -> None:
    with bench(max_size=1, wait_timeout=0.02) as it:
        it.may_connect.clear()
        (served,) = waiting(it.pool)
        with pytest.raises(WaitQueueTimeoutError):
            it.pool.checkout()
        it.may_connect.set()
        served.get(timeout=5)


@hubside
def test_the_callers_own_limit_is_for_opening_too(hub_thread: HubThread) -> None:
    with bench(wait_timeout=0.01) as it:
        it.may_connect.clear()
        with pytest.raises(WaitQueueTimeoutError, match=r"after 0\.05 s"):
            it.pool.checkout(timeout=0.05)


@hubside
def test_the_shorter_of_two_limits_counts(hub_thread: HubThread) -> None:
    with bench(max_size=1, wait_timeout=60.0) as it:
        it.pool.checkout()
        with pytest.raises(WaitQueueTimeoutError, match=r"after 0\.01 s"):
            it.pool.checkout(timeout=0.01)


@hubside
def test_P26_any_number_may_wait(hub_thread: HubThread) -> None:
    with bench(max_size=2) as it:
        held = [it.pool.checkout() for _ in range(2)]
        callers = waiting(it.pool, 30)
        turn()
        assert not any(caller.ready() for caller in callers)
        for connection in held:
            it.pool.checkin(connection)
        for caller in callers:
            it.pool.checkin(caller.get(timeout=5))


@hubside
def test_one_who_leaves_the_queue_disturbs_nobody(hub_thread: HubThread) -> None:
    with bench(max_size=1) as it:
        held = it.pool.checkout()
        one, other = waiting(it.pool, 2)
        one.kill()
        it.pool.checkin(held)
        assert other.get(timeout=5) is held


@hubside
def test_a_connection_on_its_way_to_one_who_leaves_goes_to_the_next(hub_thread: HubThread) -> None:
    with bench(max_size=1) as it:
        held = it.pool.checkout()
        one, other = waiting(it.pool, 2)
        one.kill(block=False)
        it.pool.checkin(held)
        assert other.get(timeout=5) is held
        it.pool.checkin(held)
        assert (it.pool.idle_count, it.pool.size) == (1, 1)


@hubside
def test_a_freed_connection_serves_the_queue_before_a_new_one_is_there(
    hub_thread: HubThread,
) -> None:
    with bench(max_size=2) as it:
        held = it.pool.checkout()
        it.may_connect.clear()
        (caller,) = waiting(it.pool)
        it.pool.checkin(held)
        assert caller.get(timeout=5) is held
        it.may_connect.set()


@hubside
def test_P25_so_many_may_wait_and_no_more(hub_thread: HubThread) -> None:
    with bench(max_size=2, max_waiting=6) as it:
        held = [it.pool.checkout() for _ in range(2)]
        callers = waiting(it.pool, 6)
        with pytest.raises(ExceededMaxWaiters, match=r"6 callers wait.*maxPoolSize: 2"):
            it.pool.checkout()
        it.pool.checkin(held[0])
        for caller in callers:
            it.pool.checkin(caller.get(timeout=5))


@hubside
def test_those_for_whom_a_connection_is_opened_do_not_count_as_waiting(
    hub_thread: HubThread,
) -> None:
    with bench(max_size=2, max_waiting=2) as it:
        it.may_connect.clear()
        callers = waiting(it.pool, 4)
        with pytest.raises(ExceededMaxWaiters):
            it.pool.checkout()
        it.may_connect.set()
        for caller in callers:
            it.pool.checkin(caller.get(timeout=5))


@hubside
def test_nobody_may_wait_if_the_multiple_is_zero(hub_thread: HubThread) -> None:
    with bench(max_size=1, max_waiting=0) as it:
        held = it.pool.checkout()
        with pytest.raises(ExceededMaxWaiters):
            it.pool.checkout()
        it.pool.checkin(held)
        assert it.pool.checkout() is held


@hubside
def test_a_queue_needs_no_pool(hub_thread: HubThread) -> None:
    queue = WaitQueue(get_hub(), None, TimeoutError)
    callers = [gevent.spawn(queue.wait, queue.enter(), None) for _ in range(3)]
    queue.opening = 1
    assert queue.unserved == 2
    with open_connection() as (connection, _):
        queue.serve(connection)
        assert callers[0].get(timeout=5) is connection
    queue.fail_all(partial(PoolCleared, "paused"))
    gevent.joinall(callers, timeout=5)
    assert [type(caller.exception) for caller in callers[1:]] == [PoolCleared] * 2
    assert callers[1].exception is not callers[2].exception
    assert not queue.entries


@hubside
def test_a_queue_has_its_own_error_for_those_who_waited_too_long(hub_thread: HubThread) -> None:
    queue = WaitQueue(get_hub(), 0.01, lambda waited: LookupError(f"{waited:g} s"))
    entry = queue.enter()
    with pytest.raises(LookupError, match=r"0\.01 s"):
        queue.wait(entry, None)
    assert queue.leave(entry) is None
    assert not queue.entries
