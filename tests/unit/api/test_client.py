from __future__ import annotations

import copy
import logging
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from bson.son import SON
from pymongo.errors import ConfigurationError
from pymongo.write_concern import WriteConcern

from greenmongo import MongoClient
from tests.support.fake_executor import FakeExecutor


def client(
    host: str | list[str] | None = None, port: int | None = None, **kwargs: Any
) -> MongoClient[dict[str, Any]]:
    """Return a client that never connects."""
    return MongoClient(host, port, connect=False, **kwargs)


def with_replies(*replies: Any, **kwargs: Any) -> tuple[MongoClient[Any], FakeExecutor]:
    mongo, executor = client(**kwargs), FakeExecutor(*replies)
    object.__setattr__(mongo, "_executor", executor)
    return mongo, executor


def test_databases_are_attributes_and_items() -> None:
    mongo = client()
    assert mongo.test == mongo["test"] == mongo.get_database("test")
    with pytest.raises(AttributeError, match=r"client\['_x'\]"):
        _ = mongo._x


def test_the_uri_may_name_a_default_database() -> None:
    mongo = client("mongodb://localhost/mine")
    assert mongo.get_database().name == "mine"
    assert mongo.get_default_database("other").name == "mine"
    nameless = client()
    assert nameless.get_default_database("other").name == "other"
    with pytest.raises(ConfigurationError, match="No default database defined"):
        nameless.get_database()
    with pytest.raises(ConfigurationError, match="No default database name defined or provided"):
        nameless.get_default_database()


def test_options_come_from_the_uri_and_from_keywords() -> None:
    mongo = client("mongodb://localhost/?w=2", document_class=SON, tz_aware=True)
    assert mongo.write_concern == WriteConcern(2)
    assert mongo.codec_options.document_class is SON
    assert mongo.codec_options.tz_aware
    assert mongo.options.codec_options is mongo.codec_options


def test_nothing_is_known_before_anything_was_asked() -> None:
    mongo = client("mongodb://a,b/?replicaSet=rs")
    assert mongo.primary is None
    assert mongo.secondaries == mongo.arbiters == set()
    assert mongo.nodes == frozenset()


def test_clients_of_one_deployment_are_equal() -> None:
    assert client("mongodb://a,b") == client(["b", "a"])
    assert client("a") != client("b")
    assert client("a") != "a"
    assert hash(client("a")) == hash(client("a"))


def test_a_client_shows_its_options_but_no_secrets() -> None:
    shown = repr(client("a", 27018, appname="mine", username="u", password="secret"))
    assert shown == (
        "MongoClient(host=['a:27018'], document_class=dict, tz_aware=False, connect=False, "
        "appname='mine')"
    )


def test_a_client_shows_what_its_uri_says_as_arguments_that_make_an_equal_one() -> None:
    mongo = client(
        "mongodb://u:pw@a,b:27018/?replicaSet=rs&connectTimeoutMS=1500&wTimeoutMS=9&w=1",
        socketTimeoutMS=None,
        heartbeatFrequencyMS=2500,
    )
    shown = repr(mongo)
    assert shown == (
        "MongoClient(host=['a:27017', 'b:27018'], document_class=dict, tz_aware=False, "
        "connect=False, replicaset='rs', connecttimeoutms=1500, wtimeoutms=9, w=1, "
        "sockettimeoutms=None, heartbeatfrequencyms=2500)"
    )
    again: MongoClient[Any] = eval(shown)
    assert again == mongo
    assert again.options.connect_timeout == 1.5


def test_a_client_that_waits_for_the_dns_shows_the_name_it_will_ask_for() -> None:
    assert "(host='mongodb+srv://a.b.c', " in repr(client("mongodb+srv://a.b.c/db"))


def test_a_client_shows_which_secrets_it_was_given_but_not_the_secrets() -> None:
    shown = repr(
        client(
            "mongodb://u:hush@a/?authMechanism=PLAIN"
            "&authMechanismProperties=SERVICE_NAME:x,AWS_SESSION_TOKEN:hush",
            tlsCertificateKeyFilePassword="hush",
            proxyHost="p",
            proxyUsername="hush",
            proxyPassword="hush",
        )
    )
    assert "hush" not in shown
    assert "{'SERVICE_NAME': 'x', 'AWS_SESSION_TOKEN': '<redacted>'}" in shown
    for name in ("proxyusername", "proxypassword", "tlscertificatekeyfilepassword"):
        assert f"{name}='<redacted>'" in shown


def test_a_client_that_connects_at_once_says_so() -> None:
    with MongoClient[Any]("mongodb://127.0.0.1:1") as mongo:
        assert "connect=True" in repr(mongo)


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("mongodb://a,b.COSMOS.azure.com", "CosmosDB"),
        ("c.docdb.amazonaws.com", "DocumentDB"),
        ("mongodb+srv://d.docdb-elastic.amazonaws.com", "DocumentDB"),
    ],
)
def test_a_service_that_is_not_quite_mongodb_is_told_of(
    host: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.warns(UserWarning, match=f"connected to a {name} cluster") as warned:
        client(host)
    assert len(warned) == 1
    caplog.set_level(logging.INFO, "greenmongo.client")
    client(host)
    assert [each.levelname for each in caplog.records] == ["INFO"]


def test_nothing_is_told_of_other_hosts(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "greenmongo.client")
    client("mongodb://a.mongodb.net,cosmos.azure.com.example")
    assert not caplog.records


def test_a_subclass_may_name_another_host_for_clients_that_are_given_none() -> None:
    class Ours(MongoClient[Any]):
        HOST = "db.example.com"
        PORT = 4000

    assert Ours(connect=False).options.seeds == (("db.example.com", 4000),)
    assert Ours("a", connect=False).options.seeds == (("a", 4000),)
    assert Ours(port=5000, connect=False).options.seeds == (("db.example.com", 5000),)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_client_is_neither_copied_nor_pickled(duplicate: Callable[[Any], Any]) -> None:
    client: MongoClient[dict[str, Any]] = MongoClient(connect=False)
    with pytest.raises(TypeError, match="neither copied nor pickled"):
        duplicate(client)


def test_a_client_is_not_iterable() -> None:
    with pytest.raises(TypeError, match="not iterable"):
        iter(client())  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="not iterable"):
        next(client())


def test_databases_are_listed() -> None:
    listed = {"ok": 1.0, "databases": [{"name": "a"}, {"name": "b"}]}
    mongo, executor = with_replies(listed, listed)
    assert mongo.list_database_names(comment="why") == ["a", "b"]
    assert [d["name"] for d in mongo.list_databases(filter={})] == ["a", "b"]
    assert executor.bodies == [
        {"listDatabases": 1, "nameOnly": True, "comment": "why"},
        {"listDatabases": 1, "filter": {}},
    ]
    assert {command.db for command in executor.commands} == {"admin"}


def test_a_database_is_dropped_by_name_or_itself() -> None:
    mongo, executor = with_replies(w=2)
    mongo.drop_database("a")
    mongo.drop_database(mongo.b)
    assert [(c.db, c.body) for c in executor.commands] == [
        ("a", {"dropDatabase": 1, "writeConcern": {"w": 2}}),
        ("b", {"dropDatabase": 1, "writeConcern": {"w": 2}}),
    ]
    wrong: Any = 5
    with pytest.raises(TypeError, match="must be an instance of str or a Database"):
        mongo.drop_database(wrong)


def test_the_servers_build_is_asked_for() -> None:
    mongo, executor = with_replies({"ok": 1.0, "version": "6.0"})
    assert mongo.server_info()["version"] == "6.0"
    assert executor.bodies == [{"buildinfo": 1}]
