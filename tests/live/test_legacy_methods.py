"""The acceptance cases of the methods of PyMongo 2.x (M), on a real server.

Where versions of PyMongo 2 disagreed, these are tests of the one behaviour chosen here, which
`docs/howto/migrate_from_pymongo2_gevent.md` tells.

The cases are listed in tests/README.md.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from bson.errors import InvalidDocument
from bson.objectid import ObjectId
from bson.son import SON
from pymongo.errors import (
    ConfigurationError,
    DuplicateKeyError,
    InvalidName,
    InvalidOperation,
    OperationFailure,
    ServerSelectionTimeoutError,
)
from pymongo.monitoring import CommandListener

from greenmongo import Connection, MongoClient
from greenmongo.embedded import MongoServer
from greenmongo.legacy import RemovedFromServer, SONManipulator

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
    assert things.ensure_index([("x", 1), ("y", -1)], ttl=0) == "x_1_y_-1"
    with pytest.raises(RemovedFromServer):
        things.ensure_index("x", unique=True, drop_dups=True)
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
    reply = old_db.things.aggregate([{"$limit": 1}], as_class=SON, read_preference=1, tag_sets=None)
    assert isinstance(reply["result"][0], SON)


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


def log_in(uri: str, name: str, password: str) -> str:
    """Log in by today's client and return who the server says that is."""
    options: dict[str, Any] = {"username": name, "password": password, "authSource": "test_live"}
    with MongoClient[dict[str, Any]](uri, **options) as client:
        (user,) = client.admin.command("connectionStatus")["authInfo"]["authenticatedUsers"]
        return str(user["user"])


def test_M15_add_user(old_db: Any, mongo_uri: str) -> None:
    old_db.add_user("ada", "one")
    try:
        assert log_in(mongo_uri, "ada", "one") == "ada"
        old_db.add_user("ada", "two", read_only=True)
        assert log_in(mongo_uri, "ada", "two") == "ada"
        with pytest.raises(OperationFailure):
            log_in(mongo_uri, "ada", "one")
        (user,) = old_db.command("usersInfo", "ada")["users"]
        assert [role["role"] for role in user["roles"]] == ["read"]
        assert list(old_db["system.users"].find()) == []
    finally:
        old_db.remove_user("ada")
    with pytest.raises(OperationFailure):
        old_db.remove_user("ada")


def users_of(db: Any) -> list[str]:
    status = db.command("connectionStatus")["authInfo"]
    return [user["user"] for user in status["authenticatedUsers"]]


def test_M15_a_client_has_one_identity(old_db: Any) -> None:
    old_db.add_user("ada", "one")
    old_db.add_user("bob", "one", roles=["readWrite"])
    try:
        old_db.things.insert({"_id": 1})
        before = old_db.command("hello")["connectionId"]
        with pytest.raises(OperationFailure) as caught:
            old_db.authenticate("ada", "wrong")
        assert caught.value.code == 18
        assert old_db.command("hello")["connectionId"] == before
        assert users_of(old_db) == []
        assert old_db.authenticate("ada", "one") is True
        assert users_of(old_db) == ["ada"]
        assert old_db.client.in_request()
        assert old_db.authenticate("ada", "one") is True
        with pytest.raises(InvalidOperation, match="ada"):
            old_db.authenticate("bob", "one")
        old_db.client.admin.logout()
        assert users_of(old_db) == ["ada"]
        old_db.logout()
        assert users_of(old_db) == []
        assert old_db.authenticate("bob", "one") is True
        assert users_of(old_db) == ["bob"]
        old_db.logout()
    finally:
        old_db.remove_user("ada")
        old_db.remove_user("bob")


def test_M16_the_drivers_keywords_are_not_sent(old_db: Any) -> None:
    for options in (
        {"read_preference": 0, "tag_sets": [{}]},
        {"slave_okay": True, "secondary_acceptable_latency_ms": 15, "network_timeout": 5},
        {"as_class": SON, "uuid_subtype": 4},
    ):
        assert old_db.command("ping", **options)["ok"] == 1.0
    assert isinstance(old_db.command("ping", as_class=SON), SON)


def test_M16_errors_may_be_allowed_by_message_or_code(old_db: Any) -> None:
    for allowable in (["ns not found"], [26]):
        reply = old_db.command("collMod", "nothing", allowable_errors=allowable)
        assert reply["code"] == 26
    assert old_db.command("nonsense", check=False)["code"] == 59
    with pytest.raises(OperationFailure):
        old_db.command("nonsense", allowable_errors=["ns not found"])


def test_M17_a_negative_limit_leaves_no_cursor(make_connection: Callable[..., Any]) -> None:
    sent = Sent()
    things = make_connection(event_listeners=[sent]).test_live.things
    things.insert([{"_id": n} for n in range(10)])
    cursor = things.find(sort=[("_id", 1)]).limit(-3)
    assert [document["_id"] for document in cursor] == [0, 1, 2]
    assert cursor.cursor_id == 0
    assert sent.names == ["insert", "find"]
    assert [document["_id"] for document in things.find({}, None, 8, -3)] == [8, 9]
    things.drop()


class Marks(SONManipulator):
    """Writes its name into documents, or into copies of them."""

    def __init__(self, name: str, *, copies: bool) -> None:
        self.name, self.copies = name, copies

    def will_copy(self) -> bool:
        return self.copies

    def mark(self, son: Any, key: str) -> Any:
        son = dict(son) if self.copies else son
        son[key] = [
            *son.get(key, []),
            self.name,
            *(["_id"] if key == "in" and "_id" in son else []),
        ]
        return son

    def transform_incoming(self, son: Any, collection: Any) -> Any:
        return self.mark(son, "in")

    def transform_outgoing(self, son: Any, collection: Any) -> Any:
        return self.mark(son, "out")


def test_M18_manipulators(old_db: Any) -> None:
    for name in ("a", "b"):
        old_db.add_son_manipulator(Marks(f"plain {name}", copies=False))
        old_db.add_son_manipulator(Marks(f"copying {name}", copies=True))
    assert old_db.incoming_manipulators == ["Marks", "Marks", "ObjectIdInjector"]
    assert old_db.incoming_copying_manipulators == ["Marks", "Marks"]
    assert old_db.outgoing_manipulators == old_db.outgoing_copying_manipulators
    document: dict[str, Any] = {"x": 1}
    old_db.things.insert(document)
    # The caller's own document went through those that do not copy, and got its `_id`.
    assert document["in"] == ["plain b", "plain a"]
    assert "_id" in document
    order = ["plain b", "plain a", "copying b", "_id", "copying a", "_id"]
    stored = old_db.client["test_live"].things.find_one()
    assert stored == {**document, "in": order}
    out = ["plain a", "plain b", "copying a", "copying b"]
    assert old_db.things.find_one() == {**stored, "out": out}
    assert list(old_db.things.find()) == [{**stored, "out": out}]
    assert list(old_db.things.find().clone()) == [{**stored, "out": out}]
    assert list(old_db.things.find(manipulate=False)) == [stored]
    assert old_db.things.find_and_modify({}, {"$set": {"y": 1}}) == stored
    assert old_db.things.find_and_modify({}, {"$set": {"y": 1}}, manipulate=True)["out"] == out


def test_M19_fsync_and_unlock(
    make_connection: Callable[..., Any],
    standalone: MongoServer,
    eventually: Callable[[Callable[[], object]], None],
) -> None:
    client = make_connection(standalone.uri)
    assert not client.is_locked
    client.fsync(lock=True)
    try:
        assert client.is_locked
    finally:
        client.unlock()
    eventually(lambda: not client.is_locked)
    assert client.fsync(**{"async": True})["ok"] == 1.0


def test_M20_read_preferences_are_numbers_as_since_2_3(
    make_connection: Callable[..., Any],
    old_db: Any,
    eventually: Callable[[Callable[[], object]], None],
) -> None:
    old_db.things.insert({"_id": 1})
    preferring = make_connection(read_preference=1)
    assert preferring.test_live.things.find_one() == {"_id": 1}
    # The only member is the primary.
    client = make_connection(read_preference=2, serverSelectionTimeoutMS=50, connect=False)
    avoiding = client.test_live.things
    with pytest.raises(ServerSelectionTimeoutError):
        avoiding.find_one()
    eventually(lambda: client.nodes)
    assert avoiding.find_one(read_preference=0) == {"_id": 1}
    assert [d["_id"] for d in avoiding.find(slave_okay=True)] == [1]
    with pytest.raises(ConfigurationError, match="7"):
        old_db.things.find(read_preference=7)


def test_M21_a_keyword_wins_over_the_uri(
    make_connection: Callable[..., Any], mongo_uri: str
) -> None:
    client = make_connection(f"{mongo_uri}&w=0&tz_aware=true", w=1, tz_aware=False)
    assert client.write_concern.document == {"w": 1}
    assert client.tz_aware is False


def test_M22_options_in_the_uri_and_unknown_ones(
    make_connection: Callable[..., Any], mongo_uri: str
) -> None:
    client = make_connection(f"{mongo_uri}&auto_start_request=false&use_greenlets=true")
    assert client.auto_start_request is False
    assert client.use_greenlets is True
    client.admin.command("ping")
    assert not client.in_request()
    with pytest.raises(ConfigurationError, match="no_such_option"):
        make_connection(no_such_option=1)


def test_M23_attributes_are_databases_but_for_those_with_an_underscore(
    connection: Any,
) -> None:
    assert connection.foo.name == "foo"
    assert connection.foo.bar.baz.full_name == "foo.bar.baz"
    for thing in (connection, connection.foo, connection.foo.bar):
        with pytest.raises(AttributeError, match="_x"):
            _ = thing._x
        with pytest.raises(TypeError):
            iter(thing)
    assert connection.foo
    assert connection.foo.bar
    assert connection.foo.connection == connection


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_M23_a_client_is_not_copied(mongo_uri: str, duplicate: Callable[[Any], Any]) -> None:
    client: Connection[dict[str, Any]] = Connection(mongo_uri, _connect=False)
    with client, pytest.raises(TypeError, match="neither copied nor pickled"):
        duplicate(client)


def test_M24_the_last_failure_of_an_insert_is_raised(old_db: Any) -> None:
    things = old_db.things
    things.insert({"_id": 1})
    with pytest.raises(DuplicateKeyError) as caught:
        things.insert({"_id": 1})
    assert caught.value.code == 11000
    with pytest.raises(DuplicateKeyError):
        things.insert([{"_id": 2}, {"_id": 1}, {"_id": 3}])
    assert ids(things) == [1, 2]
    with pytest.raises(DuplicateKeyError) as caught:
        things.insert([{"_id": n} for n in (1, 3, 2, 4)], continue_on_error=True)
    assert caught.value.code == 11000
    assert caught.value.details is not None
    assert caught.value.details["keyValue"] == {"_id": 2}
    assert ids(things) == [1, 2, 3, 4]
    things.insert({"_id": 1}, w=0)
    assert things.find_one(1) == {"_id": 1}
