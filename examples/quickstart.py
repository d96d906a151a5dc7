"""What greenmongo does, in five steps on a real server.

make demo                                                 on a server that is started for it
GREENMONGO_URI=mongodb://... python examples/quickstart.py              on your own
"""

from __future__ import annotations

import asyncio
import os
import threading
from time import perf_counter
from typing import Any

import gevent

from bridge import AsyncMongoClient
from greenmongo import MongoClient, WriteConcern
from greenmongo.hub import statistics_of

URI = os.environ.get("GREENMONGO_URI", "mongodb://localhost:27017")
ROUNDS = int(os.environ.get("GREENMONGO_DEMO_ROUNDS", "2000"))
DB = "greenmongo_demo"
NO_ANSWER = WriteConcern(w=0)

Client = AsyncMongoClient[dict[str, Any]]


async def step_1_many_tasks(client: Client) -> None:
    print("1. 200 asyncio tasks insert and read")
    things = client[DB].things

    async def insert_and_read(number: int) -> bool:
        await things.insert_one({"_id": number, "square": number**2})
        return await things.find_one({"_id": number}) == {"_id": number, "square": number**2}

    started = perf_counter()
    right = sum(await asyncio.gather(*map(insert_and_read, range(200))))
    took = (perf_counter() - started) * 1000
    print(f"   {right} of 200 tasks read what they wrote, in {took:.0f} ms")
    print(f"   {await things.count_documents({})} documents are in the collection")


async def step_2_requests(client: Client) -> None:
    print("2. two tasks, each in a request: a connection of its own")

    async def ask_20_times(mine: asyncio.Event, others: asyncio.Event) -> list[int]:
        async with client.start_request():
            seen = set()
            for _ in range(20):
                seen.add((await client.admin.command("hello"))["connectionId"])
                mine.set()
                await others.wait()
            return sorted(seen)

    a, b = asyncio.Event(), asyncio.Event()
    first, second = await asyncio.gather(ask_20_times(a, b), ask_20_times(b, a))
    print(f"   task A, 20 awaits: the server saw connection {', '.join(map(str, first))}")
    print(f"   task B, 20 awaits: the server saw connection {', '.join(map(str, second))}")


def misses(writer: MongoClient[dict[str, Any]], reader: MongoClient[dict[str, Any]]) -> int:
    """Write without waiting for an answer, count at once, and tell how often that was too soon."""
    writes = writer[DB].get_collection("counted", write_concern=NO_ANSWER)
    reads = reader[DB].counted
    missed = 0
    for number in range(ROUNDS):
        writes.insert_one({"number": number})
        missed += reads.estimated_document_count() != number + 1
    # Acknowledged, on the connection that wrote: every insert is done when this is.
    writer[DB].counted.drop()
    return missed


async def step_3_read_your_writes(client: Client) -> None:
    print(f"3. {ROUNDS} times: insert with w=0, which nobody answers, and count at once")
    async with client.start_request():
        # Ordinary blocking code, on a greenlet of the hub thread, in this task's request.
        missed = await client.run(misses, client.sync, client.sync)
    print(f"   in a request (one connection): {missed} of {ROUNDS} counts missed the insert")
    async with Client(URI, maxPoolSize=1) as writer:
        missed = await client.run(misses, writer.sync, client.sync)
    print(f"   over two connections:          {missed} of {ROUNDS} counts missed the insert")


async def step_4_everywhere(client: Client) -> None:
    print("4. one client: this event loop, another one, a thread and greenlets, all at once")
    everybody = threading.Barrier(3)
    blocking = client.sync[DB].things

    def in_a_thread() -> str:
        everybody.wait()
        return f"a plain thread counted {blocking.count_documents({})} documents"

    def in_greenlets() -> str:
        everybody.wait()
        greenlets = [gevent.spawn(blocking.find_one, {"_id": number}) for number in range(50)]
        gevent.joinall(greenlets, raise_error=True)
        found = sum(greenlet.value is not None for greenlet in greenlets)
        gevent.get_hub().destroy(destroy_loop=True)
        return f"50 greenlets of a gevent hub found {found} documents"

    def in_another_loop() -> str:
        everybody.wait()
        return f"50 tasks of another event loop found {asyncio.run(find_50())} documents"

    async def find_50() -> int:
        found = await asyncio.gather(*(client[DB].things.find_one({"_id": n}) for n in range(50)))
        return len(found) - found.count(None)

    *lines, found = await asyncio.gather(
        asyncio.to_thread(in_a_thread),
        asyncio.to_thread(in_greenlets),
        asyncio.to_thread(in_another_loop),
        find_50(),
    )
    print(*(f"   {line}" for line in lines), sep="\n")
    print(f"   50 tasks of this event loop found {found} documents")


async def step_5_cancel(client: Client) -> None:
    print("5. a slow query is cancelled, and its connection is used again")
    async with Client(URI, maxPoolSize=1) as one:

        async def created() -> int:
            statistics = await one.run(statistics_of, one.sync)
            return sum(pool.created for pool in statistics.pools)

        await one.admin.command("ping")
        before, started = await created(), perf_counter()
        slow = one[DB].things.find_one({"$where": "sleep(1000), false"})
        try:
            await asyncio.wait_for(slow, timeout=0.05)
        except asyncio.TimeoutError:
            left = (perf_counter() - started) * 1000
            print(f"   the caller was gone after {left:.0f} ms of a query of 200 seconds")
        await one.admin.command("ping")
        print(f"   connections created: {before} before, {await created()} after the next command")


async def main() -> None:
    async with Client(URI) as client:
        await client.drop_database(DB)
        await step_1_many_tasks(client)
        await step_2_requests(client)
        await step_3_read_your_writes(client)
        await step_4_everywhere(client)
        await step_5_cancel(client)
        await client.drop_database(DB)


if __name__ == "__main__":
    asyncio.run(main())
