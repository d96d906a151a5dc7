"""Greenlets, threads and tasks on one client, however much gevent has patched, and when."""

from __future__ import annotations

import pytest

from tests.support.fix_hub import run_script

SCRIPT = """
import sys, warnings
uri, setting, place = sys.argv[1:]
from gevent import monkey
if setting == "patch_all before":
    monkey.patch_all()
if setting == "patch_socket":
    monkey.patch_socket()
import asyncio, socket, threading
import gevent
import gevent.socket
from bridge import AsyncMongoClient
from greenmongo import MongoClient
from greenmongo.hub import statistics_of
if setting == "patch_all after":
    warnings.simplefilter("ignore", monkey.MonkeyPatchWarning)
    monkey.patch_all()
is_patched = setting.startswith("patch_all")
assert (socket.socket is gevent.socket.socket) is (setting != "nothing")

start_real_thread, allocate = monkey.get_original("_thread", ["start_new_thread", "allocate_lock"])
sleep = gevent.sleep
client = MongoClient(uri, use_greenlets=setting == "patch_socket")
tasks_client = AsyncMongoClient.from_client(client)
found = {}

def sid():
    return client.admin.command("hello")["connectionId"]

def request():
    assert not client.in_request()
    with client.start_request():
        mine = {sid() for _ in range(5)}
        assert client.in_request()
    assert not client.in_request()
    (number,) = mine
    return number

def greenlets():
    # They are in requests together, and in none of their parent's.
    with client.start_request():
        mine = sid()
        inside = [gevent.spawn(request) for _ in range(10)]
        assert mine not in [each.get() for each in inside]
        assert sid() == mine
    return True

def leaking_greenlets():
    def leak():
        was_in_request = client.in_request()
        client.start_request()
        sid()
        return was_in_request
    assert not any(gevent.spawn(leak).get() for _ in range(20))
    return True

def greenlets_of_a_thread():
    try:
        return gevent.spawn(greenlets).get() and gevent.spawn(leaking_greenlets).get()
    finally:
        gevent.get_hub().destroy(destroy_loop=True)

async def task():
    assert not tasks_client.in_request()
    async with tasks_client.start_request():
        mine = {(await tasks_client.admin.command("hello"))["connectionId"] for _ in range(5)}
    assert len(mine) == 1

async def tasks():
    await asyncio.gather(*[task() for _ in range(20)])
    return True

class Real:
    "A real thread, whatever is patched, to be waited for without a hub's help."
    def __init__(self, name, fn):
        self.lock = allocate()
        self.lock.acquire()
        start_real_thread(self.run, (name, fn))
    def run(self, name, fn):
        try:
            found[name] = bool(fn())
        finally:
            self.lock.release()
    def join(self):
        while not self.lock.acquire(False):
            sleep(0.001)

threads = [Real("real thread", request), Real("greenlets of a real thread", greenlets_of_a_thread)]
def of_threading():
    found["threading"] = bool(request())
other = threading.Thread(target=of_threading)
other.start()
if place == "in a real thread":
    threads.append(Real("tasks", lambda: asyncio.run(tasks())))
elif place == "in main":
    found["tasks"] = asyncio.run(tasks())
found["greenlets of main"] = greenlets() and leaking_greenlets()
for each in [*threads, other]:
    each.join()
expected = {"real thread", "greenlets of a real thread", "threading", "tasks", "greenlets of main"}
assert {name for name, is_fine in found.items() if is_fine} == expected, found
while statistics_of(client).requests:
    sleep(0.001)
client.close()
print("fine")
"""


@pytest.mark.live
@pytest.mark.gevent_patched
@pytest.mark.parametrize("place", ["in main", "in a real thread"])
@pytest.mark.parametrize(
    "setting", ["nothing", "patch_socket", "patch_all before", "patch_all after"]
)
def test_all_kinds_of_callers_share_a_client(mongo_uri: str, setting: str, place: str) -> None:
    result = run_script(SCRIPT, mongo_uri, setting, place)
    assert (result.stdout, result.stderr, result.returncode) == ("fine\n", "", 0)
