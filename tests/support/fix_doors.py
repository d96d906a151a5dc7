"""Doors: the same test with native threads and with greenlets as the contexts that call."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from threading import Barrier, Event, Thread
from typing import Any, TypeAlias, TypeVar

import gevent
import gevent.event
import gevent.lock
import pytest
from gevent import Greenlet

__all__ = ["Door", "Flag", "GreenletDoor", "ThreadDoor", "door", "in_hub", "start"]

T = TypeVar("T")
PATIENCE = 18.0


def start(fn: Callable[..., T], *args: Any) -> Future[T]:
    """Call `fn` in a native thread of its own."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            result = fn(*args)
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)

    Thread(target=run, daemon=True).start()
    return future


def in_hub(fn: Callable[[], T]) -> T:
    """Call `fn` in a greenlet of a new thread with a hub of its own, and return its result."""

    def run() -> T:
        try:
            outcome: T = gevent.spawn(fn).get()
            return outcome
        finally:
            gevent.get_hub().destroy(destroy_loop=True)

    return start(run).result(PATIENCE)


Flag: TypeAlias = "Event | gevent.event.Event"
"""What contexts wait for; both kinds have the same methods."""


class Door(ABC):
    """Makes contexts of one kind, and what they coordinate by."""

    name: str

    @abstractmethod
    def spawn(self, fn: Callable[..., T], *args: Any) -> Callable[[], T]:
        """Call `fn` in a context of its own; return a function that waits for its result."""

    @abstractmethod
    def flag(self) -> Flag:
        """Return a flag that contexts can wait for."""

    @abstractmethod
    def barrier(self, parties: int) -> Callable[[], object]:
        """Return a function that waits until it was called `parties` times."""

    def call(self, fn: Callable[..., T], *args: Any) -> T:
        """Call `fn` in a context of its own and return its result."""
        return self.spawn(fn, *args)()

    def gather(self, *functions: Callable[[], T]) -> list[T]:
        """Call all `functions` at once, each in a context of its own; return their results."""
        results = [self.spawn(fn) for fn in functions]
        return [result() for result in results]


class ThreadDoor(Door):
    """Contexts are native threads without a hub."""

    name = "thread"

    def spawn(self, fn: Callable[..., T], *args: Any) -> Callable[[], T]:
        future = start(fn, *args)
        return lambda: future.result(PATIENCE)

    def flag(self) -> Flag:
        return Event()

    def barrier(self, parties: int) -> Callable[[], object]:
        return Barrier(parties, timeout=PATIENCE).wait


class GreenletDoor(Door):
    """Contexts are greenlets of one thread."""

    name = "greenlet"

    def spawn(self, fn: Callable[..., T], *args: Any) -> Callable[[], T]:
        greenlet: Greenlet[..., T] = gevent.spawn(fn, *args)
        return lambda: greenlet.get(timeout=PATIENCE)

    def flag(self) -> Flag:
        return gevent.event.Event()

    def barrier(self, parties: int) -> Callable[[], object]:
        everybody, arrived = gevent.event.Event(), [0]

        def wait() -> None:
            arrived[0] += 1
            if arrived[0] == parties:
                everybody.set()
            assert everybody.wait(PATIENCE)

        return wait


@pytest.fixture(params=[ThreadDoor, GreenletDoor], ids=["thread", "greenlet"])
def door(request: pytest.FixtureRequest) -> Door:
    """Provide each door in turn."""
    made: Door = request.param()
    return made
