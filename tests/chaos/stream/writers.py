"""Callers that write what change streams see: documents, changed a few times each.

Whoever is not told what became of a version goes on with another document.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from random import Random
from time import monotonic
from typing import Any

import anyio
import gevent
from gevent import GreenletExit
from pymongo.errors import PyMongoError
from pymongo.write_concern import WriteConcern

from tests.chaos.ledger import Ledger
from tests.chaos.stream.record import DATABASE, THINGS, Record, Version

__all__ = ["Author", "TaskWriter", "Writer"]

Write = tuple[str, tuple[Version, ...], Callable[[], Any]]
"""What to count it as, what it writes, and how."""


class Author:
    """Thinks of one document after another, for a writer of any kind."""

    def __init__(
        self, client: Any, record: Record, ledger: Ledger, random: Random, slot: str
    ) -> None:
        self._things = client.get_database(DATABASE).get_collection(
            THINGS, write_concern=WriteConcern("majority")
        )
        self._record = record
        self.ledger = ledger
        self.random = random
        self._slot = slot
        self._numbers = itertools.count()

    def writes(self) -> list[Write]:
        """Return what to do with some new documents, in order."""
        count = self.random.choice([1, 1, 1, 3])
        names = [f"{self._slot}#{next(self._numbers)}" for _ in range(count)]
        return [
            self._insert(names),
            *(
                self._update(name, number)
                for number in range(1, self.random.randrange(1, 6))
                for name in names
            ),
        ]

    def pause(self) -> float:
        """Return how many seconds to think."""
        return self.random.uniform(0, 0.3)

    def begins(self, write: Write) -> float:
        """Note that something is to be written."""
        self._record.attempts(*write[1])
        return monotonic()

    def ends(self, write: Write) -> None:
        """Note that it was acknowledged."""
        self._record.is_told(*write[1])
        self.ledger.count(write[0])

    def failed(self, write: Write, error: PyMongoError, began: float) -> None:
        """Note that nobody knows."""
        self.ledger.failed(write[0], error, began)

    def _insert(self, names: list[str]) -> Write:
        def call() -> Any:
            if len(names) == 1:
                return self._things.insert_one({"_id": names[0], "n": 0})
            return self._things.insert_many([{"_id": name, "n": 0} for name in names])

        return "inserts", tuple((name, 0) for name in names), call

    def _update(self, name: str, number: int) -> Write:
        change = {"$set": {"n": number}}
        return (
            "updates",
            ((name, number),),
            lambda: self._things.update_one({"_id": name, "n": number - 1}, change),
        )


class Writer:
    """One life after another, by a blocking client."""

    def __init__(self, author: Author) -> None:
        self._author = author

    def live(self) -> None:
        """Write some documents."""
        author = self._author
        try:
            for write in author.writes():
                gevent.sleep(author.pause())
                began = author.begins(write)
                try:
                    write[2]()
                except PyMongoError as error:
                    author.failed(write, error, began)
                    return
                author.ends(write)
        except GreenletExit:
            author.ledger.count("killed")
            raise


class TaskWriter:
    """One life after another, by an async client."""

    def __init__(self, author: Author) -> None:
        self._author = author

    async def live(self) -> None:
        """Write some documents."""
        author = self._author
        try:
            for write in author.writes():
                await anyio.sleep(author.pause())
                began = author.begins(write)
                try:
                    await write[2]()
                except PyMongoError as error:
                    author.failed(write, error, began)
                    return
                author.ends(write)
        except anyio.get_cancelled_exc_class():
            author.ledger.count("cancelled")
            raise
