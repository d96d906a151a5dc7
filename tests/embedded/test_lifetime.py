"""A server ends with the process that asked for it, however that process ends."""

from __future__ import annotations

import asyncio
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import anyio
import pytest

from greenmongo.embedded import MongoServer

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
]
ROOT = Path(__file__).parents[2]

OWNER = """
import os, sys, threading
from greenmongo.embedded import MongoServer
server = MongoServer(replica_set=None)
def start():
    server.start()
{begin}
print(server.members[0].pid, server.members[0].directory.parent, flush=True)
{end}
"""
WAIT = "threading.Event().wait()"
FROM_A_THREAD = "thread = threading.Thread(target=start); thread.start(); thread.join()"
WITH_A_FORKED_CHILD = """
start()
if os.fork() == 0:  # keeps every inherited descriptor open
    import time
    time.sleep(30)
    os._exit(0)
"""


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def is_empty(directory: Path) -> bool:
    return not any(directory.iterdir())


def eventually(condition: Callable[[], bool], within: float = 10.0) -> bool:
    give_up = time.monotonic() + within
    while time.monotonic() < give_up:
        if condition():
            return True
        threading.Event().wait(0.02)
    return condition()


@contextmanager
def owner(begin: str, end: str) -> Iterator[tuple[subprocess.Popen[str], int, Path]]:
    """Run a process that owns a server; yields it, the server's pid and its directory."""
    with subprocess.Popen(
        [sys.executable, "-c", OWNER.format(begin=begin, end=end)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        try:
            pid, directory = process.stdout.readline().split()
            yield process, int(pid), Path(directory)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize(
    "begin",
    ["start()", FROM_A_THREAD, WITH_A_FORKED_CHILD],
    ids=["from the main thread", "from a thread that ended", "with a forked child"],
)
def test_it_ends_when_its_owner_is_killed(begin: str) -> None:
    with owner(begin, WAIT) as (process, pid, directory):
        assert is_alive(pid)
        process.kill()
        process.wait()
        assert eventually(lambda: not is_alive(pid))
        assert eventually(lambda: not directory.exists())


@pytest.mark.parametrize(
    "end", ["", "os._exit(0)", "raise KeyError(1)"], ids=["end", "_exit", "error"]
)
def test_it_ends_when_its_owner_forgets_it(end: str) -> None:
    with owner("start()", end) as (process, pid, directory):
        process.wait()
        assert eventually(lambda: not is_alive(pid))
        assert eventually(lambda: not directory.exists())


def test_it_outlives_the_thread_that_started_it() -> None:
    server = MongoServer(replica_set=None)
    thread = threading.Thread(target=server.start)
    thread.start()
    thread.join()
    try:
        assert server.members[0].hello() is not None
    finally:
        server.stop()


def test_it_ends_when_its_supervisor_is_killed() -> None:
    with MongoServer(replica_set=None) as server:
        (member,) = server.members
        pid = member.pid
        assert pid is not None
        status = Path(f"/proc/{pid}/status").read_text()
        parent = next(line.split()[1] for line in status.splitlines() if line.startswith("PPid:"))
        os.kill(int(parent), signal.SIGKILL)
        assert eventually(lambda: not is_alive(pid))
        assert eventually(lambda: not member.is_running)


def test_a_forked_child_leaves_its_parents_server_alone() -> None:
    with MongoServer(replica_set=None) as server:
        child = os.fork()
        if child == 0:
            server.stop()
            os._exit(0)
        os.waitpid(child, 0)
        assert server.members[0].hello() is not None


@pytest.mark.anyio
async def test_the_asynchronous_block_never_holds_up_the_loop() -> None:
    turned, waits = threading.Event(), list[bool]()

    def wait_for_a_turn() -> None:
        turned.clear()
        waits.append(turned.wait(5))

    class Waiting(MongoServer):
        """Starts and stops while the loop goes on, or not at all."""

        def _start(self) -> None:
            wait_for_a_turn()
            super()._start()
            wait_for_a_turn()

        def stop(self) -> None:
            wait_for_a_turn()
            super().stop()
            wait_for_a_turn()

    async def turn() -> None:
        while True:
            await anyio.sleep(0.01)
            turned.set()

    async with anyio.create_task_group() as group:
        group.start_soon(turn)
        async with Waiting(replica_set=None) as server:
            assert server.uri.startswith("mongodb://127.0.0.1:")
        group.cancel_scope.cancel()
    assert waits == [True] * 4


@pytest.fixture
def never_ready(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Have servers that never get ready; returns the directory that theirs are in."""
    program, directories = tmp_path / "mongod", tmp_path / "directories"
    program.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && { echo "db version v6.0.0"; exit; }\nexec sleep 60\n'
    )
    program.chmod(0o755)
    directories.mkdir()
    monkeypatch.setenv("GREENMONGO_MONGOD", str(program))
    monkeypatch.setattr(tempfile, "tempdir", str(directories))
    return directories


@pytest.mark.anyio
async def test_a_start_that_is_cancelled_leaves_nothing_behind(never_ready: Path) -> None:
    with anyio.move_on_after(0.1) as scope:
        async with MongoServer():
            raise AssertionError("it cannot be ready")
    assert scope.cancelled_caught
    assert is_empty(never_ready)


@pytest.mark.asyncio
async def test_a_task_that_is_cancelled_while_it_starts_leaves_nothing_behind(
    never_ready: Path,
) -> None:
    async def start() -> None:
        async with MongoServer():
            raise AssertionError("it cannot be ready")

    task = asyncio.create_task(start())
    while is_empty(never_ready):  # noqa: ASYNC110 - a folder sets no event
        await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert is_empty(never_ready)


PATCHED = """
from gevent import monkey; monkey.patch_all()
import gevent
from greenmongo.embedded import MongoServer
ticks = 0
def tick():
    global ticks
    while True:
        gevent.sleep(0.01)
        ticks += 1
gevent.spawn(tick)
with MongoServer(replica_set=None) as server:
    member, = server.members
    member.kill(); member.restart()
    assert member.hello()
assert ticks > 5, ticks
print("fine")
"""
PATCHED_ASYNCIO = """
from gevent import monkey; monkey.patch_all()
import asyncio
from greenmongo.embedded import MongoServer
async def main():
    async with MongoServer(replica_set=None) as server:
        assert server.members[0].hello()
asyncio.run(main())
print("fine")
"""


@pytest.mark.gevent_patched
@pytest.mark.parametrize("script", [PATCHED, PATCHED_ASYNCIO], ids=["greenlets", "asyncio"])
def test_it_works_in_a_process_that_gevent_has_patched(script: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=18, cwd=ROOT
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "fine\n", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_prints_its_uri_and_ends_cleanly(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "greenmongo", "serve", "--standalone"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        try:
            assert read_line(process).startswith("mongodb://127.0.0.1:")
            process.send_signal(number)
            rest, errors = process.communicate(timeout=10)
        finally:
            process.kill()
    assert (process.returncode, rest, errors) == (0, "", "")


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        assert selector.select(15), "nothing printed"
    return process.stdout.readline()
