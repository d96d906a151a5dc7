"""The turns of those who wait for news, on connections that never come to a server."""

from __future__ import annotations

import logging

import gevent
import pytest
from bson.codec_options import DEFAULT_CODEC_OPTIONS
from gevent.hub import get_hub
from pymongo.errors import NetworkTimeout
from pymongo.read_preferences import ReadPreference

from greenmongo._core.commands.find import get_more
from greenmongo._hub.thread import HubThread
from greenmongo._net.await_checkout import checkout_to_await
from greenmongo._net.awaiting import AwaitTurns
from tests.support.hubside import hubside, turn, until
from tests.support.pool_bench import bench

MORE = get_more(
    "db",
    "c",
    7,
    address=None,
    lease=None,
    codec_options=DEFAULT_CODEC_OPTIONS,
    read_preference=ReadPreference.PRIMARY,
    max_await_time_ms=60_000,
    awaits_data=True,
)


def turns(max_pool_size: int | None) -> AwaitTurns:
    return AwaitTurns(get_hub(), ("a", 1), max_pool_size)


@hubside
def test_turns_come_in_the_order_in_which_they_are_asked_for(hub_thread: HubThread) -> None:
    it, served = turns(4), []
    it.take(None)
    it.take(None)

    def wait(number: int) -> None:
        it.take(None)
        served.append(number)
        it.give_back()

    callers = [gevent.spawn(wait, number) for number in range(5)]
    until(lambda: it.waiting_count == 5)
    it.give_back()
    gevent.joinall(callers, timeout=5)
    assert served == list(range(5))
    it.give_back()
    assert it.taken == 0


@hubside
def test_who_leaves_the_queue_takes_no_turn_along(hub_thread: HubThread) -> None:
    it = turns(2)
    it.take(None)
    first, second = gevent.spawn(it.take, None), gevent.spawn(it.take, None)
    until(lambda: it.waiting_count == 2)
    first.kill(block=False)
    # The turn is on its way to the first, who leaves before he knows.
    it.give_back()
    second.join(5)
    assert second.successful()
    third = gevent.spawn(it.take, None)
    until(lambda: it.waiting_count == 1)
    third.kill()
    assert (it.waiting_count, it.taken) == (0, 1)


@hubside
def test_the_caller_may_have_no_time_to_wait(hub_thread: HubThread) -> None:
    it = turns(2)
    it.take(None)
    with pytest.raises(NetworkTimeout):
        it.take(0.01)
    assert it.waiting_count == 0


@hubside
def test_without_a_limit_of_the_pool_there_are_no_turns(hub_thread: HubThread) -> None:
    it = turns(None)
    for _ in range(1000):
        it.take(0)
    assert it.await_time_ms(60_000) == 60_000


@hubside
def test_others_keep_half_of_the_pool(hub_thread: HubThread) -> None:
    with bench(max_size=4) as it:
        waiting = [gevent.spawn(checkout_to_await, it.pool, MORE, None, None) for _ in range(9)]
        until(lambda: it.pool.await_turns.waiting_count == 7)
        others = [it.pool.checkout(timeout=5) for _ in range(2)]
        assert it.pool.size == 4
        for connection in others:
            it.pool.checkin(connection)
        served = 0
        while waiting:
            ready = [each for each in waiting if each.ready()]
            waiting = [each for each in waiting if each not in ready]
            for each in ready:
                served += 1
                it.pool.checkin(each.get()[0])
            turn()
        assert served == 9
        assert it.pool.await_turns.taken == 0


@hubside
def test_the_more_wait_the_shorter_the_server_is_to(hub_thread: HubThread) -> None:
    with bench(max_size=40) as it:
        connection, command = checkout_to_await(it.pool, MORE, None, None)
        assert command is MORE
        waiting = [gevent.spawn(checkout_to_await, it.pool, MORE, None, None) for _ in range(39)]
        until(lambda: it.pool.await_turns.waiting_count == 20)
        it.pool.checkin(connection)
        until(lambda: sum(each.ready() for each in waiting) == 20)
        last = [each.get()[1].body["maxTimeMS"] for each in waiting if each.ready()][-1]
        assert last == 1000 * 20 // 39
        gevent.killall([each for each in waiting if not each.ready()])
        for each in waiting:
            if each.successful() and isinstance(each.value, tuple):
                it.pool.checkin(each.value[0])
        assert it.pool.await_turns.taken == 0


@hubside
def test_the_user_is_told_once(hub_thread: HubThread, caplog: pytest.LogCaptureFixture) -> None:
    it = turns(2)
    it.take(None)
    with caplog.at_level(logging.WARNING, "greenmongo.client"):
        for _ in range(3):
            with pytest.raises(NetworkTimeout):
                it.take(0)
        until(lambda: caplog.records)
        turn()
    (record,) = caplog.records
    assert "maxPoolSize=2" in record.getMessage()
