"""The operations that are measured, as each driver spells them.

Each is a function without arguments. `find many` reads, and `insert_many` writes, 10,000 documents
of 1 KB; `mixed` is six parts find_one, two insert_one, one update_one and one aggregate.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.measure import (
    COLLECTION,
    DATABASE,
    DOCUMENT,
    FILTER,
    HELD,
    MANY,
    AsyncCall,
    BlockingCall,
    many_documents,
)

__all__ = ["BULK", "OPERATIONS", "SMALL", "awaited", "blocking"]

SMALL = ("find_one", "insert_one", "update_one", "aggregate", "mixed")
BULK = ("async for", "to_list", "insert_many")
OPERATIONS = (*SMALL, *BULK)

_UPDATE = {"$set": {"n": 42}}
_PIPELINE = [{"$match": FILTER}]
_WRITTEN = "written"
_MIXTURE = (
    "find_one", "insert_one", "find_one", "find_one", "update_one",
    "find_one", "insert_one", "find_one", "aggregate", "find_one",
)  # fmt: skip


def _new() -> dict[str, Any]:
    return {"name": DOCUMENT["name"], "n": DOCUMENT["n"]}


def _batch() -> Callable[[], list[dict[str, Any]]]:
    documents = many_documents()

    def batch() -> list[dict[str, Any]]:
        for document in documents:
            document.pop("_id", None)
        return documents

    return batch


def blocking(client: Any) -> Mapping[str, BlockingCall]:
    """Return the operations of a blocking client."""
    database = client[DATABASE]
    things, written, many = database[COLLECTION], database[_WRITTEN], database[MANY]
    batch = _batch()
    calls: dict[str, BlockingCall] = {
        "find_one": lambda: things.find_one(FILTER),
        "insert_one": lambda: written.insert_one(_new()),
        "update_one": lambda: things.update_one(FILTER, _UPDATE),
        "aggregate": lambda: things.aggregate(_PIPELINE).to_list(),
        "async for": lambda: sum(1 for _ in many.find({})),
        "to_list": lambda: many.find({}).to_list(),
        "insert_many": lambda: written.insert_many(batch()),
    }
    turns = itertools.cycle([calls[name] for name in _MIXTURE])
    calls["mixed"] = lambda: next(turns)()
    return calls


def awaited(client: Any, driver: str = "pymongo") -> Mapping[str, AsyncCall]:
    """Return the operations of an async client: of `pymongo` (and ours), `motor`, `mongojet`."""
    database = client[DATABASE]
    things, written, many = database[COLLECTION], database[_WRITTEN], database[MANY]
    held, batch = database[HELD], _batch()
    finds_later, all_of = driver == "mongojet", [None] if driver == "motor" else []

    async def aggregate() -> Any:
        found = things.aggregate(_PIPELINE)
        return await (found if driver == "motor" else await found).to_list(*all_of)

    async def iterate() -> int:
        cursor = many.find({})
        seen = 0
        async for _ in await cursor if finds_later else cursor:
            seen += 1
        return seen

    async def to_list() -> Any:
        cursor = many.find({})
        return await (await cursor if finds_later else cursor).to_list(*all_of)

    calls: dict[str, AsyncCall] = {
        "find_one": lambda: things.find_one(FILTER),
        "insert_one": lambda: written.insert_one(_new()),
        "update_one": lambda: things.update_one(FILTER, _UPDATE),
        "aggregate": aggregate,
        "async for": iterate,
        "to_list": to_list,
        "insert_many": lambda: written.insert_many(batch()),
        "waiting": lambda: held.find_one({}),
    }
    turns = itertools.cycle([calls[name] for name in _MIXTURE])
    calls["mixed"] = lambda: next(turns)()
    return calls
