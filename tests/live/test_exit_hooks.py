"""Functions that `atexit` calls before and after the driver's own use a client."""

from __future__ import annotations

from textwrap import indent

import pytest

from tests.support.fix_hub import run_script

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

RUNS = 3
"""What goes wrong at exit is a matter of luck."""

BEGINNING = """
import asyncio, atexit, sys, threading
client = None
uri = sys.argv[1]

def last():
    LAST

# Before the driver is imported: called after its own function.
atexit.register(last)

import gevent
from bridge import AsyncMongoClient
from greenmongo import MongoClient
"""

BUSY = """
client = MongoClient(uri)
client.drop_database("greenmongo_at_exit")

def ask():
    while True:
        client.admin.command("ping")

for _ in range(2):
    threading.Thread(target=ask, daemon=True).start()
"""

IDLE = """
client = MongoClient(uri)
client.drop_database("greenmongo_at_exit")
"""

WRITE = """
    for number in range(3):
        client.greenmongo_at_exit.c.insert_one({"_id": number})
"""

KINDS = {
    "a thread": f"{WRITE}\n    print(client.greenmongo_at_exit.c.count_documents({{}}))",
    "a greenlet": f"""
    def write():
        {indent(WRITE, "    ")}
        return client.greenmongo_at_exit.c.count_documents({{}})
    print(gevent.spawn(write).get())
""",
    "a task": """
    async def write():
        async with AsyncMongoClient(uri) as tasks_client:
            async with tasks_client.start_request():
                await tasks_client.greenmongo_at_exit.c.insert_many([{}, {}, {}])
            print(await tasks_client.greenmongo_at_exit.c.count_documents({}))
    asyncio.run(write())
""",
    "a client of its own": f"""
    client.close()
    with MongoClient(uri) as own:
        {indent(WRITE.replace("client.", "own."), "    ")}
        print(own.greenmongo_at_exit.c.count_documents({{}}))
""",
    "a request": f"""
    with client.start_request():
        {indent(WRITE, "    ")}
        print(client.greenmongo_at_exit.c.count_documents({{}}))
""",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("use", [IDLE, BUSY], ids=["idle", "busy"])
def test_what_is_called_behind_the_driver_at_exit_can_use_a_client(
    mongo_uri: str, kind: str, use: str
) -> None:
    """F09: and the process ends as quietly as otherwise."""
    program = BEGINNING.replace("    LAST", KINDS[kind]) + use
    for _ in range(RUNS):
        done = run_script(program, mongo_uri, timeout=30.0)
        assert (done.stderr, done.stdout, done.returncode) == ("", "3\n", 0)


def test_what_is_called_before_the_driver_at_exit_can_use_a_client(mongo_uri: str) -> None:
    """F09: what is registered last is called first."""
    program = BEGINNING.replace("LAST", "pass") + IDLE + "atexit.register(lambda: print(write()))"
    program += (
        f"\ndef write():\n{WRITE}\n    return client.greenmongo_at_exit.c.count_documents({{}})"
    )
    done = run_script(program, mongo_uri, timeout=30.0)
    assert (done.stdout, done.stderr, done.returncode) == ("3\n", "", 0)


def test_an_operation_at_exit_that_fails_is_an_error_like_others(mongo_uri: str) -> None:
    """F09: a sibling: the hub stands still behind a failure, too."""
    fail = """
    try:
        client.admin.command("nonsense")
    except Exception as error:
        print(type(error).__name__, client.admin.command("ping")["ok"])
"""
    program = BEGINNING.replace("    LAST", fail) + IDLE
    done = run_script(program, mongo_uri, timeout=30.0)
    assert (done.stdout, done.stderr, done.returncode) == ("OperationFailure 1.0\n", "", 0)


def test_a_client_cannot_be_used_for_the_first_time_that_late(mongo_uri: str) -> None:
    """F09: there is no hub thread then, and none can be started; the error says what to do."""
    program = BEGINNING.replace("LAST", "MongoClient(uri).admin.command('ping')")
    done = run_script(program, mongo_uri, timeout=30.0)
    assert "HubClosed: the interpreter is exiting, and no thread can be started" in done.stderr
    assert "use the client before that, and do not close it" in done.stderr


def test_a_finalisers_last_write_is_done_before_the_process_ends(mongo_uri: str) -> None:
    """F14: it was taken down on the hub thread, and nobody waits for it."""
    program = BEGINNING.replace("LAST", "pass") + IDLE
    program += """
insert = client.greenmongo_at_exit.c.insert_one
client._executor.thread.submit(lambda: insert({"_id": 1}) and None)
"""
    done = run_script(program, mongo_uri, timeout=30.0)
    assert (done.stderr, done.returncode) == ("", 0)
    count = "import sys; from greenmongo import MongoClient\n"
    count += "with MongoClient(sys.argv[1]) as c:\n"
    count += "    print(c.greenmongo_at_exit.c.count_documents({}))\n"
    count += "    c.drop_database('greenmongo_at_exit')"
    assert run_script(count, mongo_uri, timeout=30.0).stdout == "1\n"
