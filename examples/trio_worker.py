"""Trio workers that share a queue of jobs in MongoDB, and give up on a job that takes too long."""

from __future__ import annotations

import os
from typing import Any

import trio

from bridge import AsyncCollection, AsyncMongoClient

URI = os.environ.get("GREENMONGO_URI", "mongodb://localhost:27017")
Jobs = AsyncCollection[dict[str, Any]]


async def work(name: str, jobs: Jobs) -> None:
    while (job := await jobs.find_one({"state": "new"})) is not None:
        mine = {"_id": job["_id"], "state": "new"}
        claim = await jobs.update_one(mine, {"$set": {"state": "claimed", "by": name}})
        if claim.modified_count == 0:
            continue  # another worker was faster
        with trio.move_on_after(3) as time_limit:
            await trio.sleep(job["seconds"])
        state = "given up" if time_limit.cancelled_caught else "done"
        await jobs.update_one({"_id": job["_id"]}, {"$set": {"state": state}})


async def main() -> None:
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(URI)
    async with client:
        jobs = client.greenmongo_jobs.jobs
        await jobs.drop()
        await jobs.insert_many(
            [{"_id": n, "state": "new", "seconds": 10 if n == 7 else 0.001} for n in range(20)]
        )
        async with trio.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(work, f"worker {number}", jobs)
        for state in ("done", "given up"):
            print(f"{await jobs.count_documents({'state': state})} jobs {state}")
        await client.drop_database("greenmongo_jobs")


if __name__ == "__main__":
    trio.run(main)
