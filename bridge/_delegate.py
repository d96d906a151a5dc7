"""Borrowing: the async face of a blocking method, with its signature, its docstring, its types.

Each combinator takes a blocking method and returns the async one, per kind of result. The
blocking method itself is untouched. `awaits` and `wraps_awaited` run it on a greenlet of the hub
thread, and so does what `wraps_call` passes on; `wraps_result` and `chains` are for methods that do
no I/O, and call it where they are.

Where Motor and PyMongo disagree whether a call is awaited, it may be awaited or not: what it
returns is a `Pending`.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Concatenate, Generic, ParamSpec, TypeVar

from bridge._plain import all_plain
from bridge._signature import coroutine_of, show

if TYPE_CHECKING:
    from collections.abc import Generator

    from typing_extensions import Self

    from bridge._crossing.dispatcher import HubDispatcher

__all__ = [
    "Facade",
    "Pending",
    "awaits",
    "chains",
    "wraps_call",
    "wraps_result",
    "wraps_awaited",
    "optionally_awaited",
    "is_optionally_awaited",
    "of_subclass",
    "mirrors_property",
]

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")
S_co = TypeVar("S_co", covariant=True)
A = TypeVar("A")
F = TypeVar("F")
MethodT = TypeVar("MethodT", bound=Callable[..., Any])
R_co = TypeVar("R_co", covariant=True)


class Facade(Generic[S_co]):
    """An async face on a blocking object `_sync`, reached through `_dispatcher`.

    Attributes:
        _parent: the face that this one was reached through; None for a client.
        _family: which class takes the place of which for what is reached from here.
    """

    _dispatcher: HubDispatcher
    _sync: S_co
    _parent: Any = None
    _family: ClassVar[Mapping[type, type]] = {}

    @classmethod
    def _wrap(cls, parent: Facade[Any], sync: Any) -> Any:
        """Give a blocking object its async face.

        Each class says in types what it wraps, since `Self` cannot have the result's own document
        class.

        Args:
            parent: the face it was reached through, or one that has the same parent.
            sync: the blocking object.
        """
        if isinstance(parent, cls):
            parent = parent._parent
        face = object.__new__(cls._class_for(parent))
        face._dispatcher, face._sync, face._parent = parent._dispatcher, sync, parent
        return face

    @classmethod
    def _class_for(cls, parent: Facade[Any]) -> type[Self]:
        """Return this class, or what the parent's family has in its place."""
        return parent._family.get(cls, cls)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for name, member in vars(cls).items():
            if callable(member) and hasattr(member, "__wrapped__"):  # borrowed: give it our address
                member.__module__, member.__qualname__ = (
                    cls.__module__,
                    f"{cls.__qualname__}.{name}",
                )


class Pending(Generic[R_co]):
    """What a call returns that may be awaited, and need not be.

    It passes for a coroutine: `create_task`, `gather` and the like take it.
    """

    _running: Coroutine[Any, Any, R_co] | None = None

    def _when_awaited(self) -> Coroutine[Any, Any, R_co]:
        """Return the coroutine that an `await` runs."""
        raise NotImplementedError

    def __await__(self) -> Generator[Any, Any, R_co]:
        return self._when_awaited().__await__()

    def send(self, value: Any) -> Any:
        """Go on, as a coroutine; for event loops only."""
        if self._running is None:
            self._running = self._when_awaited()
        return self._running.send(value)

    def throw(self, *error: Any) -> Any:
        """Go on with an exception, as a coroutine; for event loops only."""
        if self._running is None:
            self._running = self._when_awaited()
        return self._running.throw(*error)


# Not a base class: a cursor's `close` is not what a coroutine calls by that name. The type
# checkers' Coroutine does not know that it is an ABC.
_coroutine: Any = Coroutine
_coroutine.register(Pending)


def optionally_awaited(method: MethodT) -> MethodT:
    """Mark a method whose result may be awaited, and need not be.

    PyMongo declares such methods `async def`, and frameworks ask whether that is so before they
    await what a callback returns: `inspect.iscoroutinefunction` is true for them here, too.
    """
    method.__dict__["_is_optionally_awaited"] = True
    _pass_for_coroutine_function(method)
    return method


def _pass_for_coroutine_function(method: Any) -> None:
    if sys.version_info >= (3, 12):
        inspect.markcoroutinefunction(method)
        return
    # What asyncio's own function goes by; of Python 3.10 `inspect` can be told nothing.
    method._is_coroutine = getattr(asyncio.coroutines, "_is_coroutine", None)
    if sys.version_info >= (3, 11) and sys.implementation.name == "cpython":
        # There an instruction of the code makes the coroutine, and the flag only says so.
        code = method.__code__
        method.__code__ = code.replace(co_flags=code.co_flags | inspect.CO_COROUTINE)


def is_optionally_awaited(method: object) -> bool:
    """Tell whether a method was marked with `optionally_awaited`."""
    return getattr(method, "_is_optionally_awaited", False)


def awaits(
    fn: Callable[Concatenate[S, P], R],
) -> Callable[Concatenate[Facade[S], P], Coroutine[Any, Any, R]]:
    """Borrow a blocking method: same signature and docstring, awaitable result."""

    @functools.wraps(fn)
    async def method(self: Facade[S], /, *args: P.args, **kwargs: P.kwargs) -> R:
        given, named = all_plain(args, kwargs)
        result: R = await self._dispatcher.submit(fn, self._sync, *given, **named)
        return result

    show(method, fn, coroutine_of)
    return method


def chains(fn: Callable[Concatenate[S, P], S]) -> Callable[Concatenate[F, P], F]:
    """Borrow a method that changes its object and returns it: the async one returns itself."""

    @functools.wraps(fn)
    def method(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> Any:
        fn(self._sync, *args, **kwargs)
        return self

    show(method, fn)
    return method


def wraps_result(
    wrap: Callable[[Any, R], A],
) -> Callable[[Callable[Concatenate[S, P], R]], Callable[Concatenate[Facade[S], P], A]]:
    """Borrow a method whose result needs an async face too: `wrap(self, result)`."""

    def borrow(fn: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[Facade[S], P], A]:
        @functools.wraps(fn)
        def method(self: Facade[S], /, *args: P.args, **kwargs: P.kwargs) -> A:
            given, named = all_plain(args, kwargs)
            return wrap(self, fn(self._sync, *given, **named))

        show(method, fn)
        return method

    return borrow


def wraps_awaited(
    wrap: Callable[[Any, R], A],
) -> Callable[
    [Callable[Concatenate[S, P], R]], Callable[Concatenate[Facade[S], P], Coroutine[Any, Any, A]]
]:
    """Borrow a blocking method whose result needs an async face, behind an `await`."""

    def borrow(
        fn: Callable[Concatenate[S, P], R],
    ) -> Callable[Concatenate[Facade[S], P], Coroutine[Any, Any, A]]:
        @functools.wraps(fn)
        async def method(self: Facade[S], /, *args: P.args, **kwargs: P.kwargs) -> A:
            given, named = all_plain(args, kwargs)
            return wrap(self, await self._dispatcher.submit(fn, self._sync, *given, **named))

        show(method, fn, coroutine_of)
        return method

    return borrow


def wraps_call(
    wrap: Callable[[Any, Callable[[], R]], A],
) -> Callable[[Callable[Concatenate[S, P], R]], Callable[Concatenate[Facade[S], P], A]]:
    """Borrow a blocking method to be called later: `wrap(self, call)` decides when."""

    def borrow(fn: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[Facade[S], P], A]:
        @optionally_awaited
        @functools.wraps(fn)
        def method(self: Facade[S], /, *args: P.args, **kwargs: P.kwargs) -> A:
            given, named = all_plain(args, kwargs)
            return wrap(self, functools.partial(fn, self._sync, *given, **named))

        show(method, fn)
        return method

    return borrow


def of_subclass(fn: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[Any, P], R]:
    """Borrow a method that only a subclass's `_sync` has: the base class's type hides it."""
    return fn


def mirrors_property(cls: type, name: str) -> Any:
    """Borrow a property that neither crosses nor waits, with its setter if there is one."""
    member: property = inspect.getattr_static(cls, name)
    read, write = member.fget, member.fset
    assert read is not None

    def get(self: Facade[Any]) -> Any:
        return read(self._sync)

    def set_(self: Facade[Any], value: Any) -> None:
        assert write is not None
        write(self._sync, value)

    return property(get, None if write is None else set_, doc=member.__doc__)
