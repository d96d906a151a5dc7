"""Inserts and bulk writes of tasks: whoever calls encodes himself, and the hub thread sends.

What is iterated over is the user's, and may await; what is encoded may be of classes of his. So the
task takes and encodes the documents, in its own loop and with its own context variables, and
crosses with each window that is full, or with all of a list.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterable, Callable, Coroutine, Iterable, Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from bridge._plain import all_plain
from bridge._signature import coroutine_of, show
from greenmongo.lowlevel import begin_of

if TYPE_CHECKING:
    from bridge._crossing.dispatcher import HubDispatcher
    from bridge._delegate import Facade
    from greenmongo.lowlevel import BulkLoad

__all__ = ["begins", "feeds", "lists"]

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")

TURN = 0.002
"""Seconds that a task takes documents before others of its loop have their turn."""


def begins(
    fn: Callable[Concatenate[S, P], R],
) -> Callable[Concatenate[Facade[S], P], Coroutine[Any, Any, R]]:
    """Borrow a method whose document the task encodes before it crosses."""
    begin = begin_of(fn)

    @functools.wraps(fn)
    async def method(self: Facade[S], /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await self._dispatcher.call(begin(self._sync, *args, **kwargs))

    show(method, fn, coroutine_of)
    return method


def feeds(
    fn: Callable[Concatenate[S, P], R],
) -> Callable[Concatenate[Facade[S], P], Coroutine[Any, Any, R]]:
    """Borrow a bulk write, for iterables of any kind, which the task iterates over."""
    begin = begin_of(fn)

    @functools.wraps(fn)
    async def method(self: Facade[S], /, *args: P.args, **kwargs: P.kwargs) -> R:
        load = begin(self._sync, *args, **kwargs)
        # A generator that nobody refers to is closed where it is left, and not when the traceback
        # of a cancelled task goes, which holds this frame.
        del args, kwargs
        return await _feed(self._dispatcher, load)

    show(method, fn, coroutine_of)
    return method


def lists(
    fn: Callable[Concatenate[S, P], R],
) -> Callable[Concatenate[Facade[S], P], Coroutine[Any, Any, R]]:
    """Borrow a method of documents, whose first argument the task makes a list of if need be."""

    @functools.wraps(fn)
    async def method(self: Facade[S], /, *args: P.args, **kwargs: P.kwargs) -> R:
        given: tuple[Any, ...] = args
        if given and isinstance(given[0], AsyncIterable):
            given = ([item async for item in given[0]], *given[1:])
        elif given and isinstance(given[0], Iterable) and not isinstance(given[0], _CROSS):
            given = (list(given[0]), *given[1:])
        given, named = all_plain(given, kwargs)
        return await self._dispatcher.call(fn, self._sync, *given, **named)

    show(method, fn, coroutine_of)
    return method


_CROSS = (list, tuple, Mapping)
"""What crosses as it is."""


async def _feed(dispatcher: HubDispatcher, load: BulkLoad[Any, R]) -> R:
    """Run a bulk write; cancelled, it leaves nothing running."""
    try:
        turns = _Turns(dispatcher, load)
        if isinstance(load.source, AsyncIterable):
            async for item in load.take_source():
                if (load.add(item) or perf_counter() >= turns.end) and await turns.was_last():
                    break
        else:
            for item in load.take_source():
                if (load.add(item) or perf_counter() >= turns.end) and await turns.was_last():
                    break
        return await dispatcher.call(load.finish)
    except BaseException as error:
        load.remember(error)
        raise


class _Turns:
    """What a task does between two stretches of iteration."""

    def __init__(self, dispatcher: HubDispatcher, load: BulkLoad[Any, Any]) -> None:
        self._dispatcher = dispatcher
        self._load = load
        self.end = perf_counter() + TURN
        """When others shall have their turn."""

    async def was_last(self) -> bool:
        """Send what is complete, or let others have their turn; tell whether that is enough."""
        if self._load.is_full:
            await self._dispatcher.call(self._load.send)
            self._load.release()
        else:
            # Few programs come here, and none waits for it before.
            from anyio.lowlevel import checkpoint

            await checkpoint()
        self.end = perf_counter() + TURN
        return self._load.progress.is_halted
