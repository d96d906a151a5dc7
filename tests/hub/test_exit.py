"""The end of the process, as the hub thread sees it: nothing waits in vain, or complains."""

from __future__ import annotations

from tests.support.fix_hub import run_program

PROGRAM = """
import atexit, sys, threading, time

# The first that is registered is the last that is called.
def report():
    print("held" if thread.standby._at_work.locked() else "still")
atexit.register(report)

from gevent import GreenletExit
from gevent.event import Event
from greenmongo._hub.native import allocate_lock
from greenmongo._hub.process import acquire
from greenmongo._hub import thread as module

# Whatever is waited for so long is waited for in vain.
module.STOP_GRACE = 600.0
lock = allocate_lock()
lock.acquire()

def stay(go_on):
    try:
        Event().wait()
    except GreenletExit:
        go_on()

def compute():
    while True:
        pass

thread = acquire()
daemon = threading.Thread(target=thread.call, args=(stay, GOES_ON), daemon=True)
daemon.start()
while not thread.workers.busy:
    time.sleep(0.001)
"""


def output_of(goes_on: str) -> tuple[str, str, int]:
    program = PROGRAM.replace("GOES_ON", goes_on)
    done = run_program(program, timeout=60.0)
    return done.stdout, done.stderr, done.returncode


def test_a_worker_that_goes_on_at_exit_cannot_park_the_hub_thread() -> None:
    """F17: a cursor that is read on the hub goes on to its next batch after it was told to end."""
    assert output_of("acquire") == ("still\n", "", 0)


def test_a_hub_that_is_held_by_a_system_call_is_not_waited_for_at_exit() -> None:
    """F17: the watchdog keeps still, and the process ends before the hub would have unwound."""
    assert output_of("lock.acquire") == ("held\n", "", 0)


def test_a_hub_that_computes_is_interrupted_at_exit() -> None:
    """F17: quietly; a hub thread that still wants the interpreter when it ends crashes it."""
    assert output_of("compute") == ("still\n", "", 0)
