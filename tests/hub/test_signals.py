"""Signal handlers that wait for the hub, wherever the main thread is when the signal comes."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from greenmongo._hub.process_state import PROCESS
from greenmongo._hub.thread import HubThread
from tests.support.fix_hub import run_program

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="needs signals")


@contextmanager
def handled_by(fn: Callable[[], object]) -> Iterator[None]:
    """Have a signal call `fn` in the main thread."""
    before = signal.signal(signal.SIGUSR1, lambda *_: fn() and None)
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, before)


class _Interrupted:
    """Passes on what it is asked, but first there is a signal."""

    def __init__(self, target: Any) -> None:
        self._target = target
        self._is_first = True

    def __getattr__(self, name: str) -> Any:
        if self._is_first:
            self._is_first = False
            signal.raise_signal(signal.SIGUSR1)
        return getattr(self._target, name)


@pytest.mark.parametrize("attribute", ["_jobs", "_wake_up"])
def test_a_signal_in_the_middle_of_a_submission(hub_thread: HubThread, attribute: str) -> None:
    """F16: the hub waits for nothing that the interrupted thread holds."""
    answers: list[int] = []
    inbox = hub_thread.inbox
    target = getattr(inbox, attribute)
    interrupted = threading.get_ident()

    class _Once(_Interrupted):
        def __getattr__(self, name: str) -> Any:
            if threading.get_ident() != interrupted:
                return getattr(self._target, name)
            return super().__getattr__(name)

        def __len__(self) -> int:
            return len(target)

    with handled_by(lambda: answers.append(hub_thread.call(int, 7))):
        setattr(inbox, attribute, _Once(target))
        try:
            assert hub_thread.call(int, 8) == 8
        finally:
            setattr(inbox, attribute, target)
    assert answers == [7]


def test_a_signal_while_the_state_of_the_process_is_locked(hub_thread: HubThread) -> None:
    """F16: a client that is opened takes its lease on the hub."""

    def open_client() -> None:
        hub_thread.call(hub_thread.lease)
        hub_thread.release()

    with handled_by(open_client), PROCESS.lock:
        signal.raise_signal(signal.SIGUSR1)


PREAMBLE = """
import asyncio, os, signal, threading
import gevent
from greenmongo._hub.process import acquire

thread = acquire()
handled = []

def handler(*_):
    handled.append("called")
    handled.append(thread.call(len, "answer"))

signal.signal(signal.SIGUSR1, handler)

def interrupt():
    signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
"""

IN_A_CALL = """
def wait():
    interrupt()
    while len(handled) < 2:
        gevent.sleep(0.001)
    return "done"

print(thread.call(wait))
"""

IN_A_LOOP = """
async def main():
    threading.Thread(target=interrupt).start()
    while not handled:
        await asyncio.sleep(0)
    print("done")

asyncio.run(main())
"""

IN_A_HUB = """
gevent.get_hub().loop.run_callback(interrupt)
while not handled:
    gevent.sleep(0.001)
gevent.signal_handler(signal.SIGUSR2, handler)
os.kill(os.getpid(), signal.SIGUSR2)
while len(handled) < 3:
    gevent.sleep(0.001)
print("done")
"""


@pytest.mark.parametrize("place", [IN_A_CALL, IN_A_LOOP], ids=["in a call", "in an asyncio loop"])
def test_a_handler_waits_for_the_hub_wherever_the_main_thread_is(place: str) -> None:
    """F16: its call is answered, and then what it has interrupted goes on."""
    done = run_program(f"{PREAMBLE}{place}assert handled == ['called', 6], handled")
    assert (done.stdout, done.stderr, done.returncode) == ("done\n", "", 0)


def test_a_handler_that_interrupts_a_hub_of_gevents_gets_an_error_at_once() -> None:
    """F16: there nothing may block; the error says what to do instead, and that works."""
    done = run_program(PREAMBLE + IN_A_HUB + "assert handled == ['called', 'called', 6], handled")
    assert (done.stdout, done.returncode) == ("done\n", 0), done.stderr
    assert "MisuseError: " in done.stderr
    assert "gevent.signal_handler" in done.stderr
