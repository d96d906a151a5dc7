from __future__ import annotations

import gc
import logging
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
from gevent.event import Event

from greenmongo._hub import native, watchdog
from greenmongo._hub.native import allocate_lock
from greenmongo._hub.process import acquire
from greenmongo._hub.thread import HubThread
from greenmongo._hub.watchdog import Watchdog, never_blocks
from tests.support.fix_doors import start
from tests.support.fix_hub import run_script
from tests.support.fix_leaks import wait_until


class Told(logging.Handler):
    """Keeps what the watchdog has to say."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@pytest.fixture
def told() -> Any:
    """Listen to the watchdog, and keep its words out of the test's log."""
    handler, logger = Told(), logging.getLogger("greenmongo.hub")
    logger.addHandler(handler)
    propagate, logger.propagate = logger.propagate, False
    yield handler.messages
    logger.removeHandler(handler)
    logger.propagate = propagate


def a_listener_that_blocks(until: Callable[[], object]) -> None:
    lock = allocate_lock()
    lock.acquire()
    wait_until_native(until, lock)


def wait_until_native(condition: Callable[[], object], lock: Any) -> None:
    """Keep the hub's thread from everything but waiting, for some seconds at most."""
    for _ in range(1_000):
        if condition():
            return
        lock.acquire(True, 0.01)
    raise TimeoutError


def a_function_that_computes(until: Callable[[], object]) -> None:
    while not until():
        sum(range(1_000))


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Note each look that the watchdog takes."""
    seen: list[None] = []
    look = Watchdog._look

    def counted(self: Watchdog) -> tuple[int, bool]:
        seen.append(None)
        return look(self)

    monkeypatch.setattr(Watchdog, "_look", counted)
    return seen


def wait_until_asleep(thread: HubThread) -> None:
    """Wait until the watchdog looks no more before the hub's next turn."""
    # Its stub lacks the attribute.
    watcher: Any = thread.watchdog._at_next_iteration
    wait_until(lambda: watcher.active)


@pytest.mark.parametrize("culprit", [a_listener_that_blocks, a_function_that_computes])
def test_what_holds_the_hub_is_named_and_nothing_is_lost(
    told: list[str], hub_thread: HubThread, culprit: Callable[[Callable[[], object]], None]
) -> None:
    held: Future[None] = start(hub_thread.call, culprit, lambda: told)
    waiting = [start(hub_thread.call, int) for _ in range(10)]
    held.result(18)
    assert [each.result(10) for each in waiting] == [0] * 10
    (message,) = told
    assert culprit.__name__ in message
    assert "test_watchdog.py" in message


def test_stacks_are_taken_only_to_be_told_and_while_no_garbage_is_collected(
    told: list[str], hub_thread: HubThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before Python 3.12 the interpreter freezes if garbage is collected while it takes them."""
    collecting: list[bool] = []
    take = sys._current_frames

    def noted() -> Any:
        collecting.append(gc.isenabled())
        return take()

    monkeypatch.setattr(sys, "_current_frames", noted)
    for _ in range(3):
        start(hub_thread.call, int).result(10)
        wait_until_asleep(hub_thread)
    assert collecting == []
    start(hub_thread.call, a_listener_that_blocks, lambda: told).result(18)
    assert collecting
    assert not any(collecting)
    assert gc.isenabled()


def test_one_hold_is_told_once(told: list[str], looks: list[None], hub_thread: HubThread) -> None:
    def hold() -> None:
        a_listener_that_blocks(lambda: told)
        enough = len(looks) + 10
        a_listener_that_blocks(lambda: len(looks) > enough)

    start(hub_thread.call, hold).result(18)
    assert len(told) == 1


def test_it_sleeps_while_the_hub_is_idle_and_wakes_with_it(
    looks: list[None], told: list[str], hub_thread: HubThread
) -> None:
    assert start(hub_thread.call, int).result(10) == 0
    wait_until_asleep(hub_thread)
    assert len(looks) >= watchdog.IDLE_LOOKS
    # The very first thing the hub does then is what holds it.
    hub_thread.submit(lambda: a_listener_that_blocks(lambda: told))
    wait_until(lambda: told)
    assert "a_listener_that_blocks" in told[0]


def test_whoever_is_late_itself_blames_nobody(
    told: list[str], looks: list[None], hub_thread: HubThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole process may have been kept from running."""
    now = [0.0]

    def much_later() -> float:
        now[0] += 10.0
        return now[0]

    monkeypatch.setattr(watchdog, "monotonic", much_later)
    start(hub_thread.call, int).result(10)
    enough = len(looks) + 20
    start(hub_thread.call, a_listener_that_blocks, lambda: len(looks) > enough).result(18)
    assert told == []


def busy_threads(count: int) -> Callable[[], None]:
    """Have threads compute until told to end."""
    is_over: list[None] = []

    def compute() -> None:
        while not is_over:
            sum(range(1_000))

    threads = [threading.Thread(target=compute) for _ in range(count)]
    for thread in threads:
        thread.start()

    def end() -> None:
        is_over.append(None)
        for thread in threads:
            thread.join()

    return end


def test_a_hub_that_other_threads_keep_from_the_interpreter_is_not_blamed(
    told: list[str], hub_thread: HubThread
) -> None:
    """Each of its system calls then takes milliseconds, a turn of many calls far too long."""
    go_on = hub_thread.call(Event)

    def call() -> None:
        go_on.wait()
        native.sleep(1e-6)

    calls = [start(hub_thread.call, call) for _ in range(200)]
    wait_until(lambda: len(hub_thread.workers.busy) == 200)
    end = busy_threads(1)
    try:
        hub_thread.submit(go_on.set)
        for each in calls:
            each.result(18)
    finally:
        end()
    assert told == []


def test_a_call_that_never_waits_is_not_blamed_for_waiting(
    told: list[str], looks: list[None], hub_thread: HubThread
) -> None:
    """It can only have given the interpreter away, and not got it back."""
    lock = allocate_lock()
    lock.acquire()

    @never_blocks
    def send() -> None:
        enough = len(looks) + 20
        while len(looks) < enough:
            lock.acquire(True, 0.01)

    start(hub_thread.call, send).result(18)
    assert told == []


def test_it_works_where_nobody_counts_processor_time(
    told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(time, "pthread_getcpuclockid", raising=False)
    thread = acquire()
    start(thread.call, a_listener_that_blocks, lambda: told).result(18)
    thread.release()


PATCHED = """
import gevent.monkey
gevent.monkey.patch_all()
import logging
from greenmongo._hub.native import sleep
from greenmongo._hub.process import acquire

told = []

class Told(logging.Handler):
    def emit(self, record):
        told.append(record.getMessage())

logging.getLogger("greenmongo.hub").addHandler(Told())

def the_culprit():
    for _ in range(1_000):
        if told:
            return
        sleep(0.01)

thread = acquire()
thread.call(the_culprit)
assert thread.call(int) == 0
thread.release()
print(*told)
"""


def test_in_a_patched_process_it_works_and_ends_with_it() -> None:
    result = run_script(PATCHED)
    assert "the_culprit" in result.stdout
    assert (result.stderr, result.returncode) == ("", 0)
