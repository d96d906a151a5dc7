"""The servers that live tests talk to: one replica set for all of them, others on demand."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from greenmongo.embedded import MongoServer

VARIABLE = "GREENMONGO_TEST_URI"
TEST_COMMANDS = {"enableTestCommands": True}


@dataclass(frozen=True)
class Deployment:
    """What a live test needs to know of its server."""

    uri: str
    server: MongoServer | None = None
    """Our own, with its processes to play with; None for a server named by the user."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--mongo-uri",
        default=os.environ.get(VARIABLE),
        help=f"use this replica set instead of starting one (also: {VARIABLE})",
    )


@pytest.fixture(scope="session")
def deployment(request: pytest.FixtureRequest) -> Iterator[Deployment]:
    """The replica set of one member that all live tests share; leave no data behind in it."""
    uri = request.config.getoption("--mongo-uri")
    if uri:
        yield Deployment(uri)
        return
    with MongoServer(parameters=TEST_COMMANDS) as server:
        yield Deployment(server.uri, server)


@pytest.fixture(scope="session")
def mongo_uri(deployment: Deployment) -> str:
    """The connection string of the shared replica set."""
    return deployment.uri


@pytest.fixture(scope="session")
def standalone(request: pytest.FixtureRequest) -> Iterator[MongoServer]:
    """A server of its own kind: no replica set. Started by the first test that asks."""
    with MongoServer(replica_set=None, parameters=TEST_COMMANDS) as server:
        yield server


@pytest.fixture
def start_server() -> Iterator[Callable[..., MongoServer]]:
    """Start servers that only this test uses, with `MongoServer`'s arguments."""
    with ExitStack() as stack:
        yield lambda *args, **kwargs: stack.enter_context(MongoServer(*args, **kwargs))
