"""Finalisers that write, in a program in which the garbage collector runs all over the place."""

from __future__ import annotations

import pytest

from tests.support.fix_hub import run_script

PROGRAM = """
import asyncio, gc, sys, threading
from functools import partial
import gevent
from bridge import AsyncMongoClient
from greenmongo import MongoClient

client = MongoClient(sys.argv[1])
client.drop_database("greenmongo_finalisers")
log = client.greenmongo_finalisers.log

class Dying:
    def __init__(self, number):
        self.number, self.myself = number, self

    def __del__(self):
        log.insert_one({"_id": self.number})

def work(first):
    for number in range(first, first + 100):
        Dying(number)
        client.greenmongo_finalisers.c.find_one({"_id": number})

async def work_in_a_task(tasks_client, first):
    for number in range(first, first + 100):
        Dying(number)
        await tasks_client.greenmongo_finalisers.c.find_one({"_id": number})

async def work_in_tasks():
    async with AsyncMongoClient(sys.argv[1]) as tasks_client:
        await asyncio.gather(*[work_in_a_task(tasks_client, 1000 * n) for n in range(3)])

def work_in_greenlets():
    gevent.joinall([gevent.spawn(work, 1000 * n) for n in range(3, 6)], raise_error=True)

gc.set_threshold(20, 2, 2)
threads = [threading.Thread(target=work, args=(1000 * n,)) for n in range(6, 9)]
threads.append(threading.Thread(target=work_in_greenlets))
threads.append(threading.Thread(target=asyncio.run, args=(work_in_tasks(),)))
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
gc.set_threshold(700, 10, 10)
gc.collect()
client.close()
with MongoClient(sys.argv[1]) as client:
    found = sorted(each["_id"] for each in client.greenmongo_finalisers.log.find())
    client.drop_database("greenmongo_finalisers")
missing = {1000 * n + each for n in range(9) for each in range(100)} - set(found)
print(len(found), sorted(missing))
"""


@pytest.mark.live
@pytest.mark.timeout(90)
def test_none_of_many_writes_is_lost_wherever_the_collector_runs(mongo_uri: str) -> None:
    """F14: with threads, greenlets and tasks at work."""
    done = run_script(PROGRAM, mongo_uri, timeout=60.0)
    assert done.stderr == ""
    assert done.stdout == "900 []\n"
