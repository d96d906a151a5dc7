"""Connections that a request keeps between its operations.

The cases are listed in tests/README.md.
"""

from __future__ import annotations

import pytest
from pymongo.errors import WaitQueueTimeoutError

from greenmongo._core.requests.errors import RequestBroken
from greenmongo._hub.context import Context
from greenmongo._hub.thread import HubThread
from greenmongo._net.holder import RequestHolder
from greenmongo._net.request_table import RequestTable
from tests.support.hubside import hubside, until
from tests.support.pool_bench import bench, waiting, warm_up


@pytest.fixture
def holder() -> RequestHolder:
    return RequestHolder()


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
        holder.release()
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
        holder.release()
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
        holder.release()
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
        holder.release()
        assert (it.pool.idle_count, it.pool.size) == (1, 1)


@hubside
def test_P20_a_request_may_end_without_a_connection(
    hub_thread: HubThread, holder: RequestHolder
) -> None:
    with bench() as it:
        broken = it.pool.checkout(holder)
        broken.close()
        it.pool.checkin(broken)
        holder.release()
        assert (it.pool.idle_count, it.pool.size) == (0, 0)


@hubside
def test_P21_a_closed_connection_never_becomes_idle(
    hub_thread: HubThread, holder: RequestHolder
) -> None:
    with bench() as it:
        bound = it.pool.checkout(holder)
        it.pool.checkin(bound)
        bound.close()
        holder.release()
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
        holder.release()
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
        holder.release()
        it.pool.checkin(it.pool.checkout())


@hubside
def test_the_end_of_a_request_serves_the_line(hub_thread: HubThread, holder: RequestHolder) -> None:
    with bench(max_size=1) as it:
        bound = it.pool.checkout(holder)
        it.pool.checkin(bound)
        (caller,) = waiting(it.pool)
        holder.release()
        assert caller.get(timeout=5) is bound


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
