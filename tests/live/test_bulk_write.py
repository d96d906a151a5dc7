"""Bulk writes of a collection, through every door: the same results as PyMongo's."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from pymongo import (
    DeleteMany,
    DeleteOne,
    InsertOne,
    ReplaceOne,
    UpdateMany,
    UpdateOne,
)
from pymongo.collation import Collation
from pymongo.errors import BulkWriteError
from pymongo.write_concern import WriteConcern

from tests.support.fix_comparison import Comparison

pytestmark = pytest.mark.live

NO_DOCUMENT: Any = 5

CASES: dict[str, Callable[[Any], Any]] = {
    "every_kind": lambda db: db.c.bulk_write(
        [
            InsertOne({"_id": 100, "name": "new"}),
            UpdateOne({"_id": 1}, {"$set": {"x": 1}}),
            UpdateMany({"n": 1}, {"$inc": {"n": 10}}),
            ReplaceOne({"_id": 2}, {"name": "replaced"}),
            DeleteOne({"n": 3}),
            DeleteMany({"n": 4}),
        ]
    ),
    "upserts": lambda db: db.c.bulk_write(
        [
            UpdateOne({"_id": 200}, {"$set": {"name": "a"}}, upsert=True),
            UpdateOne({"_id": 1}, {"$set": {"name": "b"}}, upsert=True),
            ReplaceOne({"_id": 201}, {"name": "c"}, upsert=True),
            UpdateMany({"_id": 202}, {"$set": {"name": "d"}}, upsert=True),
        ]
    ),
    "unordered": lambda db: db.c.bulk_write(
        [
            DeleteOne({"_id": 1}),
            InsertOne({"_id": 300, "name": "x"}),
            UpdateOne({"_id": 301}, {"$set": {"name": "y"}}, upsert=True),
            InsertOne({"_id": 1, "name": "again"}),
            UpdateOne({"_id": 302}, {"$set": {"name": "z"}}, upsert=True),
        ],
        ordered=False,
    ),
    "options": lambda db: db.c.bulk_write(
        [
            UpdateOne(
                {"_id": 2},
                {"$set": {"tags.$[tag]": "z"}},
                array_filters=[{"tag": "b"}],
                hint="_id_",
            ),
            UpdateMany(
                {"name": "NAME 3"}, {"$set": {"x": 1}}, collation=Collation("en", strength=2)
            ),
            DeleteOne({"name": "NAME 4"}, collation={"locale": "en", "strength": 2}),
            DeleteMany({"_id": 7}, hint=[("_id", 1)]),
            ReplaceOne({"name": "NAME 5"}, {"name": "r"}, collation=Collation("en", strength=2)),
            UpdateOne({"_id": 9}, [{"$set": {"x": {"$add": ["$n", 1]}}}]),
        ],
        comment="why",
        bypass_document_validation=True,
    ),
    "let": lambda db: db.c.bulk_write(
        [
            UpdateMany({"$expr": {"$eq": ["$n", "$$wanted"]}}, {"$set": {"x": 1}}),
            DeleteMany({"$expr": {"$eq": ["$n", "$$gone"]}}),
        ],
        let={"wanted": 2, "gone": 3},
    ),
    "an_error_in_order": lambda db: db.c.bulk_write(
        [
            InsertOne({"_id": 100, "name": "new"}),
            UpdateOne({"_id": 1}, {"$set": {"x": 1}}),
            InsertOne({"_id": 101, "name": "also new"}),
            InsertOne({"_id": 5, "name": "a duplicate"}),
            DeleteOne({"_id": 6}),
        ]
    ),
    "errors_out_of_order": lambda db: db.c.bulk_write(
        [
            InsertOne({"_id": 5, "name": "a duplicate"}),
            UpdateOne({"_id": 1}, {"$set": {"name": "name 2"}}),
            InsertOne({"_id": 100, "name": "new"}),
            DeleteOne({"_id": 6}),
            UpdateOne({"_id": 400}, {"$set": {"name": "name 3"}}, upsert=True),
            UpdateOne({"_id": 401}, {"$set": {"name": "fresh"}}, upsert=True),
        ],
        ordered=False,
    ),
    "an_operator_that_is_unknown": lambda db: db.c.bulk_write(
        [UpdateOne({"_id": 1}, {"$nonsense": {"x": 1}}), DeleteOne({"_id": 2})]
    ),
    "a_sort_that_the_server_does_not_know": lambda db: db.c.bulk_write(
        [UpdateOne({}, {"$set": {"x": 1}}, sort={"_id": -1})]
    ),
    "a_write_concern_that_cannot_be_met": lambda db: db.c.with_options(
        write_concern=WriteConcern(7, wtimeout=1)
    ).bulk_write([InsertOne({"_id": 100, "name": "a"}), DeleteOne({"_id": 1})]),
    "nothing": lambda db: db.c.bulk_write([]),
    "what_is_no_list": lambda db: db.c.bulk_write(5),
    "what_is_no_operation": lambda db: db.c.bulk_write([InsertOne({"_id": 100}), {"insert": 1}]),
    "an_update_without_operators": lambda db: db.c.bulk_write([UpdateOne({}, {"x": 1})]),
    "an_empty_update": lambda db: db.c.bulk_write([UpdateMany({}, {})]),
    "a_replacement_with_operators": lambda db: db.c.bulk_write(
        [ReplaceOne({}, {"$set": {"x": 1}})]
    ),
    "a_document_that_is_none": lambda db: db.c.bulk_write([InsertOne(NO_DOCUMENT)]),
    "a_let_that_is_none": lambda db: db.c.bulk_write([DeleteOne({})], let=5),
}

UNACKNOWLEDGED: dict[str, Callable[[Any], Any]] = {
    "in_order": lambda c: c.bulk_write(
        [InsertOne({"_id": 100, "name": "a"}), DeleteOne({"_id": 1}), InsertOne({"_id": 2})]
    ),
    "in_order_with_an_error": lambda c: c.bulk_write(
        [InsertOne({"_id": 2}), DeleteOne({"_id": 1}), InsertOne({"_id": 100, "name": "a"})]
    ),
    "out_of_order": lambda c: c.bulk_write(
        [InsertOne({"_id": 2}), DeleteOne({"_id": 1}), InsertOne({"_id": 100, "name": "a"})],
        ordered=False,
    ),
    "with_a_collation": lambda c: c.bulk_write([DeleteOne({}, collation=Collation("en"))]),
    "with_array_filters": lambda c: c.bulk_write(
        [UpdateOne({}, {"$set": {"tags.$[t]": 1}}, array_filters=[{"t": 1}])]
    ),
    "with_a_sort": lambda c: c.bulk_write([UpdateOne({}, {"$set": {"x": 1}}, sort={"_id": 1})]),
    "bypassing_validation": lambda c: c.bulk_write(
        [InsertOne({"_id": 100})], bypass_document_validation=True
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_bulk_write_does_what_it_does_with_pymongo(case: str, both: Comparison) -> None:
    both.check(CASES[case])


@pytest.mark.parametrize("case", UNACKNOWLEDGED)
def test_so_does_one_that_nobody_answers(case: str, both: Comparison) -> None:
    def write(db: Any) -> Any:
        try:
            result = UNACKNOWLEDGED[case](db.c.with_options(write_concern=WriteConcern(w=0)))
            return result.acknowledged
        finally:
            # The server does one thing after another, at least on one connection.
            db.c.with_options(write_concern=WriteConcern(w=1)).delete_many({"_id": "no such"})

    both.check(write)


def random_operation(chance: random.Random) -> Any:
    """Return an operation on the documents of a comparison, which may well fail."""
    identity, other = chance.randrange(25), chance.randrange(25)
    name = f"name {chance.randrange(25)}"
    upsert = chance.choice([None, True, False])
    operations: list[Callable[[], Any]] = [
        lambda: InsertOne({"_id": identity, "name": name}),
        lambda: UpdateOne({"_id": identity}, {"$set": {"name": name}}, upsert=upsert),
        lambda: UpdateOne({"_id": identity}, {"$inc": {"n": 1}}, upsert),
        lambda: UpdateMany({"_id": {"$gt": other}}, {"$inc": {"n": 1}}),
        lambda: UpdateMany({"_id": identity, "n": 99}, {"$set": {"x": 1}}, upsert=upsert),
        lambda: ReplaceOne({"_id": identity}, {"name": name}, upsert=upsert),
        lambda: DeleteOne({"_id": identity}),
        lambda: DeleteMany({"n": other}),
    ]
    return chance.choice(operations)()


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("seed", range(8))
def test_random_operations_do_what_they_do_with_pymongo(
    seed: int, ordered: bool, both: Comparison
) -> None:
    def write(db: Any) -> Any:
        chance = random.Random(seed)
        operations = [random_operation(chance) for _ in range(chance.randrange(1, 25))]
        return db.c.bulk_write(operations, ordered=ordered)

    both.check(write)


@pytest.mark.parametrize("seed", range(4))
def test_operations_that_come_one_after_another_do_the_same(seed: int, both: Comparison) -> None:
    def write(db: Any) -> Any:
        chance = random.Random(seed)
        operations = (random_operation(chance) for _ in range(20))
        # PyMongo takes lists only.
        given = list(operations) if db is both.theirs else operations
        return db.c.bulk_write(given)

    both.check(write)


def test_many_are_sent_in_several_messages(db: Any) -> None:
    result = db.c.bulk_write([InsertOne({"_id": n}) for n in range(100_001)])
    assert result.inserted_count == db.c.estimated_document_count() == 100_001


def test_errors_of_later_messages_are_numbered_as_the_operations_are(db: Any) -> None:
    operations = [InsertOne({"_id": n}) for n in range(100_001)]
    operations += [InsertOne({"_id": 100_000}), InsertOne({"_id": 1})]
    with pytest.raises(BulkWriteError) as caught:
        db.c.bulk_write(operations, ordered=False)
    errors = caught.value.details["writeErrors"]
    assert [(error["index"], error["op"]) for error in errors] == [
        (100_001, {"_id": 100_000}),
        (100_002, {"_id": 1}),
    ]
