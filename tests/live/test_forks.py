"""Forks of a process that is busy: the child starts anew, and the parent does not notice."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from greenmongo.embedded import MongoServer, TLSFiles
from tests.support.fix_hub import ROOT, run_script, without_reports

CERTS = ROOT / "tests" / "support" / "certs"
FILES = TLSFiles(CERTS / "server.pem", CERTS / "ca.pem")
FORKS = int(os.environ.get("GREENMONGO_FORKS", "20"))

UNDER_LOAD = """
import os, sys, threading
from greenmongo import MongoClient
uri, forks = sys.argv[1], int(sys.argv[2])
client = MongoClient(uri, maxPoolSize=10)
sid = lambda c: c.admin.command("hello")["connectionId"]
stop, errors, done = threading.Event(), [], [0] * 4

def load(n):
    try:
        while not stop.is_set():
            assert client.admin.command("ping")["ok"] == 1.0
            done[n] += 1
    except BaseException as error:
        errors.append(error)

with client.start_request():
    mine = sid(client)
    threads = [threading.Thread(target=load, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(forks):
        pid = os.fork()
        if not pid:
            try:
                client.end_request()
                good = client.admin.command("ping")["ok"] == 1.0 and sid(client) != mine
                client.close()
            except BaseException:
                os._exit(1)
            os._exit(0 if good else 2)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert code == 0, code
        # In TLS a single strange byte would have ended the connection.
        assert sid(client) == mine
    stop.set()
    for thread in threads:
        thread.join()
    assert not errors, errors
    assert all(done), done
client.close()
print("fine")
"""

PROCESSES = """
import multiprocessing, sys
from greenmongo import MongoClient

def work(uri, queue, client=None):
    client = client or MongoClient(uri)
    queue.put(client.admin.command("hello")["connectionId"])
    client.close()

if __name__ == "__main__":
    uri, method = sys.argv[1:]
    client = MongoClient(uri)
    mine = client.admin.command("hello")["connectionId"]
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    inherited = client if method == "fork" else None
    processes = [context.Process(target=work, args=(uri, queue, inherited)) for _ in range(3)]
    for process in processes:
        process.start()
    theirs = {queue.get(timeout=20) for _ in processes}
    for process in processes:
        process.join(20)
        assert process.exitcode == 0, process.exitcode
    assert len(theirs | {mine}) == 4, (theirs, mine)
    assert client.admin.command("hello")["connectionId"] == mine
    client.close()
    print("fine")
"""

PRELOADED = """
import asyncio, os, sys
from bridge import AsyncMongoClient

# As an application server does that loads the application first and forks its workers then.
client = AsyncMongoClient(sys.argv[1])
mine = asyncio.run(client.admin.command("hello"))["connectionId"]

async def serve():
    replies = await asyncio.gather(*(client.admin.command("hello") for _ in range(20)))
    assert mine not in {reply["connectionId"] for reply in replies}
    async with client.start_request():
        first = await client.admin.command("hello")
        assert (await client.admin.command("hello"))["connectionId"] == first["connectionId"]
    await client.close()

pids = []
for _ in range(3):
    pid = os.fork()
    if not pid:
        try:
            asyncio.run(serve())
        except BaseException as error:
            print(repr(error), flush=True)
            os._exit(1)
        os._exit(0)
    pids.append(pid)
assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids] == [0] * 3
assert asyncio.run(client.admin.command("hello"))["connectionId"] == mine
client.close()
print("fine")
"""


def ran_fine(script: str, *arguments: str, timeout: float = 55.0) -> None:
    result = run_script(script, *arguments, timeout=timeout)
    assert (result.stdout, result.stderr, result.returncode) == ("fine\n", "", 0)


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.timeout(60)
def test_forks_under_load_leave_the_parent_undisturbed(mongo_uri: str) -> None:
    ran_fine(UNDER_LOAD, mongo_uri, str(FORKS))


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.timeout(60)
def test_forks_under_load_write_nothing_into_the_parents_encrypted_connections() -> None:
    with MongoServer(replica_set=None, tls=FILES) as server:
        ran_fine(UNDER_LOAD, server.uri, str(FORKS))


@pytest.mark.live
@pytest.mark.timeout(60)
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_each_process_has_a_connection_of_its_own(
    mongo_uri: str, method: str, tmp_path: Path
) -> None:
    # `spawn` reads the program's file once more.
    path = tmp_path / "program.py"
    path.write_text(PROCESSES)
    result = subprocess.run(
        [sys.executable, path, mongo_uri, method],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    assert (result.stdout, without_reports(result.stderr), result.returncode) == ("fine\n", "", 0)


@pytest.mark.live
@pytest.mark.timeout(60)
def test_workers_forked_after_the_application_was_loaded_serve(mongo_uri: str) -> None:
    ran_fine(PRELOADED, mongo_uri)


SESSIONS = """
import os, sys
from pymongo.errors import InvalidOperation
from greenmongo import MongoClient
client = MongoClient(sys.argv[1])
things = client.test_forks.things
things.drop()
things.insert_one({"_id": 0})
session, other = client.start_session(), client.start_session()
things.find_one(session=session)
mine = session.session_id
other.start_transaction()
things.insert_one({"_id": 1}, session=other)
pid = os.fork()
if not pid:
    code = 1
    try:
        things.insert_one({"_id": 2}, session=session)
        assert session.session_id != mine
        try:
            things.find_one(session=other)
        except InvalidOperation:
            code = 0
        other.end_session()
        session.end_session()
        client.close()
    finally:
        os._exit(code)
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
assert code == 0, code
other.commit_transaction()
assert session.session_id == mine
assert things.count_documents({}, session=session) == 3
client.drop_database("test_forks")
client.close()
print("fine")
"""


@pytest.mark.live
def test_a_child_takes_a_server_session_of_its_own_and_no_part_in_a_transaction(
    mongo_uri: str,
) -> None:
    ran_fine(SESSIONS, mongo_uri)
