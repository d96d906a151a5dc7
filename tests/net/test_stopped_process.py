"""Processes that stand still for longer than their time limits: SIGSTOP, SIGCONT."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep

import pytest

from tests.support.fix_hub import ROOT
from tests.support.fix_leaks import wait_until
from tests.support.fix_scripted import Answer, Gate, ScriptedServer

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="needs /proc"),
    pytest.mark.timeout(90),
]

LIMIT = 2000
"""Milliseconds of each time limit: enough to stop the process before, on a slow machine too."""

STANDSTILL = 2.2
"""Seconds that have to pass, for the limits to be over."""

BLOCKING = """
import sys
from greenmongo import MongoClient
from pymongo.monitoring import ServerHeartbeatListener
told = []
class Heartbeats(ServerHeartbeatListener):
    def started(self, event): pass
    def succeeded(self, event): pass
    def failed(self, event): told.append(f"failed: {event.reply!r}")
uri, options = sys.argv[1], eval(sys.argv[2])
"""

THREAD = (
    BLOCKING
    + """
client = MongoClient(uri, event_listeners=[Heartbeats()], retryReads=False, **options)
client.admin.command("ping")
print("ready", flush=True)
sys.stdin.readline()
print(client.shop.items.find_one(), flush=True)
sys.stdin.readline()
print(client.admin.command("ping")["ok"], told, flush=True)
"""
)

GREENLETS = "from gevent import monkey; monkey.patch_all()\n" + THREAD

TASK = (
    BLOCKING
    + """
import asyncio
from bridge import AsyncMongoClient
async def main():
    client = AsyncMongoClient(uri, event_listeners=[Heartbeats()], retryReads=False, **options)
    await client.admin.command("ping")
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    print(await client.shop.items.find_one(), flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    print((await client.admin.command("ping"))["ok"], told, flush=True)
    await client.close()
asyncio.run(main())
"""
)


class Child:
    """A program that can be stopped."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def go_on(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        pid = self._process.pid
        os.kill(pid, signal.SIGSTOP)
        status = Path(f"/proc/{pid}/stat")
        wait_until(lambda: status.read_text().rpartition(")")[2].split()[0] == "T")
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)


@contextmanager
def program(script: str, uri: str, **options: object) -> Iterator[Child]:
    command = [sys.executable, "-c", script, uri, repr(options)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Child(process)
            assert process.wait(15) == 0
        finally:
            process.kill()


FOUND = {"id": 0, "ns": "shop.items", "firstBatch": [{"_id": 1}]}

LIMITS = {
    "socket": {"socketTimeoutMS": LIMIT},
    "all": {"timeoutMS": LIMIT},
}


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("script", [THREAD, GREENLETS, TASK], ids=["thread", "greenlet", "task"])
def test_an_answer_that_came_while_the_process_stood_still_is_not_lost(
    scripted_server: ScriptedServer, script: str, limit: str
) -> None:
    """F05: its time limit was over long before anybody could look."""
    gate = Gate()
    scripted_server.on("find", Answer({"cursor": FOUND}, gate))
    with program(script, scripted_server.uri, **LIMITS[limit]) as child:
        assert child.line() == "ready"
        child.go_on()
        gate.wait_for_waiting()
        with child.standing_still():
            gate.open()
            sleep(STANDSTILL)
        assert child.line() == "{'_id': 1}"
        child.go_on()
        assert child.line() == "1.0 []"


def test_a_heartbeat_that_was_answered_meanwhile_has_not_failed(
    scripted_server: ScriptedServer,
) -> None:
    """F05: no event, the pool is not cleared, and no connection is opened again."""
    gate = Gate()
    options = {"connectTimeoutMS": LIMIT, "heartbeatFrequencyMS": 500}
    with program(THREAD, scripted_server.uri, **options) as child:
        assert child.line() == "ready"
        scripted_server.script("hello", Answer(scripted_hello(scripted_server), gate))
        gate.wait_for_waiting()
        opened = len(scripted_server.connections)
        with child.standing_still():
            gate.open()
            sleep(STANDSTILL)
        child.go_on()
        assert child.line() == "None"
        child.go_on()
        assert child.line() == "1.0 []"
        assert len(scripted_server.connections) == opened


def scripted_hello(server: ScriptedServer) -> dict[str, object]:
    return dict(server.hello_reply(server.commands("hello")[0]))
