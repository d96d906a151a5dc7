"""Connections whose caller left before the reply."""

from __future__ import annotations

import gevent
import pytest

from greenmongo._core.requests.errors import RequestBroken
from greenmongo._hub.context import Context
from greenmongo._hub.thread import HubThread
from greenmongo._net.holder import RequestHolder
from greenmongo._net.request_table import RequestTable
from tests.support.hubside import hubside, turn
from tests.support.pool_bench import bench, leave_reply_outstanding, waiting


@pytest.fixture
def holder() -> RequestHolder:
    return RequestHolder()


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
        holder.release()
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
