"""One suite, every door: live tests are written once, blocking, against the fixture `client`.

`--door thread` runs the test's body in a thread without a hub, `--door greenlet` in a greenlet;
`--door bridge` and `--door trio` give it a blocking face on an `AsyncMongoClient`, which a task
of asyncio or trio uses. Without the option each test runs through all of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pymongo
import pytest

from bridge import AsyncConnection, AsyncMongoClient
from greenmongo import Connection, MongoClient
from tests.support.fix_doors import in_hub, start
from tests.support.loop_actor import Actor, AsyncioActor, Blocking, TrioActor

DB = "test_live"
DOORS = ("thread", "greenlet", "bridge", "trio")
ACTORS: dict[str, type[Actor]] = {"bridge": AsyncioActor, "trio": TrioActor}
PATIENCE = 60.0

Doc = dict[str, Any]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--door",
        action="append",
        choices=DOORS,
        help="the door that live tests go through (may be given again; all by default)",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "client_door" in metafunc.fixturenames:
        doors = metafunc.config.getoption("--door") or DOORS
        metafunc.parametrize("client_door", doors, indirect=True)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[None]:
    """Run the body of a test where its door says."""
    door, body = pyfuncitem.funcargs.get("client_door"), pyfuncitem.obj
    if door == "thread":
        pyfuncitem.obj = lambda **arguments: start(lambda: body(**arguments)).result(PATIENCE)
    elif door == "greenlet":
        pyfuncitem.obj = lambda **arguments: in_hub(lambda: body(**arguments))
    try:
        return (yield)
    finally:
        pyfuncitem.obj = body


@pytest.fixture
def client_door(request: pytest.FixtureRequest) -> str:
    """The name of the door this test goes through."""
    door: str = request.param
    return door


@contextmanager
def opening(door: str, blocking: Any, bridged: Any, uri: str) -> Iterator[Callable[..., Any]]:
    """Give a function that opens clients of one class, or of its async twin, through a door."""
    # A blocking face has no type that a checker would take for a client's.
    opened: list[Any] = []
    actor = ACTORS[door]() if door in ACTORS else None

    def make(host: str = uri, **options: Any) -> Any:
        if actor is None:
            client = blocking(host, **options)
        else:
            client = Blocking(actor, bridged(host, **options))
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.close()
    if actor is not None:
        actor.stop()


@pytest.fixture
def make_client(client_door: str, mongo_uri: str) -> Iterator[Callable[..., MongoClient[Doc]]]:
    """Open clients of the shared replica set, with further options, through the test's door."""
    with opening(client_door, MongoClient, AsyncMongoClient, mongo_uri) as make:
        yield make


@pytest.fixture
def make_connection(client_door: str, mongo_uri: str) -> Iterator[Callable[..., Any]]:
    """Open clients of the old kind, through the test's door."""
    with opening(client_door, Connection, AsyncConnection, mongo_uri) as make:
        yield make


@pytest.fixture
def connection(make_connection: Callable[..., Any]) -> Any:
    """A client of the old kind; its database `test_live` is dropped afterwards."""
    return make_connection()


@pytest.fixture
def old_db(connection: Any, reference: pymongo.MongoClient[Doc]) -> Iterator[Any]:
    """The database of one test, got from a client of the old kind."""
    yield connection[DB]
    reference.drop_database(DB)


@pytest.fixture
def client(make_client: Callable[..., MongoClient[Doc]]) -> MongoClient[Doc]:
    """A client of the shared replica set; its database `test_live` is dropped afterwards."""
    return make_client()


@pytest.fixture
def db(client: MongoClient[Doc], reference: pymongo.MongoClient[Doc]) -> Iterator[Any]:
    """The database of one test, empty at first."""
    yield client.get_database(DB)
    reference.drop_database(DB)


@pytest.fixture
def eventually() -> Callable[[Callable[[], object]], None]:
    """Wait until something is true that the server or another thread does in its own time."""

    def wait(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE / 6
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    return wait
