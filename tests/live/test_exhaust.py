"""Exhaust cursors on a real server, through every door."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pymongo
import pytest

from greenmongo import CursorType

pytestmark = pytest.mark.live

COUNT = 5_000


@pytest.fixture
def filled(db: Any, reference: pymongo.MongoClient[dict[str, Any]]) -> Any:
    """A collection of many batches."""
    documents = [{"_id": n, "filler": "x" * 1_000} for n in range(COUNT)]
    reference[db.name].c.insert_many(documents)
    return db.c


def exhaust(collection: Any, batch_size: int = 50) -> Any:
    return collection.find(batch_size=batch_size, cursor_type=CursorType.EXHAUST).sort("_id")


def open_cursors(reference: pymongo.MongoClient[dict[str, Any]]) -> int:
    metrics = reference.admin.command("serverStatus")["metrics"]
    return int(metrics["cursor"]["open"]["total"])


def test_all_documents_come_in_order(filled: Any) -> None:
    assert [each["_id"] for each in exhaust(filled)] == list(range(COUNT))
    assert len(exhaust(filled, 0).to_list()) == COUNT


def test_a_cursor_that_is_closed_early_is_ended_on_the_server(
    filled: Any,
    reference: pymongo.MongoClient[dict[str, Any]],
    eventually: Callable[[Callable[[], object]], None],
) -> None:
    before = open_cursors(reference)
    with exhaust(filled) as cursor:
        assert [next(cursor)["_id"] for _ in range(170)] == list(range(170))
        assert filled.find_one({"_id": 3})
    eventually(lambda: open_cursors(reference) <= before)
    assert filled.find_one({"_id": 4})["_id"] == 4


def test_a_cursor_that_is_rewound_begins_again(filled: Any) -> None:
    cursor = exhaust(filled)
    for _ in range(170):
        next(cursor)
    cursor.rewind()
    assert next(cursor)["_id"] == 0
    cursor.close()


def test_the_only_connection_of_a_pool_can_be_had_back(
    filled: Any, make_client: Callable[..., Any]
) -> None:
    client = make_client(maxPoolSize=1)
    collection = client[filled.database.name].c
    cursor = exhaust(collection)
    for _ in range(170):
        next(cursor)
    cursor.close()
    assert collection.find_one({"_id": 5})["_id"] == 5


def test_in_a_request_other_operations_go_on_meanwhile(filled: Any) -> None:
    with filled.database.client.start_request():
        cursor = exhaust(filled)
        for number in range(170):
            assert next(cursor)["_id"] == number
            if number % 50 == 0:
                assert filled.find_one({"_id": number})
        cursor.close()


def test_in_a_session_of_the_callers_it_is_read_like_others(filled: Any) -> None:
    with filled.database.client.start_session() as session:
        cursor = filled.find(batch_size=50, cursor_type=CursorType.EXHAUST, session=session)
        for _ in range(170):
            next(cursor)
        assert filled.find_one({"_id": 3}, session=session)
        cursor.close()
