"""What the hub thread has run in the caller's place, with threads and greenlets as callers."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import Any

import gevent
import gevent.event
import pytest
from gevent import Greenlet, GreenletExit

import greenmongo
from greenmongo._hub.background import wait_for_background
from greenmongo._hub.call import DetachedCall
from greenmongo._hub.errors import CallAbandoned, HubClosed
from greenmongo._hub.native import get_ident
from greenmongo._hub.process import acquire
from greenmongo._hub.thread import HubThread
from greenmongo._hub.upcall import notify_caller, spawn, upcall
from tests.support.fix_doors import Door, in_hub, start
from tests.support.fix_leaks import wait_until

PATIENCE = 10.0

who: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")
local = threading.local()


def place() -> tuple[int, Any, str, str]:
    """Return all by which code can tell in whose place it runs."""
    return get_ident(), gevent.getcurrent(), getattr(local, "name", "none"), who.get()


def as_somebody(fn: Callable[[], Any]) -> Any:
    """Call `fn` where a thread-local and a context variable are set; return what it says."""
    local.name = "somebody's"
    who.set("somebody")
    return fn(), place()


def fail() -> None:
    raise ZeroDivisionError("in the caller's place")


# ---- upcalls ------------------------------------------------------------------------------------


def test_an_upcall_runs_in_the_callers_place(hub_thread: HubThread, door: Door) -> None:
    there, here = door.call(as_somebody, lambda: hub_thread.call(upcall, place))
    assert there == here
    assert there[0] != hub_thread.ident
    assert there[2:] == ("somebody's", "somebody")


def test_an_upcall_returns_or_raises_what_the_function_does(
    hub_thread: HubThread, door: Door
) -> None:
    def on_hub() -> list[object]:
        try:
            upcall(fail)
        except ZeroDivisionError as error:
            return [upcall(lambda: 7), str(error), upcall(lambda: None)]
        return []

    assert door.call(hub_thread.call, on_hub) == [7, "in the caller's place", None]


def test_code_that_is_in_the_callers_place_already_calls_at_once(door: Door) -> None:
    there, here = door.call(as_somebody, lambda: upcall(place))
    assert there == here


def test_what_an_upcall_sets_does_not_leak_into_the_caller(
    hub_thread: HubThread, door: Door
) -> None:
    def on_hub() -> str:
        upcall(lambda: who.set("changed"))
        return upcall(who.get)

    def caller() -> tuple[str, str]:
        who.set("caller")
        return hub_thread.call(on_hub), who.get()

    assert door.call(caller) == ("changed", "caller")


def test_an_upcall_may_call_the_hub_and_be_called_up_in_turn(
    hub_thread: HubThread, door: Door
) -> None:
    def nested(depth: int) -> int:
        return depth if depth == 0 else 1 + hub_thread.call(upcall, lambda: nested(depth - 1))

    assert door.call(nested, 5) == 5


def test_an_upcall_that_blocks_keeps_nobody_else(hub_thread: HubThread, door: Door) -> None:
    entered, leave = threading.Event(), threading.Event()

    def block() -> str:
        entered.set()
        assert leave.wait(PATIENCE)
        return "done"

    blocked = start(hub_thread.call, upcall, block)
    assert entered.wait(PATIENCE)
    assert door.gather(*[lambda: hub_thread.call(upcall, who.get)] * 50) == ["nobody"] * 50
    leave.set()
    assert blocked.result(PATIENCE) == "done"


def test_many_callers_are_called_up_at_once(hub_thread: HubThread, door: Door) -> None:
    def caller(number: int) -> list[int]:
        return [hub_thread.call(upcall, lambda: number) for _ in range(20)]

    results = door.gather(*[lambda n=number: caller(n) for number in range(30)])
    assert results == [[number] * 20 for number in range(30)]


# ---- notices ------------------------------------------------------------------------------------


def test_notices_run_in_order_before_the_call_returns(hub_thread: HubThread, door: Door) -> None:
    def caller() -> list[object]:
        told: list[object] = []

        def on_hub() -> str:
            for number in range(3):
                notify_caller(lambda n=number: told.append((n, place())))  # type: ignore[misc]
                if number == 1:
                    gevent.sleep(0.01)
            upcall(lambda: told.append("asked"))
            notify_caller(lambda: told.append("last"))
            return "result"

        told.append(hub_thread.call(on_hub))
        here = place()
        return [told == [(0, here), (1, here), (2, here), "asked", "last", "result"], told]

    as_expected, told = door.call(caller)
    assert as_expected, told


def test_notices_come_before_an_error_too(hub_thread: HubThread, door: Door) -> None:
    def caller() -> list[str]:
        told: list[str] = []

        def on_hub() -> None:
            notify_caller(lambda: told.append("notice"))
            fail()

        with pytest.raises(ZeroDivisionError):
            hub_thread.call(on_hub)
        return told

    assert door.call(caller) == ["notice"]


def test_a_notice_comes_while_the_operation_goes_on(hub_thread: HubThread, door: Door) -> None:
    def caller() -> str:
        told = hub_thread.call(gevent.event.Event)

        def on_hub() -> str:
            notify_caller(lambda: hub_thread.submit(told.set))
            return "in time" if told.wait(PATIENCE) else "never"

        result: str = hub_thread.call(on_hub)
        return result

    assert door.call(caller) == "in time"


def test_a_notice_may_let_other_greenlets_run(hub_thread: HubThread) -> None:
    def caller() -> list[int]:
        told: list[int] = []

        def slowly(number: int) -> None:
            gevent.sleep(0.005)
            told.append(number)

        def on_hub() -> None:
            for number in range(5):
                notify_caller(lambda n=number: slowly(n))  # type: ignore[misc]
                gevent.sleep(0.002)

        hub_thread.call(on_hub)
        return told

    assert in_hub(caller) == [0, 1, 2, 3, 4]


# ---- callers who leave --------------------------------------------------------------------------


def test_a_caller_killed_in_an_upcall_ends_the_operation(hub_thread: HubThread) -> None:
    seen: list[type[BaseException]] = []

    def on_hub() -> None:
        try:
            upcall(lambda: gevent.sleep(60))
        except BaseException as error:
            seen.append(type(error))
            raise

    def leave() -> None:
        caller: Greenlet[..., Any] = gevent.spawn(hub_thread.call, on_hub)
        gevent.sleep(0.02)
        caller.kill()
        assert isinstance(caller.value, GreenletExit)

    in_hub(leave)
    wait_until(lambda: seen == [CallAbandoned])


def test_what_ends_the_caller_in_an_upcall_is_the_callers_own(
    hub_thread: HubThread, door: Door
) -> None:
    seen: list[type[BaseException]] = []

    def interrupt() -> None:
        raise KeyboardInterrupt

    def on_hub() -> None:
        try:
            upcall(interrupt)
        except BaseException as error:
            seen.append(type(error))
            raise

    def caller() -> str:
        try:
            hub_thread.call(on_hub)
        except KeyboardInterrupt:
            return "interrupted"
        return "not"

    assert door.call(caller) == "interrupted"
    wait_until(lambda: seen == [CallAbandoned])


def test_what_a_caller_leaves_unheard_is_told_in_the_background_in_order(
    hub_thread: HubThread,
) -> None:
    told: list[tuple[str, bool]] = []

    def tell(what: str) -> None:
        told.append((what, gevent.getcurrent() is caller_greenlet[0]))

    caller_greenlet: list[object] = []

    def on_hub() -> None:
        notify_caller(lambda: gevent.sleep(60))
        notify_caller(lambda: tell("second"))
        try:
            gevent.sleep(60)
        finally:
            notify_caller(lambda: tell("third"))

    def leave() -> None:
        caller: Greenlet[..., Any] = gevent.spawn(hub_thread.call, on_hub)
        caller_greenlet.append(caller)
        gevent.sleep(0.02)
        caller.kill()

    in_hub(leave)
    wait_until(lambda: told == [("second", False), ("third", False)])


def test_a_hub_that_stops_ends_an_upcall(door: Door) -> None:
    thread = acquire()
    entered, leave = threading.Event(), threading.Event()
    seen: list[type[BaseException]] = []

    def block() -> None:
        entered.set()
        assert leave.wait(PATIENCE)

    def on_hub() -> None:
        try:
            upcall(block)
        except BaseException as error:
            seen.append(type(error))
            raise

    def caller() -> str:
        with pytest.raises(HubClosed):
            thread.call(on_hub)
        return "told"

    told = start(caller)
    assert entered.wait(PATIENCE)
    thread.release()
    assert thread.stop_and_join()
    assert seen == [CallAbandoned]
    leave.set()
    assert told.result(PATIENCE) == "told"


def test_a_thread_that_is_gone_ends_an_upcall(
    hub_thread: HubThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("greenmongo._hub.call.POLL_INTERVAL", 0.02)
    entered, gone = threading.Event(), threading.Event()
    seen: list[str] = []

    def on_hub() -> None:
        entered.set()
        while not gone.is_set():
            gevent.sleep(0.001)
        try:
            upcall(int)
        except CallAbandoned as error:
            seen.append(str(error))

    def desert() -> None:
        gevent.spawn(hub_thread.call, on_hub)
        while not entered.is_set():
            gevent.sleep(0.001)
        gevent.get_hub().destroy(destroy_loop=True)

    start(desert).result(PATIENCE)
    gone.set()
    wait_until(lambda: seen)


# ---- who has no caller --------------------------------------------------------------------------


def test_the_drivers_own_greenlets_tell_in_the_background(hub_thread: HubThread) -> None:
    told: list[int] = []

    def own() -> int:
        notify_caller(lambda: told.append(get_ident()))
        return upcall(get_ident)

    asked = hub_thread.call(lambda: spawn(own).get())
    assert asked != hub_thread.ident
    assert wait_for_background(PATIENCE)
    (notified,) = told
    assert notified not in {hub_thread.ident, get_ident(), asked}


def test_callbacks_tell_in_the_background(hub_thread: HubThread) -> None:
    told: list[int] = []
    hub_thread.submit(lambda: notify_caller(lambda: told.append(get_ident())))
    wait_until(lambda: told)
    assert told[0] not in {hub_thread.ident, get_ident()}


def test_a_call_that_nobody_waits_for_tells_in_the_background(hub_thread: HubThread) -> None:
    told: list[int] = []

    def detached() -> None:
        told.append(upcall(get_ident))
        notify_caller(lambda: told.append(get_ident()))

    hub_thread.submit(DetachedCall(hub_thread.workers, detached).begin)
    wait_until(lambda: len(told) == 2)
    assert hub_thread.ident not in told


def test_code_that_the_user_has_put_on_the_hub_stays_there(
    hub_thread: HubThread, door: Door
) -> None:
    def on_hub() -> list[int]:
        told = [upcall(get_ident)]
        notify_caller(lambda: told.append(get_ident()))
        told.append(gevent.spawn(upcall, get_ident).get())
        return told

    assert door.call(greenmongo.run, on_hub) == [hub_thread.ident] * 3
