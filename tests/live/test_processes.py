"""Requests across forks, interrupts and patching: cases that need a process of their own.

The cases are listed in tests/README.md.
"""

from __future__ import annotations

import pytest

from tests.support.fix_hub import run_script

FORK_IN_REQUEST = """
import os, sys
from greenmongo import MongoClient
client = MongoClient(sys.argv[1])
sid = lambda: client.admin.command("hello")["connectionId"]
request = client.start_request()
mine = sid()
pid = os.fork()
if not pid:
    assert client.in_request(), "the child has lost the request"
    theirs = sid()
    assert theirs != mine
    assert sid() == theirs
    client.end_request()
    assert not client.in_request()
    client.close()
    sys.exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
assert sid() == mine
request.end()
client.close()
print("fine")
"""

FORK_AND_USE = """
import os, sys, time
from greenmongo import MongoClient
client = MongoClient(sys.argv[1])
sid = lambda: client.admin.command("hello")["connectionId"]
mine = sid()
pids = []
for child in range(2):
    pid = os.fork()
    if not pid:
        until = time.monotonic() + 0.3
        numbers = set()
        while time.monotonic() < until:
            numbers.add(sid())
            assert client.admin.command("ping")["ok"] == 1.0
        assert mine not in numbers
        os._exit(0)
    pids.append(pid)
for pid in pids:
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
assert sid() == mine
client.close()
print("fine")
"""

INTERRUPT = """
import signal, sys, threading
from greenmongo import MongoClient
from tests.support.fix_scripted import Answer, Gate, ScriptedServer
if sys.argv[1] == "hub":
    import gevent
    gevent.get_hub()
with ScriptedServer() as server, MongoClient(server.uri) as client:
    gate = Gate()
    server.script("find", Answer({"cursor": {"id": 0, "firstBatch": [{"stale": 1}]}}, gate))

    has_left = threading.Event()

    def once(number, frame):
        signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, once)

    def interrupt():
        gate.wait_for_waiting()
        # A signal that comes just before the system call that waits does not end that.
        while not has_left.is_set():
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            has_left.wait(1)

    interrupter = threading.Thread(target=interrupt)
    with client.start_request() as request:
        before = client.admin.command("whoami")["connectionId"]
        interrupter.start()
        try:
            client.test.c.find_one()
        except KeyboardInterrupt:
            has_left.set()
            print("interrupted")
        assert client.in_request()
        interrupter.join()
        gate.open()
        assert client.test.c.find_one() is None
        assert client.admin.command("whoami")["connectionId"] == before
"""

PATCHED = """
from gevent import monkey
monkey.patch_all()
import sys, threading, gevent
from greenmongo import MongoClient
client = MongoClient(sys.argv[1])
sid = lambda: client.admin.command("hello")["connectionId"]

def work():
    with client.start_request():
        mine = sid()
        gevent.sleep(0)
        assert sid() == mine
        return mine

with client.start_request():
    mine = sid()
    workers = [gevent.spawn(work) for _ in range(5)]
    theirs = [worker.get() for worker in workers]
    assert mine not in theirs
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert sid() == mine

def auto():
    was = client.in_request()
    client.start_request()
    sid()
    return was

assert not any(gevent.spawn(auto).get() for _ in range(20))
gevent.sleep(0.05)
client.close()
print("fine")
"""


PATCHED_SOCKETS = """
from gevent import monkey
monkey.patch_socket()
import sys, gevent
from greenmongo import MongoClient
client = MongoClient(sys.argv[1], use_greenlets=False)
sid = lambda: client.admin.command("hello")["connectionId"]

def work():
    client.start_request()
    mine = sid()
    gevent.sleep(0)
    assert sid() == mine
    return mine

one, other = gevent.spawn(work), gevent.spawn(work)
assert one.get() != other.get()
assert not client.in_request()
client.close()
print("fine")
"""


def ran_fine(script: str, *arguments: str) -> None:
    result = run_script(script, *arguments)
    assert (result.stdout, result.stderr, result.returncode) == ("fine\n", "", 0)


@pytest.mark.live
def test_P40_a_request_goes_on_in_a_forked_child(mongo_uri: str) -> None:
    ran_fine(FORK_IN_REQUEST, mongo_uri)


@pytest.mark.live
def test_P41_P42_forked_children_have_connections_of_their_own(mongo_uri: str) -> None:
    ran_fine(FORK_AND_USE, mongo_uri)


@pytest.mark.parametrize("mode", ["thread", "hub"])
def test_R22_an_interrupt_neither_costs_the_connection_nor_mixes_up_replies(mode: str) -> None:
    result = run_script(INTERRUPT, mode)
    assert (result.stdout, result.returncode) == ("interrupted\n", 0)
    # gevent itself tells of an interrupt that reaches a hub.
    assert result.stderr == "" or mode == "hub"


@pytest.mark.live
@pytest.mark.gevent_patched
def test_G15_in_a_patched_process_greenlets_are_contexts(mongo_uri: str) -> None:
    ran_fine(PATCHED, mongo_uri)


@pytest.mark.live
@pytest.mark.gevent_patched
def test_G16_with_sockets_patched_alone_greenlets_are_contexts_all_the_same(mongo_uri: str) -> None:
    """PyMongo took them all for one thread; here a thread with a hub is noticed."""
    ran_fine(PATCHED_SOCKETS, mongo_uri)
