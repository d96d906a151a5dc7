"""Processes that have no descriptor, thread or memory left when they first use a client."""

from __future__ import annotations

import sys

import pytest

from tests.support.fix_hub import run_script
from tests.support.fix_scripted import ScriptedServer

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="needs /proc"),
    pytest.mark.timeout(90),
]

EXHAUSTED = """
import os, resource, sys, threading
from contextlib import contextmanager
from time import monotonic
from pymongo.errors import AutoReconnect, PyMongoError
uri, kind, left = sys.argv[1], sys.argv[2], int(sys.argv[3])

@contextmanager
def without_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    taken = []
    try:
        while True:
            taken.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        for _ in range(left):
            os.close(taken.pop())
    try:
        yield
    finally:
        for each in taken:
            os.close(each)

@contextmanager
def without_threads():
    # No room for the stack of another one.
    with open("/proc/self/statm") as statm:
        used = int(statm.read().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    threading.stack_size(1 << 30)
    resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 29), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
        threading.stack_size(0)

exhausted = without_descriptors if kind == "descriptors" else without_threads
"""

BLOCKING = (
    EXHAUSTED
    + """
from greenmongo import MongoClient
with exhausted():
    client = MongoClient(uri, serverSelectionTimeoutMS=15_000)
    try:
        client.admin.command("ping")
    except AutoReconnect as error:
        told = str(error)
print(told)
print(client.admin.command("ping"))
client.close()
"""
)

GREENLETS = "from gevent import monkey; monkey.patch_all()\n" + BLOCKING

TASK = (
    EXHAUSTED
    + """
import asyncio
from bridge import AsyncMongoClient
async def main():
    with exhausted():
        client = AsyncMongoClient(uri, serverSelectionTimeoutMS=15_000)
        try:
            await client.admin.command("ping")
        except AutoReconnect as error:
            told = str(error)
    print(told)
    print(await client.admin.command("ping"))
    await client.close()
asyncio.run(main())
"""
)

DOORS = pytest.mark.parametrize(
    "script", [BLOCKING, GREENLETS, TASK], ids=["thread", "greenlet", "task"]
)


@DOORS
@pytest.mark.parametrize("left", [0, 1, 2, 3])
def test_without_descriptors_there_is_an_error_and_later_the_client_works(
    scripted_server: ScriptedServer, script: str, left: int
) -> None:
    """F07: however many are left, as long as they are too few."""
    done = run_script(script, scripted_server.uri, "descriptors", str(left), timeout=60)
    assert done.stderr == ""
    told, answer = done.stdout.splitlines()
    assert "Too many open files" in told
    assert answer == "{'ok': 1.0}"


@DOORS
def test_without_threads_there_is_an_error_and_later_the_client_works(
    scripted_server: ScriptedServer, script: str
) -> None:
    """F07: the hub thread cannot start."""
    done = run_script(script, scripted_server.uri, "threads", "0", timeout=60)
    assert done.stderr == ""
    told, answer = done.stdout.splitlines()
    assert told == "the driver's hub thread cannot start: can't start new thread"
    assert answer == "{'ok': 1.0}"


THREADLESS = (
    EXHAUSTED
    + """
import gevent
from greenmongo import MongoClient
from greenmongo._hub.background import run_in_background, wait_for_background
from greenmongo._hub.offload import compute, offload
told = []
client = MongoClient(uri)
client.admin.command("ping")
thread = client._executor.thread
with without_threads():
    run_in_background(lambda: told.append("first"))
    try:
        thread.call(offload, int)
    except OSError as error:
        told.append(str(error))
    told.append(thread.call(compute, int))
    late = MongoClient(f"mongodb://localhost:{client.address[1]}", serverSelectionTimeoutMS=3000)
    try:
        late.admin.command("ping")
    except AutoReconnect as error:
        told.append(f"cannot look up: {'start new thread' in str(error)}")
run_in_background(lambda: told.append("second"))
assert wait_for_background(10)
told.append(thread.call(offload, int))
print(*told, late.admin.command("ping"), sep="; ")
late.close()
client.close()
"""
)


def test_what_runs_in_other_threads_goes_on_when_they_can_start_again(
    scripted_server: ScriptedServer,
) -> None:
    """F07: events wait for their thread, look-ups fail, and compression needs none."""
    done = run_script(THREADLESS, scripted_server.uri, "threads", "0", timeout=60)
    assert done.stderr == ""
    assert done.stdout.strip() == "; ".join(
        (
            "[Errno 11] no thread can start: can't start new thread",
            "0",
            "cannot look up: True",
            "first",
            "second",
            "0",
            "{'ok': 1.0}",
        )
    )


CERTIFICATES = (
    EXHAUSTED
    + """
from greenmongo import MongoClient
first = MongoClient(uri)
first.admin.command("ping")
with without_descriptors():
    client = MongoClient(uri, tls=True, connect=False)
    try:
        client.admin.command("ping")
    except AutoReconnect as error:
        print(error)
"""
)


def test_certificates_that_cannot_be_opened_are_no_empty_list(
    scripted_server: ScriptedServer,
) -> None:
    """F07: OpenSSL would skip them, and trust nobody for as long as the client lives."""
    done = run_script(CERTIFICATES, scripted_server.uri, "descriptors", "0", timeout=60)
    assert done.stderr == ""
    assert "the system's certificates cannot be read: [Errno 24]" in done.stdout
