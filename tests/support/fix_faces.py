"""One suite, every door: live tests are written once, blocking, against the fixture `client`.

`--door thread` runs the test's body in a thread without a hub, `--door greenlet` in a greenlet;
`--door bridge` and `--door trio` give it a blocking face on an `AsyncMongoClient`, which a task
of asyncio or trio uses. Without the option each test runs through all of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pymongo
import pytest

from bridge import AsyncMongoClient
from greenmongo import MongoClient
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


@pytest.fixture
def make_client(client_door: str, mongo_uri: str) -> Iterator[Callable[..., MongoClient[Doc]]]:
    """Open clients of the shared replica set, with further options, through the test's door."""
    opened: list[MongoClient[Doc]] = []
    actor = ACTORS[client_door]() if client_door in ACTORS else None

    def make(host: str = mongo_uri, **options: Any) -> MongoClient[Doc]:
        client: Any  # a blocking face has no type that a checker would take for a client's
        if actor is None:
            client = MongoClient(host, **options)
        else:
            client = Blocking(actor, AsyncMongoClient(host, **options))
        opened.append(client)
        made: MongoClient[Doc] = client
        return made

    yield make
    for client in opened:
        client.close()
    if actor is not None:
        actor.stop()


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
