"""Borrowing: the async face of a blocking method, with its signature, its docstring, its types.

Each combinator takes a blocking method and returns the async one, per kind of result. The
blocking method itself is untouched and runs on a greenlet of the hub thread.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar

if TYPE_CHECKING:
    from bridge._lane import Door

__all__ = ["Facade", "awaits", "derives", "derives_awaited"]

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")
A = TypeVar("A")


class Facade(Generic[S]):
    """An async face on a blocking object `_it`, reached through `_door`."""

    def __init__(self, door: Door, it: S) -> None:
        self._door = door
        self._it = it

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for name, member in vars(cls).items():
            if callable(member) and hasattr(member, "__wrapped__"):  # borrowed: give it our address
                member.__module__, member.__qualname__ = cls.__module__, f"{cls.__qualname__}.{name}"


def awaits(
    fn: Callable[Concatenate[S, P], R],
) -> Callable[Concatenate[Facade[S], P], Coroutine[Any, Any, R]]:
    """Borrow a blocking method: same signature and docstring, awaitable result."""

    @functools.wraps(fn)
    async def method(self: Facade[S], /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await self._door.call(fn, self._it, *args, **kwargs)

    return method


def derives(
    wrap: Callable[[Door, R], A],
) -> Callable[[Callable[Concatenate[S, P], R]], Callable[Concatenate[Facade[S], P], A]]:
    """Borrow a method that does no I/O and returns an object which needs an async face too."""

    def borrow(fn: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[Facade[S], P], A]:
        @functools.wraps(fn)
        def method(self: Facade[S], /, *args: P.args, **kwargs: P.kwargs) -> A:
            return wrap(self._door, fn(self._it, *args, **kwargs))

        return method

    return borrow


def derives_awaited(
    wrap: Callable[[Door, R], A],
) -> Callable[
    [Callable[Concatenate[S, P], R]], Callable[Concatenate[Facade[S], P], Coroutine[Any, Any, A]]
]:
    """Borrow a blocking method whose result needs an async face, behind an `await`."""

    def borrow(
        fn: Callable[Concatenate[S, P], R],
    ) -> Callable[Concatenate[Facade[S], P], Coroutine[Any, Any, A]]:
        @functools.wraps(fn)
        async def method(self: Facade[S], /, *args: P.args, **kwargs: P.kwargs) -> A:
            return wrap(self._door, await self._door.call(fn, self._it, *args, **kwargs))

        return method

    return borrow
