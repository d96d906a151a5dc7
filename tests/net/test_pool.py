"""The pool of one server: checkouts, limits, the wait queue, clears.

The cases are listed in tests/README.md.
"""

from __future__ import annotations

import gevent
import pytest
from pymongo.errors import AutoReconnect, WaitQueueTimeoutError

from greenmongo._core.pool_rules import PoolCleared, PoolState
from greenmongo._core.requests.errors import ExceededMaxWaiters, RequestBroken
from greenmongo._hub.context import Context
from greenmongo._hub.thread import HubThread
from greenmongo._net.holder import RequestHolder
from greenmongo._net.request_table import RequestTable
from tests.support.hubside import hubside, op_msg, turn, until
from tests.support.pool_bench import bench, leave_reply_outstanding, waiting, warm_up

# -- without requests ------------------------------------------------------------------------------


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


# -- the line --------------------------------------------------------------------------------------


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
def test_nobody_overtakes_the_line(hub_thread: HubThread) -> None:
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
def test_the_limit_is_for_those_in_line_not_for_whom_a_connection_is_opened(
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
def test_one_who_leaves_the_line_disturbs_nobody(hub_thread: HubThread) -> None:
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
def test_a_connection_opened_for_one_who_left_is_kept_for_others(hub_thread: HubThread) -> None:
    with bench(max_size=1) as it:
        it.may_connect.clear()
        (caller,) = waiting(it.pool)
        caller.kill()
        it.may_connect.set()
        until(lambda: it.pool.idle_count == 1)
        assert it.pool.created_count == 1


@hubside
def test_a_freed_connection_serves_the_line_before_a_new_one_is_there(
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
def test_a_caller_does_not_count_on_what_is_opened_for_the_minimum(hub_thread: HubThread) -> None:
    with bench(min_size=1, max_connecting=2, max_size=3) as it:
        it.may_connect.clear()
        until(lambda: it.pool.created_count == 1)
        waiting(it.pool)
        until(lambda: it.pool.created_count == 2)
        it.may_connect.set()
        until(lambda: it.pool.idle_count == 1)
        assert it.pool.size == 2


@hubside
def test_the_minimum_is_opened_as_soon_as_the_server_is_healthy(hub_thread: HubThread) -> None:
    with bench(min_size=3) as it:
        until(lambda: it.pool.idle_count == 3)
        assert it.pool.size == 3


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


# -- requests --------------------------------------------------------------------------------------


@pytest.fixture
def holder() -> RequestHolder:
    holder = RequestHolder()
    holder.affinity = holder.affinity.started()
    return holder


def end(holder: RequestHolder) -> None:
    for pool, connection in list(holder.bound.items()):
        holder.unbind(pool)
        pool.release(connection)


@hubside
def test_P02_a_request_keeps_its_connection(hub_thread: HubThread, holder: RequestHolder) -> None:
    with bench() as it:
        connection = it.pool.checkout(holder)
        it.pool.checkin(connection)
        assert it.pool.idle_count == 0
        assert it.pool.checkout(holder) is connection
        assert it.pool.checkout() is not connection


@hubside
def test_P03_the_end_gives_the_connection_back(
    hub_thread: HubThread, holder: RequestHolder
) -> None:
    with bench() as it:
        connection = it.pool.checkout(holder)
        it.pool.checkin(connection)
        end(holder)
        assert it.pool.idle_count == 1
        assert it.pool.checkout() is connection
        assert it.pool.checkout() is not connection


@hubside
def test_P06_binding_prefers_an_idle_connection(
    hub_thread: HubThread, holder: RequestHolder
) -> None:
    with bench() as it:
        (connection,) = warm_up(it.pool, 1)
        assert it.pool.checkout(holder) is connection


@hubside
@pytest.mark.parametrize("strict", [False, True])
def test_P12_a_dead_bound_connection_is_replaced(
    hub_thread: HubThread, holder: RequestHolder, strict: bool
) -> None:
    with bench() as it:
        holder.strict = strict
        dead = it.pool.checkout(holder)
        it.pool.checkin(dead)
        it.peers[1].close()
        until(lambda: not it.pool.size)
        if strict:
            with pytest.raises(RequestBroken):
                it.pool.checkout(holder)
        connection = it.pool.checkout(holder)
        it.pool.checkin(connection)
        assert connection is not dead
        assert it.pool.checkout(holder) is connection
        it.pool.checkin(connection)
        assert it.pool.idle_count == 0
        end(holder)
        assert it.pool.idle_count == 1


@hubside
def test_P16_a_clear_closes_the_idle_at_once_and_the_bound_at_its_next_use(
    hub_thread: HubThread, holder: RequestHolder
) -> None:
    with bench() as it:
        bound = it.pool.checkout(holder)
        (idle,) = warm_up(it.pool, 1)
        it.pool.checkin(bound)
        it.pool.clear()
        assert not idle.stream.is_open
        assert bound.stream.is_open
        it.pool.ready()
        fresh = it.pool.checkout(holder)
        assert fresh not in (bound, idle)
        assert not bound.stream.is_open
        assert holder.last_bound is fresh


@hubside
def test_P18_a_request_ended_across_a_clear_gives_nothing_back(
    hub_thread: HubThread, holder: RequestHolder
) -> None:
    with bench() as it:
        bound = it.pool.checkout(holder)
        it.pool.checkin(bound)
        it.pool.clear()
        it.pool.ready()
        end(holder)
        assert not bound.stream.is_open
        assert (it.pool.idle_count, it.pool.size) == (0, 0)


@hubside
def test_P19_a_request_whose_connection_broke_in_use_binds_another(
    hub_thread: HubThread, holder: RequestHolder
) -> None:
    with bench() as it:
        holder.strict = True  # The operation itself tells; nothing is left to be told.
        broken = it.pool.checkout(holder)
        broken.close()
        it.pool.checkin(broken)
        assert (holder.bound, it.pool.size) == ({}, 0)
        fresh = it.pool.checkout(holder)
        it.pool.checkin(fresh)
        assert it.pool.checkout(holder) is fresh
        it.pool.checkin(fresh)
        end(holder)
        assert (it.pool.idle_count, it.pool.size) == (1, 1)


@hubside
def test_P20_a_request_may_end_without_a_connection(
    hub_thread: HubThread, holder: RequestHolder
) -> None:
    with bench() as it:
        broken = it.pool.checkout(holder)
        broken.close()
        it.pool.checkin(broken)
        end(holder)
        assert (it.pool.idle_count, it.pool.size) == (0, 0)


@hubside
def test_P21_a_closed_connection_never_becomes_idle(
    hub_thread: HubThread, holder: RequestHolder
) -> None:
    with bench() as it:
        bound = it.pool.checkout(holder)
        it.pool.checkin(bound)
        bound.close()
        end(holder)
        assert (it.pool.idle_count, it.pool.size) == (0, 0)


@hubside
def test_P28_replacing_a_connection_keeps_its_place(
    hub_thread: HubThread, holder: RequestHolder
) -> None:
    with bench(max_size=1, wait_timeout=10.0) as it:
        bound = it.pool.checkout(holder)
        it.pool.checkin(bound)
        bound.close()
        fresh = it.pool.checkout(holder)
        it.pool.checkin(fresh)
        end(holder)
        assert it.pool.checkout() is fresh


@hubside
def test_a_request_holds_its_place_between_operations(
    hub_thread: HubThread, holder: RequestHolder
) -> None:
    with bench(max_size=1, min_size=1, wait_timeout=0.01) as it:
        until(lambda: it.pool.idle_count == 1)
        it.pool.checkin(it.pool.checkout(holder))
        with pytest.raises(WaitQueueTimeoutError):
            it.pool.checkout()
        it.pool.checkin(it.pool.checkout(holder))
        end(holder)
        it.pool.checkin(it.pool.checkout())


@hubside
def test_the_end_of_a_request_serves_the_line(hub_thread: HubThread, holder: RequestHolder) -> None:
    with bench(max_size=1) as it:
        bound = it.pool.checkout(holder)
        it.pool.checkin(bound)
        (caller,) = waiting(it.pool)
        end(holder)
        assert caller.get(timeout=5) is bound


# -- callers that leave before the reply -----------------------------------------------------------


@hubside
def test_a_connection_with_a_reply_outstanding_is_drained_once(hub_thread: HubThread) -> None:
    with bench() as it:
        connection = it.pool.checkout()
        leave_reply_outstanding(connection)
        it.pool.checkin(connection)
        it.pool.checkin(connection)
        assert it.draining == [connection]
        assert it.pool.idle_count == 0
        connection.pending = None
        it.pool.drained(connection)
        assert it.pool.idle_count == 1


@hubside
def test_a_connection_that_could_not_be_drained_is_replaced(hub_thread: HubThread) -> None:
    with bench(max_size=1) as it:
        connection = it.pool.checkout()
        leave_reply_outstanding(connection)
        it.pool.checkin(connection)
        (caller,) = waiting(it.pool)
        connection.close()
        it.pool.drained(connection)
        assert caller.get(timeout=5) is not connection


@hubside
def test_a_request_waits_for_its_own_late_reply(
    hub_thread: HubThread, holder: RequestHolder
) -> None:
    with bench() as it:
        connection = it.pool.checkout(holder)
        leave_reply_outstanding(connection)
        it.pool.checkin(connection)
        later = gevent.spawn(it.pool.checkout, holder)
        turn()
        assert not later.ready()
        connection.pending = None
        it.pool.drained(connection)
        assert later.get(timeout=5) is connection


@hubside
def test_a_request_takes_another_connection_when_the_late_reply_never_comes(
    hub_thread: HubThread, holder: RequestHolder
) -> None:
    with bench() as it:
        connection = it.pool.checkout(holder)
        leave_reply_outstanding(connection)
        it.pool.checkin(connection)
        later = gevent.spawn(it.pool.checkout, holder)
        turn()
        connection.close()
        it.pool.drained(connection)
        fresh = later.get(timeout=5)
        assert fresh is not connection
        assert holder.bound == {it.pool: fresh}


@hubside
def test_nobody_waits_for_a_late_reply_beyond_the_end_of_the_request(
    hub_thread: HubThread,
) -> None:
    table, context = RequestTable(hub_thread), Context("test")
    table.start(context)
    holder = table.holders[context.token]
    with bench() as it:
        connection = it.pool.checkout(holder)
        leave_reply_outstanding(connection)
        it.pool.checkin(connection)
        later = gevent.spawn(it.pool.checkout, holder)
        turn()
        table.clear()
        assert later.get(timeout=5) is not connection


@hubside
def test_a_request_that_ends_while_its_late_reply_is_outstanding_lets_go_of_it(
    hub_thread: HubThread, holder: RequestHolder
) -> None:
    with bench() as it:
        connection = it.pool.checkout(holder)
        leave_reply_outstanding(connection)
        it.pool.checkin(connection)
        end(holder)
        assert it.pool.idle_count == 0
        connection.pending = None
        it.pool.drained(connection)
        assert it.pool.idle_count == 1


@hubside
def test_a_strict_request_is_told_that_the_late_reply_never_came(
    hub_thread: HubThread, holder: RequestHolder
) -> None:
    with bench() as it:
        holder.strict = True
        connection = it.pool.checkout(holder)
        leave_reply_outstanding(connection)
        it.pool.checkin(connection)
        connection.close()
        it.pool.drained(connection)
        with pytest.raises(RequestBroken):
            it.pool.checkout(holder)
        assert it.pool.checkout(holder) is not connection


@hubside
def test_a_strict_request_is_told_that_its_server_has_left(
    hub_thread: HubThread, holder: RequestHolder
) -> None:
    holder.strict = True
    with bench() as it, bench() as other:
        it.pool.checkin(it.pool.checkout(holder))
        it.pool.close()
        with pytest.raises(RequestBroken):
            other.pool.checkout(holder)
        assert other.pool.checkout(holder).holder is holder


@hubside
def test_a_request_that_ended_while_its_operation_was_in_line_binds_nothing(
    hub_thread: HubThread,
) -> None:
    table, context = RequestTable(hub_thread), Context("test")
    table.start(context)
    with bench(max_size=1) as it:
        held = it.pool.checkout()
        (caller,) = waiting(it.pool, holder=table.holders[context.token])
        table.forget(context.token)
        it.pool.checkin(held)
        it.pool.checkin(caller.get(timeout=5))
        assert it.pool.idle_count == 1


@hubside
def test_a_pool_tells_what_it_is(hub_thread: HubThread) -> None:
    with bench() as it:
        warm_up(it.pool, 2)
        assert repr(it.pool) == "<Pool peer:27017 ready: 2 connections, 2 idle, 0 waiting>"
