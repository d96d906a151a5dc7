"""Compare what two clients make of the same call: values, or errors with all their facts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pymongo
import pytest
from pymongo import results
from pymongo.database import Database
from pymongo.errors import BulkWriteError, ExecutionTimeout, OperationFailure

__all__ = ["SEED", "Comparison", "both", "outcome"]

VOLATILE = {"$clusterTime", "operationTime", "electionId", "opTime", "connectionId", "localTime"}
DB = "test_live_same"
INDEXES = ["_id_", "name_1"]
SEED: list[dict[str, Any]] = [
    {"_id": number, "n": number % 5, "name": f"name {number}", "tags": ["a", "b"][: number % 3]}
    for number in range(20)
]


def facts(value: Any) -> Any:
    """Return what can be compared of a value: no times, no identities, cursors as lists."""
    if isinstance(value, results._WriteResult):
        names = [name for name in dir(type(value)) if not name.startswith("_")]
        return type(value), {name: facts(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        return {key: facts(item) for key, item in value.items() if key not in VOLATILE}
    if isinstance(value, (list, tuple)):
        return [facts(item) for item in value]
    if hasattr(value, "to_list"):
        return [facts(item) for item in value.to_list()]
    return value


def outcome(fn: Callable[[], Any]) -> Any:
    """Return the facts of what `fn` returns or raises."""
    try:
        return "returned", facts(fn())
    except ExecutionTimeout as error:
        # In which words depends on where in the query the time ran out.
        return "raised", type(error), error.code, error.timeout
    except (OperationFailure, BulkWriteError) as error:
        return "raised", type(error), error.code, facts(error.details), error.timeout
    except Exception as error:
        return "raised", type(error), str(error)


@dataclass
class Comparison:
    """Calls the same function with PyMongo's database and with ours, on the same documents."""

    theirs: Database[dict[str, Any]]
    ours: Any

    def seed(self) -> None:
        """Have twenty documents and a unique index in the collection `c`, and nothing else."""
        collection = self.theirs["c"]
        for name in self.theirs.list_collection_names():
            if name != "c" or list(collection.index_information()) != INDEXES:
                self.theirs.drop_collection(name)
        # Much faster than to drop what is as it should be.
        collection.delete_many({})
        collection.insert_many([dict(document) for document in SEED])
        collection.create_index("name", unique=True)

    def content(self) -> list[dict[str, Any]]:
        """Return all documents of the collection `c`."""
        return list(self.theirs["c"].find().sort([("_id", 1), ("name", 1)]))

    def check(self, action: Callable[[Any], Any]) -> Any:
        """Call `action` with the database of either; return the outcome, which is the same."""
        self.seed()
        expected, their_content = outcome(lambda: action(self.theirs)), self.content()
        self.seed()
        actual, our_content = outcome(lambda: action(self.ours)), self.content()
        assert actual == expected
        assert our_content == their_content
        return actual


@pytest.fixture
def both(client: Any, reference: pymongo.MongoClient[dict[str, Any]]) -> Comparison:
    """The same call through PyMongo and through us must come to the same."""
    return Comparison(reference[DB], client[DB])


@pytest.fixture(scope="session")
def reference(mongo_uri: str) -> Iterator[pymongo.MongoClient[dict[str, Any]]]:
    """PyMongo's own client of the same server: what it does is right."""
    opened: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(mongo_uri)
    with opened as client:
        yield client
        client.drop_database(DB)
