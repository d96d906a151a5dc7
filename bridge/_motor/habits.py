"""Motor's habits: futures in place of coroutines, and more ways to read a cursor."""

from __future__ import annotations

import asyncio
import functools
import inspect
import warnings
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar

from pymongo.errors import InvalidOperation

from bridge._crossing.async_call import on_behalf_of
from bridge._delegate import Facade, is_optionally_awaited
from bridge._signature import show, task_of

if TYPE_CHECKING:
    from greenmongo.lowlevel import CursorInternals

__all__ = ["EagerTasks", "MotorCursor"]

T = TypeVar("T")
S_co = TypeVar("S_co", covariant=True)

_OURS = __name__.removesuffix("_motor.habits")
"""How the names of the modules of this package begin."""


class EagerTasks(Facade[S_co]):
    """What is borrowed as a coroutine function returns a future instead."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if not cls.__module__.startswith(_OURS):
            # Somebody's subclass: as with Motor, a coroutine function of his remains one.
            return
        for name in dir(cls):
            member = inspect.getattr_static(cls, name)
            if name.startswith("_") or is_optionally_awaited(member):
                continue
            if inspect.iscoroutinefunction(member):
                setattr(cls, name, _as_task(member))

    @property
    def delegate(self) -> S_co:
        """The blocking object behind this one."""
        return self._sync

    def get_io_loop(self) -> asyncio.AbstractEventLoop:
        """Return the client's `io_loop`."""
        loop: asyncio.AbstractEventLoop = self._parent.get_io_loop()
        return loop

    def _start(self, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run a coroutine in the caller's name: in its request, if it is in one."""
        loop, variables = self.get_io_loop(), copy_context()
        try:
            task = on_behalf_of.get() or asyncio.current_task()
        except RuntimeError:
            # No loop runs yet.
            task = None
        variables.run(on_behalf_of.set, task)
        return variables.run(loop.create_task, coroutine)


def _as_task(method: Callable[..., Coroutine[Any, Any, T]]) -> Callable[..., asyncio.Task[T]]:
    @functools.wraps(method)
    def start(self: EagerTasks[Any], /, *args: Any, **kwargs: Any) -> asyncio.Task[T]:
        return self._start(method(self, *args, **kwargs))

    show(start, method, task_of)
    return start


class MotorCursor(EagerTasks[Any]):
    """What Motor's cursors have besides."""

    if TYPE_CHECKING:
        _internals: CursorInternals

        async def _opened(self) -> CursorInternals: ...
        async def _documents(self, length: int | None) -> list[Any]: ...
        async def _has_more(self, refill: Callable[[], bool]) -> bool: ...
        async def __anext__(self) -> Any: ...

    async def to_list(self, length: int | None = None) -> list[Any]:
        """Return the next `length` documents, or all the rest.

        Raises:
            InvalidOperation: the cursor is tailable: there is no rest.
            ValueError: `length` is negative.
        """
        if length is not None and length < 0:
            raise ValueError(f"length must not be negative: {length}")
        internals = await self._opened()
        if internals.waits_for_more():
            raise InvalidOperation("to_list of a tailable cursor would never end")
        if length == 0:
            return []
        return await self._documents(length)

    @property
    def fetch_next(self) -> asyncio.Future[bool]:
        """Whether `next_object` has another document; fetches some if need be. Deprecated."""
        warnings.warn("fetch_next is deprecated: use `async for`", DeprecationWarning, stacklevel=2)
        return self._start(self._has_next())

    async def _has_next(self) -> bool:
        internals = await self._opened()
        while not internals.buffer:
            if not (self._sync.alive and await self._has_more(internals.refill)):
                return False
        return True

    def next_object(self) -> Any:
        """Return a document that has been fetched, None if all were taken. Deprecated."""
        warnings.warn(
            "next_object is deprecated: use `async for`", DeprecationWarning, stacklevel=2
        )
        buffer = self._internals.buffer
        return buffer.popleft() if buffer else None

    def each(self, callback: Callable[[Any, Exception | None], object]) -> None:
        """Call `callback(document, None)` for each document, and `callback(None, None)` at the end.

        If it returns False, no more are fetched. After an error it is called with that.

        Raises:
            TypeError: `callback` is none.
        """
        if not callable(callback):
            raise TypeError(f"callback must be callable: {callback!r}")
        self._start(self._each(callback))

    async def _each(self, callback: Callable[[Any, Exception | None], object]) -> None:
        while True:
            try:
                document = await self.__anext__()
            except StopAsyncIteration:
                callback(None, None)
                return
            except Exception as error:
                callback(None, error)
                return
            if callback(document, None) is False:
                return
