from __future__ import annotations

from collections.abc import Callable
from functools import partial

import gevent
import pytest
from gevent import Greenlet, GreenletExit
from gevent.event import Event

from greenmongo._hub.errors import CallAbandoned
from greenmongo._hub.thread import HubThread
from tests.support.fix_doors import in_hub, start
from tests.support.fix_leaks import wait_until
from tests.support.fix_loops import standing_still

PATIENCE = 10.0


def settle(thread: HubThread) -> None:
    """Wait, without letting the caller's hub run, until the hub thread did what it had to do."""
    start(thread.call, int).result(PATIENCE)


def spawn_and_submit(fn: Callable[[], object]) -> Greenlet[[], object]:
    """Start a greenlet, and let it run until it waits."""
    greenlet: Greenlet[[], object] = gevent.spawn(fn)
    gevent.sleep(0)
    return greenlet


def exits(greenlet: Greenlet[[], object]) -> bool:
    return isinstance(greenlet.get(timeout=PATIENCE), GreenletExit)


def test_a_call_left_before_its_start_never_runs(hub_thread: HubThread) -> None:
    ran: list[int] = []

    def leave() -> None:
        with standing_still(hub_thread):
            caller = spawn_and_submit(lambda: hub_thread.call(ran.append, 1))
            caller.kill()
            assert exits(caller)

    in_hub(leave)
    hub_thread.call(int)
    assert ran == []


def test_a_call_left_while_it_runs_is_thrown_out_of_its_wait(hub_thread: HubThread) -> None:
    running, seen = hub_thread.call(Event), []

    def wait_for_ever() -> None:
        running.set()
        try:
            Event().wait()
        except BaseException as error:
            seen.append(type(error))
            raise

    def leave() -> None:
        caller = spawn_and_submit(lambda: hub_thread.call(wait_for_ever))
        assert hub_thread.call(running.wait, PATIENCE)
        caller.kill()
        assert exits(caller)

    in_hub(leave)
    hub_thread.call(int)
    assert seen == [CallAbandoned]


def test_a_worker_goes_on_after_a_call_that_was_left(hub_thread: HubThread) -> None:
    def leave() -> None:
        caller = spawn_and_submit(lambda: hub_thread.call(Event().wait))
        wait_until(lambda: hub_thread.workers.busy)
        (worker,) = hub_thread.workers.busy
        caller.kill()
        assert hub_thread.call(gevent.getcurrent) is worker

    in_hub(leave)
    # Whoever has its result may be faster than the worker that rests.
    wait_until(lambda: not hub_thread.workers.busy)


def test_a_function_may_finish_what_it_does_although_nobody_waits(hub_thread: HubThread) -> None:
    running, finished = hub_thread.call(Event), hub_thread.call(Event)

    def stubborn() -> str:
        running.set()
        try:
            Event().wait()
        finally:
            gevent.sleep(0.001)
            finished.set()
        return "unheard"

    def leave() -> None:
        caller = spawn_and_submit(lambda: hub_thread.call(stubborn))
        assert hub_thread.call(running.wait, PATIENCE)
        caller.kill()
        assert hub_thread.call(finished.wait, PATIENCE)

    in_hub(leave)


def test_leaving_at_the_moment_of_the_result_may_lose_the_result(hub_thread: HubThread) -> None:
    def leave() -> None:
        caller = spawn_and_submit(lambda: hub_thread.call(str, "lost"))
        settle(hub_thread)
        # The result is here, but this thread's hub has not seen it: the kill is first.
        caller.kill(block=False)
        assert exits(caller)
        assert hub_thread.call(str, "next") == "next"

    in_hub(leave)


def test_leaving_at_the_moment_of_the_result_is_one_or_the_other(hub_thread: HubThread) -> None:
    def leave() -> None:
        caller = spawn_and_submit(lambda: hub_thread.call(str, "kept"))
        settle(hub_thread)
        # Result and kill are both due now; which the loop takes first is its own affair.
        gevent.get_hub().loop.timer(0).start(lambda: caller.kill(block=False))
        outcome = caller.get(timeout=PATIENCE)
        assert outcome == "kept" or isinstance(outcome, gevent.GreenletExit)
        assert hub_thread.call(str, "next") == "next"

    in_hub(leave)


def test_a_timeout_ends_the_wait_and_the_call(hub_thread: HubThread) -> None:
    def leave() -> None:
        with pytest.raises(gevent.Timeout), gevent.Timeout(0.01):
            hub_thread.call(Event().wait)

    in_hub(leave)
    wait_until(lambda: not hub_thread.workers.busy)


@pytest.mark.parametrize("count", [100])
def test_a_storm_of_kills_disturbs_nobody(hub_thread: HubThread, count: int) -> None:
    def storm() -> None:
        victims = [spawn_and_submit(lambda: hub_thread.call(Event().wait)) for _ in range(count)]
        others = [spawn_and_submit(partial(hub_thread.call, str, n)) for n in range(count)]
        gevent.killall(victims)
        assert [other.get(timeout=PATIENCE) for other in others] == [str(n) for n in range(count)]

    in_hub(storm)
    wait_until(lambda: not hub_thread.workers.busy)


def test_a_function_may_be_entered_again_by_the_next_call(hub_thread: HubThread) -> None:
    """Left while running, twice at once: only the caller that left is thrown out."""
    go_on = hub_thread.call(Event)

    def wait() -> bool:
        return bool(go_on.wait(PATIENCE))

    def leave() -> None:
        one, other = (spawn_and_submit(lambda: hub_thread.call(wait)) for _ in "ab")
        one.kill()
        hub_thread.submit(go_on.set)
        assert other.get(timeout=PATIENCE) is True

    in_hub(leave)


def test_a_greenlet_that_was_never_started_leaves_nothing(hub_thread: HubThread) -> None:
    def leave() -> None:
        caller: Greenlet[[], object] = gevent.spawn(lambda: hub_thread.call(int))
        caller.kill()
        assert exits(caller)

    in_hub(leave)
    assert hub_thread.call(int) == 0
