"""However a program ends with a client open: at once, quietly, with the right exit code.

Each case runs in a process of its own, GREENMONGO_EXIT_RUNS times (3 unless set): crashes at
exit are a matter of luck, so a release is worth hundreds.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import pytest

from tests.support.fix_hub import ROOT, without_reports

RUNS = int(os.environ.get("GREENMONGO_EXIT_RUNS", "3"))
LIMIT = 2.5
"""Seconds; who waits for a hub that does not stop waits for three."""

PREAMBLE = """
import asyncio, os, signal, sys, threading, time
from greenmongo import MongoClient
uri = sys.argv[1]
client = MongoClient(uri)

def slow():
    client.admin.command("sleep", 1, millis=20_000, lock="none")

def busy():
    while True:
        client.admin.command("ping")

def wait_until_busy(count=1):
    workers = client._executor.thread.workers
    while len(workers.busy) < count:
        time.sleep(0.001)

def interrupt_myself():
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
"""

CALLERS = {
    "nobody": "client.admin.command('ping')",
    "daemon thread, slow": """
threading.Thread(target=slow, daemon=True).start()
wait_until_busy()
""",
    "daemon threads, busy": """
for _ in range(3):
    threading.Thread(target=busy, daemon=True).start()
client.admin.command("ping")
""",
    "daemon loop, cursors and requests": """
from bridge import AsyncMongoClient
tasks_client = AsyncMongoClient(uri)

async def read():
    while True:
        query = tasks_client.local.oplog.rs.find(batch_size=2, limit=20)
        await query.to_list()

async def ask():
    while True:
        async with tasks_client.start_request():
            await tasks_client.admin.command("ping")

async def all_of_them():
    await asyncio.gather(*(read() for _ in range(10)), *(ask() for _ in range(10)))

threading.Thread(target=asyncio.run, args=(all_of_them(),), daemon=True).start()
client.admin.command("ping")
time.sleep(0.5)
""",
    "greenlet": """
import gevent
gevent.spawn(slow)
gevent.sleep(0)
wait_until_busy()
""",
    "request": """
client.start_request()
client.admin.command("ping")
""",
    "cursor": """
cursor = client.admin.aggregate([{"$listLocalSessions": {"allUsers": True}}], batchSize=0)
""",
}

AT_REST = {"nobody", "request", "cursor"}

ENDS = {
    "normally": ("", 0, ""),
    "by exception": ("raise ZeroDivisionError", 1, "ZeroDivisionError"),
    "by sys.exit": ("sys.exit(7)", 7, ""),
    "by Ctrl-C": ("interrupt_myself(); time.sleep(5)", -signal.SIGINT, "KeyboardInterrupt"),
    "by closing": ("client.close()", 0, ""),
    "twice": ("import atexit; atexit.register(client.close)", 0, ""),
}

ASYNC = """
from bridge import AsyncMongoClient

async def main():
    client = AsyncMongoClient(uri)
    await client.admin.command("ping")
    tasks = [
        asyncio.ensure_future(client.admin.command("sleep", 1, millis=20_000, lock="none"))
        for _ in range(3)
    ]
    while len(workers().busy) < 3:
        await asyncio.sleep(0.001)
    ENDING

def workers():
    from greenmongo.lowlevel import acquire
    thread = acquire()
    try:
        return thread.workers
    finally:
        thread.release()

asyncio.run(main())
"""

ASYNC_ENDS = {
    "normally": ("return", 0, ""),
    "by exception": ("raise ZeroDivisionError", 1, "ZeroDivisionError"),
    "by sys.exit": ("sys.exit(7)", 7, ""),
    "by Ctrl-C": (
        "interrupt_myself(); await asyncio.sleep(5)",
        -signal.SIGINT,
        "KeyboardInterrupt",
    ),
    "with the loop closed": (
        "await client.close(); await asyncio.gather(*tasks, return_exceptions=True)",
        0,
        "",
    ),
}

THREAD = """
caller = threading.Thread(target=slow)
caller.start()
wait_until_busy()
# A thread that is no daemon is waited for; a client that is closed lets it go.
threading.excepthook = lambda args: None
client.close()
"""


@dataclass(frozen=True)
class Case:
    """A program, and what is to come of it."""

    name: str
    program: str
    code: int
    complaint: str
    """The one thing that may be printed: the last line of the user's own traceback."""


def cases() -> list[Case]:
    made = [
        Case(f"{caller}, ends {end}", f"{PREAMBLE}\n{program}\n{ending}", code, complaint)
        for caller, program in CALLERS.items()
        for end, (ending, code, complaint) in ENDS.items()
        # A call that is under way when the user closes the client fails, and says so.
        if caller in AT_REST or "close" not in ending
    ]
    made += [
        Case(f"asyncio, ends {end}", PREAMBLE + ASYNC.replace("ENDING", ending), code, complaint)
        for end, (ending, code, complaint) in ASYNC_ENDS.items()
    ]
    made.append(Case("thread, ends by closing", PREAMBLE + THREAD, 0, ""))
    return made


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.timeout(30 + 10 * RUNS)
@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_a_program_ends_quietly_and_at_once(mongo_uri: str, case: Case) -> None:
    for _ in range(RUNS):
        started = time.monotonic()
        result = subprocess.run(
            [sys.executable, "-c", case.program, mongo_uri],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        took = time.monotonic() - started
        errors = without_reports(result.stderr)
        complaints = [line for line in errors.splitlines() if line[:1].strip()]
        expected = ["Traceback (most recent call last):"] if case.complaint else []
        assert result.returncode == case.code, result.stderr
        assert result.stdout == ""
        assert complaints[:1] == expected, result.stderr
        assert complaints[-1:] == ([case.complaint] if case.complaint else [])
        assert len(complaints) == 2 * len(expected) or "During handling" in result.stderr
        # The machine may have become slower since it was measured.
        assert took < LIMIT + startup_time() or took < LIMIT + startup_time(anew=True)


def startup_time(*, anew: bool = False) -> float:
    """Seconds that Python and the imports take here, measured once, or now."""
    if anew or not _startup:
        started = time.monotonic()
        subprocess.run([sys.executable, "-c", PREAMBLE.split("uri =")[0]], cwd=ROOT, check=True)
        _startup.append(time.monotonic() - started)
    return _startup[-1]


_startup: list[float] = []
