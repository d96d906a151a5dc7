"""Timers of the hub that are late, because somebody held it or the process stood still."""

from __future__ import annotations

import os
from collections.abc import Iterator
from time import monotonic

import gevent
import pytest
from gevent.event import Event
from gevent.hub import get_hub

from greenmongo._hub.late_timer import GRACE, LateTimer
from greenmongo._hub.native import sleep
from greenmongo._hub.thread import HubThread
from tests.support.hubside import hubside


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Provide both ends of a pipe."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def hold_the_hub(seconds: float) -> None:
    sleep(seconds)


@hubside
def test_io_that_has_happened_comes_before_a_limit_that_is_over(
    hub_thread: HubThread, pipe: tuple[int, int]
) -> None:
    """F05: however long the hub was held."""
    reading, writing = pipe

    def write_and_hold() -> None:
        os.write(writing, b"x")
        hold_the_hub(0.05)

    gevent.spawn(write_and_hold)
    watcher = get_hub().loop.io(reading, 1)
    with gevent.Timeout(0.01):
        get_hub().wait(watcher)
    watcher.close()


@hubside
def test_who_answers_in_several_steps_has_the_time_that_a_limit_was_late(
    hub_thread: HubThread,
) -> None:
    """F05: an answer that takes a few more turns of the loop is not lost either."""
    done = Event()

    def answer() -> None:
        hold_the_hub(0.3)
        for _ in range(5):
            gevent.sleep(0.001)
        done.set()

    gevent.spawn(answer)
    with gevent.Timeout(0.2):
        done.wait()


@hubside
def test_a_limit_is_enforced_soon_after_a_standstill(hub_thread: HubThread) -> None:
    """F05: it gets the time back that it was late, but never more than it had."""
    began = monotonic()
    gevent.spawn(hold_the_hub, 0.2)
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.02):
        Event().wait()
    assert 0.2 <= monotonic() - began < 0.2 + GRACE
    assert not Event().wait(0.001)


@hubside
def test_a_timer_that_was_stopped_or_closed_does_not_call_back(hub_thread: HubThread) -> None:
    calls: list[str] = []
    loop = get_hub().loop
    stopped, closed, expired = timers = [LateTimer(loop.timer, 0.001) for _ in range(3)]
    for timer in timers:
        timer.start(calls.append, "called")
        assert timer.active
    stopped.stop()
    closed.close()
    # It has expired, and is stopped while it looks whether something has arrived.
    gevent.spawn(hold_the_hub, 0.05)
    gevent.sleep(0)
    gevent.sleep(0)
    expired.stop()
    assert not expired.active
    gevent.sleep(0.1)
    assert calls == []
    stopped.start(calls.append, "again")
    gevent.sleep(0.05)
    assert calls == ["again"]
    assert not stopped.pending
    for timer in timers:
        timer.close()
