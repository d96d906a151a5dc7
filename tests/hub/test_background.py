"""The native thread for what belongs to no caller."""

from __future__ import annotations

import threading

import gevent
import pytest

from greenmongo._hub.background import run_in_background, wait_for_background
from greenmongo._hub.native import get_ident
from tests.support.fix_doors import Door, in_hub
from tests.support.fix_hub import run_script
from tests.support.fix_leaks import Snapshot, wait_until

PATIENCE = 10.0


def test_jobs_run_in_order_in_one_thread_that_is_nobody_elses(door: Door) -> None:
    told: list[tuple[int, int]] = []

    def work() -> int:
        for number in range(100):
            run_in_background(lambda n=number: told.append((n, get_ident())))  # type: ignore[misc]
        assert wait_for_background(PATIENCE)
        return get_ident()

    caller = door.call(work)
    assert [number for number, _ in told] == list(range(100))
    assert len({ident for _, ident in told}) == 1
    assert caller not in {ident for _, ident in told}


@pytest.mark.usefixtures("no_leaks")
def test_the_thread_ends_when_there_was_nothing_for_a_while(no_leaks: Snapshot) -> None:
    run_in_background(int)
    assert wait_for_background(PATIENCE)


def test_a_job_that_fails_is_reported_and_takes_nobody_with_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: list[str] = []

    def leave() -> None:
        raise SystemExit("from a listener")

    run_in_background(leave)
    run_in_background(lambda: told.append("next"))
    assert wait_for_background(PATIENCE)
    assert told == ["next"]
    (record,) = [each for each in caplog.records if each.name == "greenmongo.listeners"]
    assert record.exc_info is not None
    assert record.threadName == "greenmongo-events"


def test_whoever_waits_for_a_job_that_hangs_goes_on_in_time(door: Door) -> None:
    leave = threading.Event()
    run_in_background(lambda: leave.wait(PATIENCE))
    try:
        assert not door.call(wait_for_background, 0.01)
    finally:
        leave.set()
    assert wait_for_background(PATIENCE)


def test_a_job_does_not_wait_for_itself() -> None:
    told: list[bool] = []
    run_in_background(lambda: told.append(wait_for_background(PATIENCE)))
    wait_until(lambda: told)
    assert told == [False]


def test_greenlets_go_on_while_one_waits() -> None:
    leave = threading.Event()
    run_in_background(lambda: leave.wait(PATIENCE))

    def wait_and_release() -> bool:
        waiting = gevent.spawn(wait_for_background, PATIENCE)
        gevent.sleep(0)
        leave.set()
        return bool(waiting.get(timeout=PATIENCE))

    assert in_hub(wait_and_release)


NOTHING_TO_TELL = """
import os
before = len(os.listdir("/proc/self/task"))
import greenmongo
assert len(os.listdir("/proc/self/task")) == before
from greenmongo._hub.process import acquire
thread = acquire()
assert thread.call(int) == 0
assert len(os.listdir("/proc/self/task")) == before + 2  # the hub and its watchdog
thread.release()
"""

AT_EXIT = """
import time
from greenmongo._hub.background import run_in_background
run_in_background(lambda: time.sleep(0.2))
run_in_background(lambda: print("told", flush=True))
"""

HANGING_AT_EXIT = """
import threading, time
from greenmongo._hub import background
background.EXIT_TIMEOUT = 0.1
background.run_in_background(threading.Event().wait)
print("done")
"""

FORKED = """
import os, threading, time
from greenmongo._hub.background import run_in_background, wait_for_background
entered, leave = threading.Event(), threading.Event()
told = []
run_in_background(lambda: (entered.set(), leave.wait(10)))
run_in_background(lambda: told.append("of the parent"))
entered.wait(10)
child = os.fork()
if not child:
    run_in_background(lambda: told.append("of the child"))
    ok = wait_for_background(10) and told == ["of the child"]
    os._exit(0 if ok else 1)
leave.set()
assert os.waitpid(child, 0)[1] == 0
assert wait_for_background(10)
assert told == ["of the parent"], told
"""

FORKING_JOB = """
import os
from greenmongo._hub.background import run_in_background, wait_for_background
told = []
def fork():
    child = os.fork()
    if not child:
        run_in_background(lambda: told.append("in the child"))
        os._exit(0 if wait_for_background(10) and told == ["in the child"] else 1)
    told.append(os.waitpid(child, 0)[1])
run_in_background(fork)
assert wait_for_background(10)
assert told == [0], told
"""


def test_with_nothing_to_tell_there_is_no_thread() -> None:
    done = run_script(NOTHING_TO_TELL)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_left_at_the_end_of_the_process_is_told() -> None:
    done = run_script(AT_EXIT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "told\n", "")


def test_a_job_that_hangs_does_not_keep_the_process() -> None:
    done = run_script(HANGING_AT_EXIT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


@pytest.mark.parametrize("script", [FORKED, FORKING_JOB], ids=["beside", "within"])
def test_a_forked_child_has_a_thread_of_its_own_and_none_of_the_parents_jobs(script: str) -> None:
    done = run_script(script)
    assert (done.returncode, done.stderr) == (0, "")
