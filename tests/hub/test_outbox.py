from __future__ import annotations

from threading import Event

from greenmongo._hub.thread import HubThread
from tests.support.fix_doors import start
from tests.support.fix_leaks import wait_until


class Occupied:
    """A hub thread that does something for as long as the block lasts."""

    def __init__(self, thread: HubThread) -> None:
        self._thread = thread
        self._begun, self._go_on = Event(), Event()

    def __enter__(self) -> None:
        self._thread.submit(self._hold)
        assert self._begun.wait(10)

    def __exit__(self, *exc_info: object) -> None:
        self._go_on.set()

    def _hold(self) -> None:
        self._begun.set()
        self._go_on.wait(10)


def test_who_waits_for_the_hubs_turn_waits_until_it_is_over(hub_thread: HubThread) -> None:
    outbox = hub_thread.outbox
    with Occupied(hub_thread):
        waiting = start(outbox.wait_for_iteration, 60)
        wait_until(lambda: outbox._iteration_waiters)
        assert not waiting.done()
    waiting.result(10)


def test_nobody_waits_longer_for_the_hubs_turn_than_he_wants(hub_thread: HubThread) -> None:
    with Occupied(hub_thread):
        start(hub_thread.outbox.wait_for_iteration, 0.001).result(10)


def test_nobody_waits_for_a_hub_that_is_at_nothing(hub_thread: HubThread) -> None:
    hub_thread.call(int)
    outbox = hub_thread.outbox
    wait_until(lambda: outbox.is_idle)
    start(outbox.wait_for_iteration, 60).result(10)
