"""The acceptance cases of the methods of PyMongo 2.x (M), on a real server.

Where versions of PyMongo 2 disagreed, these are tests of the one behaviour chosen here, which
`docs/howto/migrate_from_pymongo2_gevent.md` tells.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from bson.errors import InvalidDocument
from bson.objectid import ObjectId
from pymongo.errors import (
    ConfigurationError,
    InvalidName,
    InvalidOperation,
    OperationFailure,
)
from pymongo.monitoring import CommandListener

from greenmongo.legacy import RemovedFromServer

pytestmark = pytest.mark.live


class Sent(CommandListener):
    """The commands that were sent."""

    def __init__(self) -> None:
        self.commands: list[Any] = []

    def started(self, event: Any) -> None:
        self.commands.append(event.command)

    def succeeded(self, event: Any) -> None: ...

    def failed(self, event: Any) -> None: ...

    @property
    def names(self) -> list[str]:
        return [next(iter(command)) for command in self.commands]


def ids(collection: Any) -> list[Any]:
    return sorted(document["_id"] for document in collection.find())


def test_M01_insert_returns_ids(old_db: Any) -> None:
    document: dict[str, Any] = {"x": 1}
    one = old_db.things.insert(document)
    assert isinstance(one, ObjectId)
    assert document["_id"] == one
    several = old_db.things.insert([{"_id": 1}, {"_id": 2}])
    assert several == [1, 2]
    generated = old_db.things.insert({"n": n} for n in range(3))
    assert len(generated) == len(set(generated)) == 3
    assert old_db.things.count() == 6
    with pytest.raises(InvalidOperation):
        old_db.things.insert([])
    with pytest.raises(TypeError):
        old_db.things.insert(5)


def test_M02_one_document_is_one_id(old_db: Any) -> None:
    assert old_db.things.insert({"_id": 0}) == 0
    unchanged: dict[str, Any] = {"x": 1}
    assert old_db.things.insert(unchanged, manipulate=False) is None
    assert unchanged == {"x": 1}
    assert isinstance(old_db.things.find_one({"x": 1})["_id"], ObjectId)
    assert old_db.things.save({"y": 1}, manipulate=False) is None


@pytest.mark.parametrize("document", [{"$a": 1}, {"a.b": 1}, {"a": {"$b": 1}}, {"a": [{"b.c": 1}]}])
def test_M03_keys_are_checked(make_connection: Callable[..., Any], document: Any) -> None:
    sent = Sent()
    things = make_connection(event_listeners=[sent]).test_live.things
    for options in ({}, {"w": 0}):
        with pytest.raises(InvalidDocument):
            things.insert(dict(document), **options)
        with pytest.raises(InvalidDocument):
            things.save({"_id": 1, **document}, **options)
    assert sent.names == []
    things.insert({"_id": 1, "inner": document}, check_keys=False)
    assert things.find_one(1)["inner"] == document
    things.drop()


def test_M04_update_tells_what_getlasterror_told(old_db: Any) -> None:
    things = old_db.things
    things.insert({"_id": 1, "x": 1})
    told = things.update({"_id": 1}, {"$set": {"x": 2}})
    assert told["ok"] == 1.0
    assert told["err"] is None
    assert (told["n"], told["updatedExisting"]) == (1, True)
    assert "upserted" not in told
    assert told["connectionId"] == old_db.command("hello")["connectionId"]
    told = things.update({"_id": 2}, {"$set": {"x": 2}}, upsert=True)
    assert (told["n"], told["updatedExisting"], told["upserted"]) == (1, False, 2)
    told = things.update({"_id": 3}, {"x": 2})
    assert (told["n"], told["updatedExisting"]) == (0, False)
    assert things.update({}, {"$set": {"x": 3}}, multi=True)["n"] == 2
    assert things.update({"_id": 1}, {"x": 4}, w=0) is None
    assert things.find_one(1) == {"_id": 1, "x": 4}
    with pytest.raises(OperationFailure) as caught:
        things.update({}, {"x": 5}, multi=True)
    assert caught.value.code == 9


@pytest.mark.parametrize(
    ("arguments", "options"),
    [(({}, {}), {"upsert": 1}), (([], {}), {}), (({}, []), {}), ((None, {}), {})],
)
def test_M05_update_checks_types(old_db: Any, arguments: Any, options: Any) -> None:
    with pytest.raises(TypeError):
        old_db.things.update(*arguments, **options)


def test_M06_the_first_key_decides_whether_keys_are_checked(old_db: Any) -> None:
    old_db.things.insert({"_id": 1})
    with pytest.raises(InvalidDocument):
        old_db.things.update({}, {"a.b": 1})
    with pytest.raises(InvalidDocument):
        old_db.things.update({}, {"a": 1, "$set": {"b": 1}})
    assert old_db.things.update({}, {"$set": {"a.b": 1}})["n"] == 1
    assert old_db.things.find_one() == {"_id": 1, "a": {"b": 1}}
    old_db.things.update({}, {"a.b": 1}, check_keys=False)
    assert old_db.things.find_one() == {"_id": 1, "a.b": 1}


def test_M07_remove_takes_nothing_an_id_or_a_query(old_db: Any) -> None:
    things = old_db.things
    things.insert([{"_id": n, "x": n % 2} for n in range(6)])
    told = things.remove(0)
    assert (told["n"], told["err"]) == (1, None)
    assert "updatedExisting" not in told
    assert things.remove({"x": 1}, multi=False)["n"] == 1
    assert things.remove({"x": 1})["n"] == 2
    assert things.remove(4, w=0) is None
    assert ids(things) == [2]
    assert things.remove()["n"] == 1
    assert things.count() == 0


@pytest.mark.parametrize(
    ("of_client", "of_call", "is_acknowledged"),
    [
        ({}, {}, True),
        ({"safe": False}, {}, False),
        ({"w": 0}, {}, False),
        ({"w": 0}, {"safe": True}, True),
        ({}, {"safe": False}, False),
        ({}, {"w": 0}, False),
        ({"w": 0}, {"w": 1}, True),
        ({}, {"safe": False, "w": 1}, True),
        ({"w": 0}, {"safe": False, "j": True}, True),
        ({"w": 0}, {"wtimeout": 1000}, True),
        ({"w": 0}, {"fsync": True}, True),
    ],
)
def test_M08_safe_and_the_options_of_a_write(
    make_connection: Callable[..., Any], of_client: Any, of_call: Any, is_acknowledged: bool
) -> None:
    client = make_connection(**of_client)
    things = client.test_live.things
    assert client.safe is not bool(of_client)
    assert (things.update({}, {"x": 1}, **of_call) is not None) is is_acknowledged
    assert (things.remove(5, **of_call) is not None) is is_acknowledged
    with pytest.raises(ConfigurationError, match="safe"):
        things.insert({}, safe=True, w=0)
    with pytest.raises(ConfigurationError, match="writeconcern"):
        things.insert({}, writeconcern=1)


def test_M09_ensure_index_remembers(make_connection: Callable[..., Any], old_db: Any) -> None:
    things = old_db.things
    assert things.ensure_index("x") == "x_1"
    assert things.ensure_index("x") is None
    assert things.ensure_index([("x", 1), ("y", -1)], cache_for=0) == "x_1_y_-1"
    assert things.ensure_index([("x", 1), ("y", -1)], ttl=0) == "x_1_y_-1"
    assert make_connection()[old_db.name].things.ensure_index("x") == "x_1"
    for purge in (
        lambda: things.drop_index("x_1"),
        lambda: things.drop_index([("x", 1)]),
        things.drop_indexes,
        things.drop,
        lambda: old_db.drop_collection("things"),
        lambda: old_db.client.drop_database(old_db.name),
    ):
        assert things.ensure_index("x") is None
        purge()
        assert things.ensure_index("x") == "x_1"
    assert things.create_index("z", 100) == "z_1"
    assert things.ensure_index("z") is None
    assert set(things.index_information()) == {"_id_", "x_1", "z_1"}


def test_M10_dropping_what_is_not_there_is_no_error(old_db: Any) -> None:
    assert old_db.nothing.drop() is None
    assert old_db.nothing.drop_indexes() is None
    old_db.drop_collection("nothing")
    assert "nothing" not in old_db.collection_names()


def test_M11_what_servers_cannot_do_is_refused_here(make_connection: Callable[..., Any]) -> None:
    sent = Sent()
    client = make_connection(event_listeners=[sent])
    db = client.test_live
    for code, refused in (
        (59, lambda: db.things.group({}, {}, {}, "function () {}")),
        (59, lambda: db.eval("1 + 1")),
        (59, lambda: client.copy_database("a", "b")),
        (59, db.previous_error),
        (59, db.reset_error_history),
        (5739000, db.error),
        (5739000, db.last_status),
        (40415, lambda: db.things.find(max_scan=5)),
        (40415, lambda: db.things.find().max_scan(5)),
        (197, lambda: db.things.ensure_index("x", unique=True, drop_dups=True)),
    ):
        with pytest.raises(OperationFailure) as caught:
            refused()
        assert isinstance(caught.value, RemovedFromServer | NotImplementedError)
        assert caught.value.code == code
    with pytest.raises(TypeError):
        client.copy_database(1, "b")
    with pytest.raises(InvalidName):
        client.copy_database("a", "b.c")
    assert sent.names == []


def test_M11_a_parallel_scan_is_one_cursor(make_connection: Callable[..., Any]) -> None:
    things = make_connection().test_live.things
    things.insert([{"_id": n} for n in range(3)])
    (cursor,) = things.parallel_scan(4)
    assert cursor.collection == getattr(things, "_it", things)
    things.drop()


def test_M12_aggregate_returns_a_dict(old_db: Any) -> None:
    old_db.things.insert([{"_id": n} for n in range(300)])
    reply = old_db.things.aggregate([{"$sort": {"_id": 1}}, {"$project": {"x": "$_id"}}])
    assert reply["ok"] == 1.0
    assert [document["x"] for document in reply["result"]] == list(range(300))
    assert old_db.things.aggregate({"$match": {"_id": 7}}) == {"result": [{"_id": 7}], "ok": 1.0}
    cursor = old_db.things.aggregate([{"$match": {"_id": {"$lt": 2}}}], cursor={"batchSize": 1})
    assert [document["_id"] for document in cursor] == [0, 1]


def test_M13_find_and_modify(old_db: Any) -> None:
    things = old_db.things
    with pytest.raises(ValueError, match="either"):
        things.find_and_modify({})
    with pytest.raises(ValueError, match="both"):
        things.find_and_modify({}, {"x": 1}, remove=True)
    assert things.find_and_modify({"_id": 1}, {"$set": {"x": 1}}) is None
    assert things.find_and_modify({"_id": 1}, {"$set": {"x": 1}}, upsert=True) == {}
    changed = things.find_and_modify({"_id": 1}, {"$inc": {"x": 1}}, new=True, fields=["x"])
    assert changed == {"_id": 1, "x": 2}
    things.insert({"_id": 2, "x": 0})
    reply = things.find_and_modify(
        {}, {"$inc": {"x": 9}}, sort=[("x", 1)], full_response=True, upsert=True
    )
    assert reply["value"] == {"_id": 2, "x": 0}
    assert reply["lastErrorObject"]["n"] == 1
    assert things.find_and_modify({"_id": 2}, remove=True) == {"_id": 2, "x": 9}
    assert things.find_and_modify({"_id": 2}, remove=True) is None


def test_M14_collection_names(old_db: Any) -> None:
    old_db.b.insert({})
    old_db.create_collection("a", capped=True, size=4096, create=True)
    assert sorted(old_db.collection_names()) == ["a", "b"]
    assert old_db.name in old_db.client.database_names()
    assert old_db.a.options() == {"capped": True, "size": 4096}
    old_db.set_profiling_level(2)
    old_db.set_profiling_level(0)
    assert "system.profile" in old_db.collection_names()
    assert "system.profile" not in old_db.collection_names(include_system_collections=False)
