"""An asyncio TCP service that counts words: one client for the process, a request per line."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from bridge import AsyncMongoClient
from greenmongo import WriteConcern

URI = os.environ.get("GREENMONGO_URI", "mongodb://localhost:27017")
VISITORS = 50


class WordCounter:
    def __init__(self, client: AsyncMongoClient[dict[str, Any]]) -> None:
        self._client = client
        self._words = client.greenmongo_service.words
        self._unanswered = self._words.with_options(write_concern=WriteConcern(w=0))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer each line with how often it was seen."""
        while line := await reader.readline():
            writer.write(b"%d\n" % await self._count(line.decode().strip()))
            await writer.drain()
        writer.close()

    async def _count(self, word: str) -> int:
        # One connection for both: the read sees the write although nobody answered that.
        async with self._client.start_request():
            await self._unanswered.update_one({"_id": word}, {"$inc": {"seen": 1}}, upsert=True)
            found = await self._words.find_one({"_id": word})
        return 0 if found is None else int(found["seen"])


async def visit(port: int) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"hello\n")
    try:
        return int(await reader.readline())
    finally:
        writer.close()


async def main() -> None:
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(URI)
    async with client:
        await client.greenmongo_service.words.drop()
        server = await asyncio.start_server(WordCounter(client).serve, "127.0.0.1", 0)
        async with server:
            port: int = server.sockets[0].getsockname()[1]
            answers = await asyncio.gather(*(visit(port) for _ in range(VISITORS)))
        print(f"{VISITORS} visitors at once; the last one was number {max(answers)}")
        await client.drop_database("greenmongo_service")


if __name__ == "__main__":
    asyncio.run(main())
