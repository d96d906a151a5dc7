"""The operations that callers do: each carries a token, and its answer must bring it back.

A step is written once for all doors: its call returns a value from a blocking database, and
something to be awaited from an async one.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from pymongo.collection import ReturnDocument
from pymongo.read_preferences import Nearest
from pymongo.write_concern import WriteConcern

__all__ = ["DATABASE", "THINGS", "Step", "Steps"]

DATABASE = "chaos"
THINGS = 10
"""Documents of the collection that is only read."""


@dataclass(frozen=True)
class Step:
    """One operation: how to do it, and how to tell its answer."""

    name: str
    token: str
    call: Callable[[Any], Any]
    is_right: Callable[[Any], bool]
    writes: frozenset[tuple[str, str]] = frozenset()


class Steps:
    """Makes the steps of one caller after another in one slot, all tokens different."""

    def __init__(self, random: Random, slot: str) -> None:
        self._random = random
        self._slot = slot
        self._numbers = itertools.count()
        self._kinds: Mapping[Callable[[str], Step], int] = {
            self._echo: 30,
            self._echo_of_any_member: 12,
            self._slow: 8,
            self._cursor: 15,
            self._insert: 15,
            self._insert_three: 4,
            self._push: 5,
            self._push_and_see: 11,
        }

    def next(self) -> Step:
        """Return some step."""
        (kind,) = self._random.choices(list(self._kinds), list(self._kinds.values()))
        return kind(self._token())

    def silent_insert(self) -> tuple[Step, Step]:
        """Return an unacknowledged write, and the read that must see it on the same connection."""
        token = self._token()
        silent = WriteConcern(w=0)

        def write(db: Any) -> Any:
            return db.get_collection("silent", write_concern=silent).insert_one({"_id": token})

        def read(db: Any) -> Any:
            return db.silent.find_one({"_id": token})

        return (
            Step("silent insert", token, write, lambda result: result.acknowledged is False),
            Step("read of it", token, read, lambda found: found in (None, {"_id": token})),
        )

    def _token(self) -> str:
        return f"{self._slot}#{next(self._numbers)}"

    def _thing(self, token: str) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """Return a filter, a projection that sends the token back, and the document to come."""
        number = self._random.randrange(THINGS)
        return {"_id": number}, literal(token), {"_id": number, "token": token}

    def _echo(self, token: str) -> Step:
        query, projection, expected = self._thing(token)
        return Step(
            "find_one", token, lambda db: db.things.find_one(query, projection), expected.__eq__
        )

    def _echo_of_any_member(self, token: str) -> Step:
        query, projection, expected = self._thing(token)

        def call(db: Any) -> Any:
            things = db.get_collection("things", read_preference=Nearest())
            return things.find_one(query, projection)

        return Step("find_one, nearest", token, call, expected.__eq__)

    def _slow(self, token: str) -> Step:
        query, projection, expected = self._thing(token)
        query["$where"] = f"sleep({self._random.randrange(5, 300)}) || true"
        return Step(
            "slow find_one",
            token,
            lambda db: db.things.find_one(query, projection),
            expected.__eq__,
        )

    def _cursor(self, token: str) -> Step:
        expected = [{"_id": number, "token": token} for number in range(THINGS)]

        def call(db: Any) -> Any:
            return db.things.find({}, literal(token), sort=[("_id", 1)], batch_size=3).to_list()

        return Step("find in batches", token, call, expected.__eq__)

    def _insert(self, token: str) -> Step:
        return Step(
            "insert_one",
            token,
            lambda db: db.written.insert_one({"_id": token}),
            lambda result: result.acknowledged and result.inserted_id == token,
            frozenset({("written", token)}),
        )

    def _insert_three(self, token: str) -> Step:
        tokens = [f"{token}.{n}" for n in range(3)]
        return Step(
            "insert_many",
            token,
            lambda db: db.written.insert_many([{"_id": each} for each in tokens]),
            lambda result: result.acknowledged and result.inserted_ids == tokens,
            frozenset(("written", each) for each in tokens),
        )

    def _push(self, token: str) -> Step:
        update = {"$push": {"tokens": token}}
        return Step(
            "update_one",
            token,
            lambda db: db.slots.update_one({"_id": self._slot}, update),
            lambda result: (result.matched_count, result.modified_count) == (1, 1),
            frozenset({("slots", token)}),
        )

    def _push_and_see(self, token: str) -> Step:
        update = {"$push": {"tokens": token}, "$set": {"last": token}}

        def call(db: Any) -> Any:
            return db.slots.find_one_and_update(
                {"_id": self._slot}, update, {"last": 1}, return_document=ReturnDocument.AFTER
            )

        # Sent again after a failover, the server answers with the whole document.
        return Step(
            "find_one_and_update",
            token,
            call,
            lambda found: (found["_id"], found["last"]) == (self._slot, token),
            frozenset({("slots", token)}),
        )


def literal(token: str) -> dict[str, Any]:
    """Return a projection that puts a token into every document."""
    return {"token": {"$literal": token}}
