from __future__ import annotations

import gc
import re

import gevent
import pytest
from gevent.event import Event

from greenmongo._hub.errors import HubClosed
from greenmongo._hub.process import acquire
from greenmongo._hub.thread import HubThread
from tests.support.fix_doors import Door, in_hub, start
from tests.support.fix_hub import run_script
from tests.support.fix_leaks import Snapshot, check_leaks, take_snapshot, wait_until


def fail(error: BaseException) -> None:
    raise error


def wait_for_ever() -> None:
    Event().wait()


def kill(thread: HubThread) -> None:
    """Have the hub thread die of a bug: gevent takes this error for the end of the world."""
    thread.submit(lambda: fail(SystemError("injected")))


@pytest.mark.usefixtures("no_leaks")
def test_the_last_lease_given_back_ends_the_thread() -> None:
    one, other = acquire(), acquire()
    assert one is other
    one.release()
    assert other.call(int) == 0
    other.release()
    assert other.stop_and_join()
    assert not other.is_usable


def test_the_next_lease_after_the_last_starts_a_new_thread() -> None:
    old = acquire()
    old.release()
    new = acquire()
    try:
        assert new is not old
        assert new.call(int) == 0
    finally:
        new.release()


@pytest.mark.usefixtures("no_leaks")
def test_starting_and_stopping_leaves_nothing_behind() -> None:
    for _ in range(20):
        thread = acquire()
        assert thread.call(int) == 0
        thread.release()
        assert thread.stop_and_join()


def test_a_stopped_thread_takes_no_more_calls(hub_thread: HubThread, door: Door) -> None:
    hub_thread.stop_and_join()
    with pytest.raises(HubClosed):
        door.call(hub_thread.call, int)
    hub_thread.try_submit(lambda: fail(AssertionError("nobody may run this")))


def test_calls_under_way_are_answered_when_the_thread_stops(
    hub_thread: HubThread, door: Door
) -> None:
    calls = [door.spawn(hub_thread.call, wait_for_ever) for _ in range(3)]
    wait_until(lambda: len(hub_thread.workers.busy) == 3)
    hub_thread.stop_and_join()
    for call in calls:
        with pytest.raises(HubClosed, match="stopped during the call"):
            call()


def test_calls_not_begun_are_answered_when_the_thread_stops(
    hub_thread: HubThread, door: Door
) -> None:
    ran: list[int] = []

    def keep_the_hub_until_all_is_queued() -> None:
        while len(hub_thread.inbox) < 3:
            start(int).result()

    hub_thread.submit(keep_the_hub_until_all_is_queued)
    start(hub_thread.try_submit, hub_thread._stop).result()
    calls = [door.spawn(hub_thread.call, ran.append, n) for n in range(2)]
    for call in calls:
        with pytest.raises(HubClosed):
            call()
    assert ran == []


def test_a_thread_that_dies_answers_every_caller_and_the_next_lease_starts_another(
    hub_thread: HubThread, door: Door, capfd: pytest.CaptureFixture[str]
) -> None:
    calls = [door.spawn(hub_thread.call, wait_for_ever) for _ in range(3)]
    wait_until(lambda: len(hub_thread.workers.busy) == 3)
    kill(hub_thread)
    for call in calls:
        with pytest.raises(HubClosed):
            call()
    assert "injected" in capfd.readouterr().err
    new = acquire()
    try:
        assert new is not hub_thread
        assert door.call(new.call, int) == 0
    finally:
        new.release()


def test_actions_at_the_end_run_once_unless_forgotten(hub_thread: HubThread) -> None:
    ran: list[str] = []

    def forgotten() -> None:
        ran.append("forgotten")

    def arrange() -> None:
        hub_thread.on_stop(lambda: ran.append("kept"))
        hub_thread.on_stop(forgotten)
        hub_thread.forget_on_stop(forgotten)
        hub_thread.forget_on_stop(forgotten)

    hub_thread.call(arrange)
    hub_thread.stop_and_join()
    assert ran == ["kept"]


@pytest.mark.usefixtures("no_leaks")
def test_an_action_that_fails_takes_neither_others_nor_callers_along(
    capfd: pytest.CaptureFixture[str],
) -> None:
    hub_thread, ran = acquire(), []

    def arrange() -> None:
        hub_thread.on_stop(lambda: fail(ZeroDivisionError("in an action")))
        hub_thread.on_stop(lambda: ran.append(1))

    hub_thread.call(arrange)
    call = start(in_hub, lambda: hub_thread.call(wait_for_ever))
    wait_until(lambda: hub_thread.workers.busy)
    hub_thread.release()
    with pytest.raises(HubClosed):
        call.result(10)
    assert hub_thread.stop_and_join()
    assert ran == [1]
    assert "in an action" in capfd.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_every_call_is_answered_however_closing_falls() -> None:
    before = take_snapshot()
    outcomes = {"done": 0, "closed": 0}

    def call_until_closed(thread: HubThread) -> None:
        while True:
            try:
                assert thread.call(str, "x") == "x"
                outcomes["done"] += 1
            except HubClosed:
                outcomes["closed"] += 1
                return

    for _ in range(2_000):
        thread = acquire()
        callers = [start(call_until_closed, thread) for _ in range(2)]
        thread.release()
        for caller in callers:
            caller.result(10)
    assert outcomes["closed"] == 4_000
    check_leaks(before)


def test_a_hub_can_finish_although_a_lease_is_held(hub_thread: HubThread) -> None:
    def work_then_join() -> bool:
        def call() -> None:
            hub_thread.call(int)

        for each in [gevent.spawn(call) for _ in range(3)]:
            each.get()
        try:
            return bool(gevent.get_hub().join(timeout=10))
        finally:
            gevent.get_hub().destroy(destroy_loop=True)

    assert start(work_then_join).result(15) is True


def test_a_thread_may_end_while_its_greenlets_wait(hub_thread: HubThread) -> None:
    go_on = hub_thread.call(Event)

    def leave_without_waiting() -> None:
        gevent.spawn(hub_thread.call, go_on.wait)
        gevent.sleep(0)
        gevent.get_hub().destroy(destroy_loop=True)

    start(leave_without_waiting).result(10)
    hub_thread.submit(go_on.set)
    assert hub_thread.call(int) == 0
    gc.collect()
    assert hub_thread.call(int) == 0


def test_a_hub_that_was_replaced_gets_results_again(hub_thread: HubThread) -> None:
    def twice() -> list[int]:
        results = []
        for n in range(2):
            results.append(gevent.spawn(hub_thread.call, int, n).get())
            gevent.get_hub().destroy(destroy_loop=True)
        return results

    assert start(twice).result(10) == [0, 1]


FORK = """
import os, sys, threading, gevent
from greenmongo._hub.context import current_context
from greenmongo._hub.errors import HubClosed
from greenmongo._hub.process import acquire

mode = sys.argv[1]

def in_a_context(parent, ready, over):
    # A child frees this thread's context, which must not touch the parent's hub.
    current_context(use_greenlets=False).watch(lambda _: parent.try_submit(print))
    ready.set()
    over.wait()

def check():
    parent = acquire()
    assert parent.call(int) == 0
    ready, over = threading.Event(), threading.Event()
    threading.Thread(target=in_a_context, args=(parent, ready, over), daemon=True).start()
    ready.wait()
    running = parent.call(gevent.event.Event)
    if mode == "greenlet":
        waiting = gevent.spawn(parent.call, running.wait)
        gevent.sleep(0)
        assert parent.call(int) == 0
    pid = os.fork()
    if not pid:
        assert not parent.is_usable
        assert len(parent.inbox) == 0
        for _ in range(2):
            try:
                parent.submit(print)
            except HubClosed as error:
                assert "parent" in str(error)
            else:
                raise AssertionError("the parent's hub took a job")
        parent.try_submit(print)
        parent.release()
        child = acquire()
        assert child is not parent
        assert child.call(int) == 0
        child.release()
        return
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert parent.call(int) == 0
    parent.submit(running.set)
    if mode == "greenlet":
        assert waiting.get(timeout=5)
    parent.release()
    print("fine")

check()
"""


@pytest.mark.parametrize("mode", ["thread", "greenlet"])
def test_a_forked_child_has_a_hub_thread_of_its_own(mode: str) -> None:
    result = run_script(FORK, mode)
    assert (result.stdout, result.stderr, result.returncode) == ("fine\n", "", 0)


INTERRUPT = """
import signal, sys, threading, gevent
from greenmongo._hub.process import acquire

if sys.argv[1] == "hub":
    gevent.get_hub()
thread = acquire()
running, seen = thread.call(gevent.event.Event), []

def slow():
    running.set()
    try:
        gevent.sleep(60)
    except BaseException as error:
        seen.append(type(error).__name__)
        raise

def interrupt():
    thread.call(running.wait)
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

interrupter = threading.Thread(target=interrupt)
interrupter.start()
try:
    thread.call(slow)
except KeyboardInterrupt:
    print("interrupted")
interrupter.join()
assert thread.call(int) == 0
print(seen)
thread.release()
"""


@pytest.mark.parametrize("mode", ["thread", "hub"])
def test_control_c_ends_the_wait_of_the_main_thread_at_once(mode: str) -> None:
    result = run_script(INTERRUPT, mode)
    assert result.stdout == "interrupted\n['CallAbandoned']\n"
    assert result.returncode == 0


def test_a_hub_thread_tells_what_it_is(hub_thread: HubThread) -> None:
    # What other tests have left behind may hold leases of its own until it is collected.
    told = re.fullmatch(r"<greenmongo-hub-(\d+) running, [1-9]\d* leases>", repr(hub_thread))
    assert told
    assert told[1] == str(hub_thread.ident)
    hub_thread.stop_and_join()
    assert "over" in repr(hub_thread)


def test_the_snapshot_of_a_running_thread_shows_it(no_leaks: Snapshot) -> None:
    thread = acquire()
    # Of those before, some may be at their end.
    assert take_snapshot().threads.keys() - no_leaks.threads.keys()
    thread.release()


NOT_WOKEN = """
import _thread, threading, gevent
from greenmongo._hub.process import acquire

thread = acquire()
running = thread.call(gevent.event.Event)
seen = []

def slow():
    running.set()
    try:
        gevent.sleep(60)
        seen.append("never interrupted")
    except BaseException as error:
        seen.append(type(error).__name__)
        raise

def interrupt():
    thread.call(running.wait)
    # As a signal that comes just before the wait: it is pending, and wakes nobody.
    _thread.interrupt_main()

threading.Thread(target=interrupt).start()
try:
    thread.call(slow)
except KeyboardInterrupt:
    seen.append("interrupted")
thread.call(int)
thread.release()
# At the end: two threads that print at once may share a line.
print(*sorted(seen))
"""


def test_control_c_just_before_the_wait_is_noticed() -> None:
    result = run_script(NOT_WOKEN)
    assert result.stdout.split() == ["CallAbandoned", "interrupted"]
    assert (result.stderr, result.returncode) == ("", 0)
