"""Logging in to a real server with a name and a password."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote_plus

import gevent
import pymongo
import pytest
from pymongo.errors import AutoReconnect, ConfigurationError, OperationFailure

from greenmongo import MongoClient
from greenmongo.embedded import MongoServer
from greenmongo.hub import statistics_of
from tests.support.fix_server import TEST_COMMANDS

pytestmark = pytest.mark.live

ROOT = ("root", "p:a/s@s ü")
DB = "test_auth"
MECHANISMS = ("SCRAM-SHA-1", "SCRAM-SHA-256")
AUTHENTICATION_FAILED = 18
UNAUTHORIZED = 13

Doc = dict[str, Any]


@pytest.fixture(scope="module")
def server() -> Iterator[MongoServer]:
    """A server with some users: every mechanism alone and both, and one without any rights."""
    with MongoServer(replica_set=None, auth=ROOT, parameters=TEST_COMMANDS) as server:
        with MongoClient[Doc](server.uri) as client:
            for user, mechanisms in (
                ("sha1", ["SCRAM-SHA-1"]),
                ("sha256", ["SCRAM-SHA-256"]),
                ("both", list(MECHANISMS)),
                ("soft\u00adhyphen", ["SCRAM-SHA-256"]),
            ):
                client[DB].command(
                    "createUser", user, pwd="IX", roles=["readWrite"], mechanisms=mechanisms
                )
            client.admin.command("createUser", "nobody", pwd="x", roles=[])
        yield server


def connect(server: MongoServer, username: str, password: str, **options: Any) -> MongoClient[Doc]:
    defaults: Doc = {"directConnection": True, "authSource": DB}
    return MongoClient(
        "127.0.0.1", server.ports[0], username=username, password=password, **(defaults | options)
    )


def users_of(client: MongoClient[Doc]) -> list[str]:
    status = client.admin.command("connectionStatus")
    return [each["user"] for each in status["authInfo"]["authenticatedUsers"]]


@pytest.mark.parametrize(
    ("user", "mechanism"),
    [
        ("sha1", "SCRAM-SHA-1"),
        ("sha256", "SCRAM-SHA-256"),
        ("both", "SCRAM-SHA-1"),
        ("both", "SCRAM-SHA-256"),
        ("sha1", None),
        ("sha256", None),
        ("both", None),
        ("both", "DEFAULT"),
    ],
)
def test_a_user_logs_in(server: MongoServer, user: str, mechanism: str | None) -> None:
    options = {} if mechanism is None else {"authMechanism": mechanism}
    with connect(server, user, "IX", **options) as client:
        client[DB].things.insert_one({"_id": 1})
        assert client[DB].things.find_one() == {"_id": 1}
        client[DB].drop_collection("things")
        assert users_of(client) == [user]


@pytest.mark.parametrize("password", ["IX", "I\u00adX", "\u2168"])
def test_passwords_are_normalised(server: MongoServer, password: str) -> None:
    with connect(server, "sha256", password) as client:
        assert users_of(client) == ["sha256"]


def test_a_name_is_sent_as_it_is(server: MongoServer) -> None:
    with connect(server, "soft\u00adhyphen", "IX") as client:
        assert users_of(client) == ["soft\u00adhyphen"]


def test_the_uri_may_hold_the_login(server: MongoServer) -> None:
    user, password = map(quote_plus, ROOT)
    uri = f"mongodb://{user}:{password}@127.0.0.1:{server.ports[0]}/"
    with MongoClient[Doc](uri) as client:
        assert users_of(client) == [ROOT[0]]


@pytest.mark.parametrize(
    ("user", "password", "options"),
    [
        ("both", "wrong", {}),
        ("both", "wrong", {"authMechanism": "SCRAM-SHA-1"}),
        ("stranger", "IX", {}),
        ("both", "IX", {"authSource": "admin"}),
        ("sha1", "IX", {"authMechanism": "SCRAM-SHA-256"}),
        ("sha256", "IX", {"authMechanism": "SCRAM-SHA-1"}),
    ],
)
def test_a_wrong_login_is_an_operation_failure(
    server: MongoServer, user: str, password: str, options: Doc
) -> None:
    with connect(server, user, password, **options) as client:
        for _ in range(2):
            with pytest.raises(OperationFailure) as caught:
                client[DB].things.find_one()
            assert caught.value.code == AUTHENTICATION_FAILED


def test_the_error_is_pymongos(server: MongoServer) -> None:
    errors: list[OperationFailure] = []
    for kind in (MongoClient, pymongo.MongoClient):
        client: Any = kind(
            "127.0.0.1", server.ports[0], username="both", password="wrong", authSource=DB
        )
        with client, pytest.raises(OperationFailure) as caught:
            client[DB].things.find_one()
        errors.append(caught.value)
    ours, theirs = errors
    assert type(ours) is type(theirs)
    assert (ours.code, ours.details) == (theirs.code, theirs.details)


@pytest.mark.parametrize(("source", "database"), [(DB, None), (None, DB), (DB, "elsewhere")])
def test_the_source_is_said_or_the_uris_database(
    server: MongoServer, source: str | None, database: str | None
) -> None:
    uri = f"mongodb://both:IX@127.0.0.1:{server.ports[0]}/{database or ''}"
    if source is not None:
        uri += f"?authSource={source}"
    with MongoClient[Doc](uri) as client:
        assert users_of(client) == ["both"]


def test_without_a_login_nothing_is_allowed(server: MongoServer) -> None:
    with MongoClient[Doc]("127.0.0.1", server.ports[0]) as client:
        assert client.admin.command("ping")["ok"] == 1.0
        with pytest.raises(OperationFailure) as caught:
            client[DB].things.find_one()
        assert caught.value.code == UNAUTHORIZED


def test_a_user_without_rights_keeps_the_connection(server: MongoServer) -> None:
    with connect(server, "nobody", "x", authSource="admin") as client:
        client.admin.command("ping")
        for _ in range(5):
            with pytest.raises(OperationFailure) as caught:
                client[DB].things.insert_one({})
            assert caught.value.code == UNAUTHORIZED
        assert client.admin.command("ping")["ok"] == 1.0
        assert [pool.created for pool in statistics_of(client).pools] == [1]


def test_a_failed_login_leaves_the_pool_in_order(server: MongoServer) -> None:
    """Who cannot log in now can later: the pool has lost nothing, and waits for nothing."""
    with MongoClient[Doc](server.uri) as root:
        root[DB].command("createUser", "late", pwd="old", roles=["read"])
        try:
            options: Doc = {"maxPoolSize": 2, "waitQueueTimeoutMS": 15_000}
            with connect(server, "late", "new", **options) as client:
                failed = [gevent.spawn(find_error, client) for _ in range(20)]
                gevent.joinall(failed, raise_error=True)
                assert all("Authentication failed" in str(each.value) for each in failed)
                root[DB].command("updateUser", "late", pwd="new")
                found = [gevent.spawn(client[DB].things.find_one) for _ in range(20)]
                gevent.joinall(found, raise_error=True)
                assert users_of(client) == ["late"]
        finally:
            root[DB].command("dropUser", "late")


def find_error(client: MongoClient[Doc]) -> str:
    # As the specification has it, one failed login clears the pool, so that who waits for a
    # connection of it is told that, and why.
    try:
        client[DB].things.find_one()
    except (OperationFailure, AutoReconnect) as error:
        return str(error)
    return "no error"


def test_many_connections_log_in_at_once(server: MongoServer) -> None:
    with connect(server, "both", "IX", maxPoolSize=None) as client:

        def hold() -> list[str]:
            with client.start_request():
                return users_of(client)

        found = [gevent.spawn(hold) for _ in range(50)]
        gevent.joinall(found, raise_error=True)
        assert all(each.value == ["both"] for each in found)


@pytest.mark.parametrize("mechanism", ["GSSAPI", "MONGODB-AWS"])
def test_mechanisms_to_come_say_so(server: MongoServer, mechanism: str) -> None:
    options: Doc = {"authSource": "$external", "authMechanism": mechanism}
    with (
        connect(server, "user", "pw", **options) as client,
        pytest.raises(ConfigurationError, match=mechanism),
    ):
        client.admin.command("ping")


def test_plain_reaches_the_server(server: MongoServer) -> None:
    # Which offers it in the enterprise edition only.
    options: Doc = {"authSource": "$external", "authMechanism": "PLAIN"}
    with (
        connect(server, "user", "pw", **options) as client,
        pytest.raises(OperationFailure, match="PLAIN"),
    ):
        client.admin.command("ping")


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_connection_logs_in_again_when_the_server_demands_it(
    server: MongoServer, mechanism: str
) -> None:
    with (
        connect(server, "both", "IX", authMechanism=mechanism, appName="again") as client,
        MongoClient[Doc](server.uri) as root,
        client.start_request(),
    ):
        before = client.admin.command("hello")["connectionId"]
        root.admin.command(
            "configureFailPoint",
            "failCommand",
            mode={"times": 1},
            data={"failCommands": ["find"], "errorCode": 391, "appName": "again"},
        )
        assert client[DB].things.find_one() is None
        assert client.admin.command("hello")["connectionId"] == before
        assert users_of(client) == ["both"]


def test_a_refused_login_does_not_spoil_the_pool_for_later(server: MongoServer) -> None:
    with connect(server, "late", "IX") as client, MongoClient[Doc](server.uri) as root:
        for _ in range(2):
            with pytest.raises(OperationFailure, match="Authentication failed"):
                client.admin.command("ping")
        root[DB].command("createUser", "late", pwd="IX", roles=[])
        assert client.admin.command("ping")["ok"] == 1.0
        root[DB].command("dropUser", "late")
