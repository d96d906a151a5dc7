"""What programs find out about the async classes by looking: what to iterate, what to await."""

from __future__ import annotations

import inspect
import operator
import sys
import unittest
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import bridge
import bridge.motor
import greenmongo.legacy
from bridge._delegate import is_optionally_awaited
from greenmongo.errors import MisuseError
from tests.support.fix_scripted import ScriptedServer

NOWHERE = "mongodb://127.0.0.1:9"  # nothing is asked for: no client here connects


def async_clients() -> list[Any]:
    return [
        bridge.AsyncMongoClient(NOWHERE),
        bridge.AsyncConnection(NOWHERE),
        bridge.motor.AsyncIOMotorClient(NOWHERE),
    ]


def reached_from(client: Any) -> Iterator[Any]:
    """Yield one object of each kind that a client leads to."""
    collection = client.db.c
    yield from (client, client.db, collection, collection.find(), collection.find_raw_batches())
    if is_optionally_awaited(type(collection).aggregate):
        yield collection.aggregate([])
        yield collection.aggregate_raw_batches([])


def retired(face: Any) -> None:
    """Say that a cursor's command will never be sent: otherwise it warns about that."""
    if isinstance(face, bridge.AsyncCommandCursor):
        face._open_sync = None


@pytest.mark.parametrize("client", async_clients(), ids=lambda client: type(client).__name__)
@pytest.mark.parametrize("consume", [list, iter, tuple])
def test_no_async_class_can_be_iterated(client: Any, consume: Callable[[Any], Any]) -> None:
    """F04: they have `__getitem__`, by which Python would iterate for ever."""
    seen = set()
    for face in reached_from(client):
        name = type(face).__name__
        remedy = ": use `async for`" if "Cursor" in name else ""
        with pytest.raises(TypeError, match=f"^'{name}' object is not iterable{remedy}$"):
            consume(face)
        with pytest.raises(TypeError, match=r"not iterable|not a container"):
            operator.contains(face, 1)
        seen.add(type(face))
        retired(face)
    assert len(seen) >= 5


def test_every_class_with_places_says_what_iterating_it_does() -> None:
    """F04: a class with `__getitem__` and without `__iter__` would be iterated by the former."""
    modules = (bridge, bridge.motor, greenmongo, greenmongo.legacy)
    found = {
        cls
        for module in modules
        for cls in vars(module).values()
        if inspect.isclass(cls) and cls.__module__.partition(".")[0] in {"bridge", "greenmongo"}
    }
    with_places = [cls for cls in found if hasattr(cls, "__getitem__")]
    assert len(with_places) > 15
    assert [cls for cls in with_places if not hasattr(cls, "__iter__")] == []


@pytest.mark.skipif(sys.version_info < (3, 11), reason="inspect cannot be told on Python 3.10")
def test_a_cleanup_that_is_registered_as_a_coroutine_function_is_awaited(
    scripted_server: ScriptedServer,
) -> None:
    """D06: unittest refuses, or does not await, what `iscoroutinefunction` is not true for."""
    opened: list[Any] = []

    class Case(unittest.IsolatedAsyncioTestCase):
        async def test_ping(self) -> None:
            client: Any = bridge.AsyncMongoClient(scripted_server.uri)
            opened.append(client)
            self.addAsyncCleanup(client.close)
            await client.admin.command("ping")

    outcome = unittest.TestResult()
    Case("test_ping").run(outcome)
    assert (outcome.errors, outcome.failures, outcome.testsRun) == ([], [], 1)
    with pytest.raises(MisuseError):
        opened[0].sync.admin.command("ping")
