"""Cursors, map-reduce and administration of PyMongo 2.x, beside the acceptance cases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from bson.dbref import DBRef
from bson.son import SON
from pymongo.errors import (
    CursorNotFound,
    InvalidOperation,
    NetworkTimeout,
    OperationFailure,
)

from greenmongo import Connection, MongoClient, MongoReplicaSetClient
from greenmongo.embedded import MongoServer
from greenmongo.legacy import AutoReference, NamespaceInjector, RemovedFromServer

pytestmark = pytest.mark.live

MAP = "function () { emit(this.kind, this.n); }"
REDUCE = "function (key, values) { return Array.sum(values); }"


@pytest.fixture
def numbers(old_db: Any) -> Any:
    """A collection of ten documents, five of each kind."""
    old_db.numbers.insert([{"_id": n, "n": n, "kind": n % 2} for n in range(10)])
    return old_db.numbers


# Cursors


def test_find_takes_the_old_keywords(numbers: Any) -> None:
    found = numbers.find(
        spec={"kind": 1}, fields=["n"], sort=[("n", -1)], timeout=False, as_class=SON, partial=True
    )
    documents = list(found)
    assert [document["n"] for document in documents] == [9, 7, 5, 3, 1]
    assert isinstance(documents[0], SON)
    assert list(numbers.find({}, [], 0, 1)) == [{"_id": 0}]
    assert numbers.find_one(7, fields=["kind"]) == {"_id": 7, "kind": 1}
    assert numbers.find_one({"$query": {"kind": 0}, "$orderby": {"n": -1}})["n"] == 8
    assert [d["n"] for d in numbers.find({"n": {"$gt": 7}}, snapshot=True)] == [8, 9]
    with pytest.raises(TypeError, match="fifth"):
        numbers.find({}, None, 0, 0, True)


def test_find_takes_the_keywords_of_today(numbers: Any) -> None:
    cursor = numbers.find(
        filter={"kind": 1}, projection={"_id": 1}, sort={"n": 1}, batch_size=2, comment="mine"
    )
    assert [document["_id"] for document in cursor] == [1, 3, 5, 7, 9]


def test_count_of_a_cursor(numbers: Any, old_db: Any) -> None:
    cursor = numbers.find({"kind": 1}).skip(1).limit(3)
    assert cursor.count() == 5
    assert cursor.count(with_limit_and_skip=True) == 3
    assert cursor.hint("_id_").count(True) == 3
    assert numbers.find()[2:2].count(True) == 0
    assert old_db.nothing.find().count() == 0
    assert numbers.find().distinct("kind") == [0, 1]


def test_slices_and_positions(numbers: Any) -> None:
    assert [d["_id"] for d in numbers.find(sort=[("_id", 1)])[2:4]] == [2, 3]
    assert numbers.find(sort=[("_id", 1)])[5]["_id"] == 5
    assert list(numbers.find()[3:3]) == []
    with pytest.raises(IndexError):
        numbers.find()[-1]
    cursor = numbers.find()
    cursor.next()
    with pytest.raises(InvalidOperation):
        cursor.limit(3)


def test_the_slave_okay_bit_lets_a_secondary_answer(make_connection: Callable[..., Any]) -> None:
    things = make_connection(read_preference=0).test_live.things
    things.insert({"_id": 1})
    cursor = things.find()
    cursor.add_option(4)
    assert cursor.next() == {"_id": 1}
    things.drop()


def test_cursors_are_killed_by_their_ids(numbers: Any) -> None:
    client = numbers.database.client
    cursors = [numbers.find().batch_size(2) for _ in range(2)]
    for cursor in cursors:
        cursor.next()
        assert cursor.conn_id == cursor.address
    client.kill_cursors([cursors[0].cursor_id])
    client.close_cursor(cursors[1].cursor_id)
    for cursor in cursors:
        cursor.next()
        with pytest.raises(CursorNotFound):
            cursor.next()
    with pytest.raises(InvalidOperation, match="12345"):
        client.kill_cursors([12345])
    with pytest.raises(TypeError):
        client.kill_cursors(5)
    with pytest.raises(TypeError):
        client.close_cursor("x")


def test_a_network_timeout_is_of_one_query(numbers: Any) -> None:
    slow = {"$where": "sleep(10000) || true"}
    with pytest.raises(NetworkTimeout):
        numbers.find_one(slow, network_timeout=0.05)
    assert numbers.database.client.in_request()
    assert numbers.find_one({"_id": 1}, network_timeout=5)["n"] == 1


# Map-reduce


def test_map_reduce(numbers: Any, old_db: Any) -> None:
    result = numbers.map_reduce(MAP, REDUCE, "sums")
    assert result.full_name == "test_live.sums"
    expected = [{"_id": 0.0, "value": 20.0}, {"_id": 1.0, "value": 25.0}]
    assert list(result.find(sort=[("_id", 1)])) == expected
    elsewhere = numbers.map_reduce(MAP, REDUCE, SON([("replace", "sums"), ("db", "test_live")]))
    assert elsewhere.full_name == "test_live.sums"
    assert numbers.map_reduce(MAP, REDUCE, "sums", full_response=True)["result"] == "sums"
    inline = numbers.inline_map_reduce(MAP, REDUCE, query={"kind": 1})
    assert inline == [{"_id": 1.0, "value": 25.0}]
    assert numbers.inline_map_reduce(MAP, REDUCE, full_response=True)["ok"] == 1.0
    assert len(numbers.map_reduce(MAP, REDUCE, {"inline": 1})["results"]) == 2
    with pytest.raises(TypeError, match="out"):
        numbers.map_reduce(MAP, REDUCE, 5)


# Administration


def test_current_op(old_db: Any) -> None:
    assert isinstance(old_db.current_op()["inprog"], list)
    assert len(old_db.current_op(include_all=True)["inprog"]) >= len(old_db.current_op()["inprog"])


def test_the_profiler(old_db: Any) -> None:
    assert old_db.profiling_level() == 0
    old_db.set_profiling_level(2, slow_ms=50)
    try:
        assert old_db.profiling_level() == 2
        old_db.things.find_one({"marker": 1})
    finally:
        old_db.set_profiling_level(0, slow_ms=100)
    commands = [entry["command"] for entry in old_db.profiling_info()]
    assert any(command.get("filter") == {"marker": 1} for command in commands)
    with pytest.raises(ValueError, match="3"):
        old_db.set_profiling_level(3)


def test_reindex_and_validate(make_connection: Callable[..., Any], standalone: MongoServer) -> None:
    db = make_connection(standalone.uri).test_live
    db.things.insert({"_id": 1})
    assert db.things.reindex()["ok"] == 1.0
    assert db.validate_collection("things", scandata=True)["valid"] is True
    db.client.drop_database("test_live")


def test_references_are_followed(
    old_db: Any, client_of: Callable[..., MongoClient[Any]], mongo_uri: str
) -> None:
    # Manipulators are blocking code, of whichever client.
    blocking = client_of(mongo_uri)[old_db.name]
    old_db.add_son_manipulator(NamespaceInjector())
    old_db.add_son_manipulator(AutoReference(blocking))
    movie = {"title": "Metropolis"}
    old_db.movies.insert(movie)
    old_db.people.insert({"_id": 1, "favourite": movie})
    stored = old_db.people.find_one(1, manipulate=False)
    assert stored["favourite"] == DBRef("movies", movie["_id"])
    assert old_db.people.find_one(1)["favourite"]["title"] == "Metropolis"
    assert [p["favourite"]["title"] for p in old_db.people.find()] == ["Metropolis"]
    assert old_db.dereference(stored["favourite"])["title"] == "Metropolis"


def test_a_manipulator_that_fails_closes_the_cursor(numbers: Any, old_db: Any) -> None:
    class Fails(NamespaceInjector):
        def transform_outgoing(self, son: Any, collection: Any) -> Any:
            raise ValueError(son["_id"])

    old_db.add_son_manipulator(Fails())
    cursor = old_db.numbers.find().batch_size(2)
    with pytest.raises(ValueError, match="0"):
        cursor.next()
    assert not cursor.alive


def test_stored_functions_cannot_be_called(mongo_uri: str) -> None:
    connection: Connection[dict[str, Any]] = Connection(mongo_uri)
    with connection:
        js = connection.test_live.system_js
        js.add = "function (a, b) { return a + b; }"
        js["twice"] = "function (a) { return 2 * a; }"
        assert sorted(js.list()) == ["add", "twice"]
        del js.add
        del js["twice"]
        assert js.list() == []
        with pytest.raises(RemovedFromServer):
            js.add(1, 2)
        with pytest.raises(RemovedFromServer):
            js["twice"](1)


def test_a_mongo_replica_set_client_has_methods_and_results_of_today(mongo_uri: str) -> None:
    client: MongoReplicaSetClient[dict[str, Any]] = MongoReplicaSetClient(mongo_uri)
    with client:
        assert client.primary in client.hosts
        assert list(client.test_live.things.aggregate([{"$limit": 1}])) == []
        assert not client.in_request()
        with pytest.raises(TypeError, match="no such method"):
            client.test_live.things.insert({})


def test_the_server_refuses_what_only_a_standalone_can(old_db: Any) -> None:
    with pytest.raises(OperationFailure):
        old_db.things.reindex()
