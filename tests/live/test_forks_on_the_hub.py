"""Forks in functions that run on the hub thread."""

from __future__ import annotations

import pytest

from tests.support.fix_hub import run_script

PROGRAM = """
import os, sys, threading
import gevent
from greenmongo import MongoClient, hub

client = MongoClient(sys.argv[1])
connection_id = lambda: client.admin.command("hello")["connectionId"]
stop, errors = threading.Event(), []

def load():
    try:
        while not stop.is_set():
            assert client.admin.command("ping")["ok"] == 1.0
    except BaseException as error:
        errors.append(error)

def in_child(mine):
    gevent.sleep(0.001)
    assert connection_id() != mine
    assert hub.run(connection_id) != mine
    assert gevent.spawn(connection_id).get() != mine
    with client.start_request():
        assert connection_id() == connection_id()

def fork():
    with client.start_request():
        mine = connection_id()
        pid = os.fork()
        if not pid:
            client.end_request()
            in_child(mine)
            END
        while True:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                assert connection_id() == mine
                return os.waitstatus_to_exitcode(status)
            gevent.sleep(0.001)

threads = [threading.Thread(target=load) for _ in range(3)]
for thread in threads:
    thread.start()
codes = [PLACE for _ in range(3)]
stop.set()
for thread in threads:
    thread.join()
client.close()
assert not errors, errors
print(codes)
"""

ENDS = {"os._exit(3)": 3, "return": 0, "sys.exit(3)": 3}

PLACES = {
    "a function": "hub.run(fork)",
    "a greenlet": "hub.run(lambda: gevent.spawn(fork).get())",
}


@pytest.mark.live
@pytest.mark.timeout(90)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("end", ENDS)
def test_a_fork_on_the_hub_leaves_child_and_parent_working(
    mongo_uri: str, place: str, end: str
) -> None:
    """F15: the child goes on with that function alone, and ends with it."""
    program = PROGRAM.replace("END", end).replace("PLACE", PLACES[place])
    done = run_script(program, mongo_uri, timeout=80.0)
    assert (done.stdout, done.returncode) == (f"{[ENDS[end]] * 3}\n", 0), done.stderr
