"""What `help` and `inspect.signature` show of async methods."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

import bridge
import bridge.motor
from tests.test_parity import NAMES, async_twin, public

BLOCKING = re.compile(
    r"(?<![A-Za-z])(MongoClient|Database|Collection|Cursor|CommandCursor|RawBatchCursor|ClientSession"
    r"|ChangeStream|GridOut|GridIn|GridOutCursor|BoundSession|TransactionBlock)(?![A-Za-z])"
)


def shown(method: Any) -> str:
    return str(inspect.signature(method).return_annotation)


ASYNC: Any = bridge
"""Not for checkers, to which a method of a generic class is ambiguous."""
MOTOR: Any = bridge.motor


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (ASYNC.AsyncCollection.find, "AsyncCursor[DocT]"),
        (ASYNC.AsyncCollection.find_one, "Coroutine[Any, Any, DocT | None]"),
        (ASYNC.AsyncCollection.insert_many, "Coroutine[Any, Any, InsertManyResult]"),
        (ASYNC.AsyncCollection.aggregate, "AsyncCommandCursor[DocT]"),
        (ASYNC.AsyncDatabase.create_collection, "Coroutine[Any, Any, AsyncCollection[DocT]]"),
        (ASYNC.AsyncMongoClient.get_database, "AsyncDatabase[Any]"),
        (ASYNC.AsyncGridOut.read, "Coroutine[Any, Any, bytes]"),
        (ASYNC.AsyncLegacyCollection.find, "AsyncLegacyCursor[DocT]"),
        (MOTOR.AsyncIOMotorCollection.find_one, "Task[DocT | None]"),
    ],
    ids=lambda value: getattr(value, "__qualname__", None),
)
def test_a_method_shows_its_async_result(method: Any, expected: str) -> None:
    assert shown(method) == expected


@pytest.mark.parametrize("name", NAMES)
def test_no_signature_of_an_async_class_names_a_blocking_one(name: str) -> None:
    for attribute, member in public(async_twin(name)).items():
        if inspect.isfunction(member) and member.__qualname__.startswith("Async"):
            signature = inspect.signature(member)
            annotations = [each.annotation for each in signature.parameters.values()]
            if attribute not in {"from_client"}:
                texts = " ".join(map(str, [*annotations, signature.return_annotation]))
                assert (attribute, BLOCKING.findall(texts)) == (attribute, [])
