"""Greenlets in the main thread and asyncio in another one, on one client. Nothing is patched."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import gevent

from bridge import AsyncMongoClient
from greenmongo import MongoClient

URI = os.environ.get("GREENMONGO_URI", "mongodb://localhost:27017")
DB = "greenmongo_mixed"


def greenlets(client: MongoClient[dict[str, Any]]) -> None:
    """Insert 100 documents from 100 greenlets."""
    things = client[DB].things
    started = [
        gevent.spawn(things.insert_one, {"_id": f"greenlet {number}"}) for number in range(100)
    ]
    gevent.joinall(started, raise_error=True)


async def tasks(client: AsyncMongoClient[dict[str, Any]]) -> None:
    """Insert 100 documents from 100 tasks."""
    things = client[DB].things
    await asyncio.gather(*(things.insert_one({"_id": f"task {number}"}) for number in range(100)))


def main() -> None:
    client: MongoClient[dict[str, Any]] = MongoClient(URI)
    with client:
        client.drop_database(DB)
        # gevent's own thread pool has real threads, each with room for an event loop.
        async_client = AsyncMongoClient.from_client(client)
        loop = gevent.get_hub().threadpool.spawn(lambda: asyncio.run(tasks(async_client)))
        greenlets(client)
        loop.get()
        things = client[DB].things
        for kind in ("greenlet", "task"):
            count = things.count_documents({"_id": {"$regex": f"^{kind}"}})
            print(f"{count} documents by {kind}s")
        client.drop_database(DB)


if __name__ == "__main__":
    main()
