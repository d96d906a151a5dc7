"""Cursors, through every door: batches, options, and what is left on the server."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pymongo
import pytest
from pymongo.errors import CursorNotFound, InvalidOperation

from greenmongo import CursorType, MongoClient, timeout
from tests.support.fix_comparison import SEED, Comparison

pytestmark = pytest.mark.live

CASES: dict[str, Callable[[Any], Any]] = {
    "all": lambda db: list(db.c.find()),
    "in_batches": lambda db: list(db.c.find().batch_size(3)),
    "batches_of_one": lambda db: list(db.c.find().batch_size(1)),
    "sorted": lambda db: list(db.c.find().sort([("n", -1), ("_id", 1)])),
    "sorted_by_one_key": lambda db: list(db.c.find().sort("_id", -1).limit(5)),
    "limited": lambda db: list(db.c.find().limit(7).batch_size(3)),
    "limited_to_one_batch": lambda db: list(db.c.find().limit(-7)),
    "skipped": lambda db: list(db.c.find().skip(15)),
    "sliced": lambda db: list(db.c.find().sort("_id", 1)[3:7]),
    "sliced_to_nothing": lambda db: list(db.c.find()[3:3]),
    "one_by_index": lambda db: db.c.find().sort("_id", 1)[4],
    "index_out_of_range": lambda db: db.c.find()[100],
    "negative_index": lambda db: db.c.find()[-1],
    "sliced_with_a_step": lambda db: db.c.find()[1:5:2],
    "projected": lambda db: list(db.c.find({}, ["name"])),
    "hinted": lambda db: list(db.c.find({"name": "name 3"}).hint("name_1")),
    "bounded": lambda db: list(db.c.find().hint([("_id", 1)]).min([("_id", 3)]).max([("_id", 6)])),
    "commented": lambda db: list(db.c.find().comment("why").max_time_ms(5_000).limit(1)),
    "where": lambda db: list(db.c.find().where("this.n == 2")),
    "distinct": lambda db: sorted(db.c.find({"n": {"$lt": 3}}).distinct("n")),
    "explained": lambda db: "queryPlanner" in db.c.find({"n": 1}).explain(),
    "raw_explained": lambda db: type(db.c.find_raw_batches({"n": 1}).explain()),
    "to_list": lambda db: db.c.find().batch_size(4).to_list(),
    "to_list_of_some": lambda db: db.c.find().batch_size(4).to_list(6),
    "to_list_of_zero": lambda db: db.c.find().to_list(0),
    "disk_use": lambda db: list(db.c.find().allow_disk_use(True).limit(2)),
    "a_change_stream_by_its_stage": lambda db: db.c.aggregate(
        [{"$changeStream": {}}], maxAwaitTimeMS=1
    ).to_list(),
    "limit_of_wrong_type": lambda db: db.c.find().limit("1"),
    "negative_skip": lambda db: db.c.find().skip(-1),
    "unknown_cursor_type": lambda db: db.c.find(cursor_type=99),
    "aggregated_in_batches": lambda db: list(db.c.aggregate([], batchSize=4)),
    "no_collection": lambda db: list(db.nothing.find()),
    "tailing_a_plain_collection": lambda db: list(db.c.find(cursor_type=CursorType.TAILABLE)),
}


@pytest.mark.parametrize("name", CASES)
def test_a_cursor_does_what_pymongos_does(both: Comparison, name: str) -> None:
    both.check(CASES[name])


@pytest.fixture
def filled(db: Any, reference: pymongo.MongoClient[dict[str, Any]]) -> Any:
    """The collection of one test, with its documents."""
    reference[db.name].c.insert_many(SEED)
    return db.c


def test_a_cursor_knows_how_far_it_is(filled: Any) -> None:
    cursor = filled.find().batch_size(5)
    assert (cursor.alive, cursor.cursor_id, cursor.retrieved) == (True, None, 0)

    next(cursor)
    assert cursor.cursor_id
    assert cursor.retrieved == 5
    assert cursor.address == filled.database.client.options.seeds[0]

    assert len(list(cursor)) == 19
    assert (cursor.alive, cursor.cursor_id, cursor.retrieved) == (False, 0, 20)


def test_a_cursor_of_many_batches_can_be_limited_in_time(filled: Any) -> None:
    with timeout(30):
        assert len(list(filled.find().batch_size(4))) == len(SEED)


def test_options_are_refused_once_the_query_is_sent(filled: Any) -> None:
    cursor = filled.find().batch_size(5)
    next(cursor)

    with pytest.raises(InvalidOperation, match="cannot set options"):
        cursor.limit(1)


def test_the_methods_that_set_options_return_the_cursor(filled: Any) -> None:
    cursor = filled.find()

    assert cursor.limit(3) is cursor
    assert cursor.sort("_id", 1).skip(1).batch_size(2) is cursor
    assert [document["_id"] for document in cursor] == [1, 2, 3]


def test_a_rewound_cursor_starts_again(filled: Any) -> None:
    cursor = filled.find().sort("_id", 1).batch_size(5)
    first = [next(cursor)["_id"] for _ in range(7)]

    assert cursor.rewind() is cursor
    assert [next(cursor)["_id"] for _ in range(7)] == first


def test_a_clone_is_a_cursor_of_its_own(filled: Any) -> None:
    cursor = filled.find().sort("_id", -1).batch_size(5)
    next(cursor)
    clone = cursor.clone()

    assert [document["_id"] for document in clone] == list(range(19, -1, -1))
    assert cursor.collection == filled


def test_a_cursor_that_is_done_stays_done(filled: Any) -> None:
    cursor = filled.find().limit(2)
    assert len(list(cursor)) == 2

    assert list(cursor) == []
    with pytest.raises(StopIteration):
        next(cursor)


def is_gone(reference: pymongo.MongoClient[dict[str, Any]], cursor_id: int) -> bool:
    """Tell whether the server has no such cursor, without asking for more of it."""
    found = reference.admin.aggregate(
        [
            {"$currentOp": {"idleCursors": True, "allUsers": True}},
            {"$match": {"type": "idleCursor", "cursor.cursorId": cursor_id}},
        ]
    )
    return not found.to_list()


def test_a_closed_cursor_is_gone_from_the_server(
    filled: Any, reference: pymongo.MongoClient[dict[str, Any]]
) -> None:
    with filled.find().batch_size(2) as cursor:
        next(cursor)
        cursor_id = cursor.cursor_id
        assert not is_gone(reference, cursor_id)

    assert is_gone(reference, cursor_id)


def test_a_forgotten_cursor_is_closed_on_the_server(
    filled: Any,
    reference: pymongo.MongoClient[dict[str, Any]],
    eventually: Callable[[Callable[[], object]], None],
) -> None:
    cursor = filled.find().batch_size(2)
    next(cursor)
    cursor_id = cursor.cursor_id

    del cursor
    gc.collect()

    eventually(lambda: is_gone(reference, cursor_id))


def test_a_cursor_killed_by_another_is_not_found(
    filled: Any, reference: pymongo.MongoClient[dict[str, Any]]
) -> None:
    cursor = filled.find().batch_size(2)
    next(cursor)
    reference[filled.database.name].command("killCursors", "c", cursors=[cursor.cursor_id])

    with pytest.raises(CursorNotFound) as caught:
        list(cursor)

    assert caught.value.code == 43
    assert not cursor.alive


def test_a_tailable_cursor_waits_for_more(
    db: Any, reference: pymongo.MongoClient[dict[str, Any]]
) -> None:
    capped = reference[db.name].create_collection("capped", capped=True, size=100_000)
    capped.insert_one({"_id": 1})
    cursor = db.capped.find(cursor_type=CursorType.TAILABLE_AWAIT).max_await_time_ms(10)

    assert list(cursor) == [{"_id": 1}]
    assert cursor.alive
    capped.insert_one({"_id": 2})
    assert next(cursor) == {"_id": 2}
    cursor.close()


def test_try_next_returns_none_at_the_end(filled: Any) -> None:
    cursor = filled.aggregate([{"$limit": 1}])

    assert cursor.try_next() == SEED[0]
    assert cursor.try_next() is None


def test_a_cursor_outlives_a_client_that_is_no_longer_named(
    make_client: Callable[..., MongoClient[dict[str, Any]]], filled: Any
) -> None:
    cursor = make_client()[filled.database.name].c.find().batch_size(3)
    gc.collect()

    assert len(list(cursor)) == 20
