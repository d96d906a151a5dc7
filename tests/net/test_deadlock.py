"""Requests that hold one member's connections and wait for another's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import gevent
import pytest
from gevent import Greenlet
from pymongo.read_preferences import Secondary

from greenmongo import Database
from greenmongo._core.requests.errors import RequestBroken
from greenmongo._hub.thread import HubThread
from greenmongo._net.connection import Connection
from greenmongo._net.holder import Holder, RequestHolder
from greenmongo._net.pool import Pool
from tests.support.fix_doors import Door
from tests.support.fix_hub import Connect
from tests.support.fix_scripted import FakeReplicaSet
from tests.support.hubside import hubside, turn
from tests.support.pool_bench import bench, leave_reply_outstanding


def bound(holder: RequestHolder, pool: Pool) -> Connection:
    """Bind a connection, as an operation that is over does."""
    connection = pool.checkout(holder)
    pool.checkin(connection)
    return connection


def spawn(holder: Holder, pool: Pool) -> Greenlet[..., Connection]:
    greenlet: Greenlet[..., Connection] = gevent.spawn(partial(pool.checkout, holder))
    turn()
    return greenlet


@contextmanager
def two_pools() -> Iterator[tuple[Pool, Pool]]:
    with bench(max_size=1) as one, bench(max_size=1) as other:
        yield one.pool, other.pool


@hubside
def test_one_of_two_requests_that_wait_for_each_other_gives_way(hub_thread: HubThread) -> None:
    mine, yours = RequestHolder(), RequestHolder()
    with two_pools() as (here, there):
        kept = bound(mine, here)
        bound(yours, there)
        first = spawn(mine, there)
        assert not first.ready()
        second = spawn(yours, here)
        assert second.get(timeout=5) is kept
        here.checkin(kept)
        assert not first.ready()
        # When you are done there, I go on.
        for pool, connection in list(yours.bound.items()):
            yours.unbind(pool)
            pool.release(connection)
        assert first.get(timeout=5) is not kept


@hubside
def test_a_strict_request_gives_way_last_and_is_told(hub_thread: HubThread) -> None:
    strict, other = RequestHolder(), RequestHolder()
    strict.strict = True
    with two_pools() as (here, there), bench(max_size=2) as third:
        kept, given = bound(strict, third.pool), bound(other, third.pool)
        bound(RequestHolder(), here)
        bound(RequestHolder(), there)
        holders = [holder for pool in (here, there) for holder in owners(pool)]
        spawn(strict, here)
        spawn(other, there)
        waiting = [spawn(holder, third.pool) for holder in holders]
        served = gevent.wait(waiting, timeout=5, count=1)
        assert [each.get() for each in served] == [given]
        assert strict.bound == {third.pool: kept}
        assert not strict.is_broken


@hubside
def test_a_strict_request_that_had_to_give_way_is_told(hub_thread: HubThread) -> None:
    mine, yours = RequestHolder(), RequestHolder()
    mine.strict = yours.strict = True
    with two_pools() as (here, there):
        bound(mine, here)
        bound(yours, there)
        first = spawn(mine, there)
        here.checkin(spawn(yours, here).get(timeout=5))
        first.kill()
        with pytest.raises(RequestBroken):
            here.checkout(mine)


@hubside
def test_nobody_gives_way_while_somebody_is_at_work(hub_thread: HubThread) -> None:
    mine, yours = RequestHolder(), RequestHolder()
    with two_pools() as (here, there):
        kept = bound(mine, here)
        busy = there.checkout(yours)
        waiting = [spawn(mine, there), spawn(RequestHolder(), here)]
        turn()
        assert not any(each.ready() for each in waiting)
        assert mine.bound == {here: kept}
        there.checkin(busy)
        turn()
        assert not any(each.ready() for each in waiting)
        gevent.killall(waiting)


@hubside
def test_the_late_reply_of_one_who_waits_elsewhere_may_be_the_last_thing(
    hub_thread: HubThread,
) -> None:
    mine, yours = RequestHolder(), RequestHolder()
    with two_pools() as (here, there):
        left = here.checkout(mine)
        leave_reply_outstanding(left)
        here.checkin(left)
        bound(yours, there)
        waiting = [spawn(mine, there), spawn(yours, here)]
        assert not any(each.ready() for each in waiting)
        left.pending = None
        here.drained(left)
        assert gevent.wait(waiting, timeout=5, count=1)
        gevent.killall(waiting)


def owners(pool: Pool) -> list[Holder]:
    return [each.holder for each in pool.connections if each.holder is not None]


def test_requests_that_read_here_and_there_all_come_to_an_end(
    client_of: Connect, door: Door
) -> None:
    with FakeReplicaSet(members=2) as replica_set:
        client = client_of(replica_set.uri, maxPoolSize=1)
        primary, secondary = client.test, client.get_database("test", None, Secondary())
        both_have_one = door.barrier(2)

        def request(*databases: Database[dict[str, Any]]) -> bool:
            with client.start_request():
                for database in databases:
                    database.things.find_one()
                    if database is databases[0]:
                        both_have_one()
                return client.in_request()

        one, other = partial(request, primary, secondary), partial(request, secondary, primary)
        assert door.gather(one, other) == [True, True]
