from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable
from threading import Event, Thread

import gevent
import pytest
from greenlet import getcurrent, greenlet

from tests.support.fix_leaks import (
    Snapshot,
    check_leaks,
    leftovers,
    take_snapshot,
    wait_until,
)
from tests.support.fix_scripted import ScriptedServer

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")

LeakCheck = Callable[[Snapshot], None]


def new_since(before: Snapshot) -> list[str]:
    return [line.split()[0] for line in leftovers(before, take_snapshot())]


@on_linux
def test_an_open_socket_is_found_until_it_is_closed(leak_check: LeakCheck) -> None:
    before = take_snapshot()
    with socket.socket():
        assert new_since(before) == ["socket"]
    leak_check(before)


@on_linux
def test_a_thread_is_found_until_it_has_ended(leak_check: LeakCheck) -> None:
    before, ended = take_snapshot(), Event()
    thread = Thread(target=ended.wait)
    thread.start()
    assert "thread" in new_since(before)
    ended.set()
    leak_check(before)
    thread.join()


def test_a_suspended_greenlet_is_found_until_it_has_ended(leak_check: LeakCheck) -> None:
    before = take_snapshot()
    child = greenlet(getcurrent().switch)
    assert new_since(before) == []
    child.switch()
    assert new_since(before) == ["greenlet"]
    child.switch()
    leak_check(before)


def test_a_greenlet_that_is_about_to_end_is_waited_for(leak_check: LeakCheck) -> None:
    gevent.get_hub()
    before = take_snapshot()
    child = gevent.spawn(gevent.sleep, 0.05)
    gevent.sleep(0)
    assert new_since(before) == ["greenlet"]
    leak_check(before)
    assert child.dead


def test_a_pending_task_is_found_until_it_is_done(leak_check: LeakCheck) -> None:
    async def main() -> list[str]:
        before = take_snapshot()
        task = asyncio.create_task(asyncio.sleep(60))
        found = new_since(before)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        leak_check(before)
        return found

    assert asyncio.run(main()) == ["task"]


@on_linux
def test_what_is_left_is_named() -> None:
    before = take_snapshot()
    with socket.socket(), pytest.raises(pytest.fail.Exception, match=r"socket:\[\d+\] \(descr"):
        check_leaks(before, timeout=0)


@pytest.mark.usefixtures("no_leaks")
def test_the_fakes_leave_nothing_behind(scripted_server: ScriptedServer) -> None:
    with socket.create_connection(scripted_server.address):
        scripted_server.wait_for(lambda: scripted_server.open_connections)


def test_waiting_ends_with_the_condition_or_the_timeout() -> None:
    looks = iter([False, False, True])
    wait_until(lambda: next(looks))
    with pytest.raises(TimeoutError):
        wait_until(lambda: False, timeout=0)
