"""One task of an event loop in a thread of its own, and blocking faces on async objects through it.

Whatever is asked of a `Blocking` object happens in that one task, so that a request that a test
starts is the test's own.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import Any

import trio

import bridge
from bridge import AsyncRequest
from bridge._session import AsyncBoundSession, AsyncTransactionBlock

__all__ = ["Actor", "AsyncioActor", "Blocking", "TrioActor"]

ASYNC_CLASSES: tuple[type, ...] = (
    AsyncBoundSession,
    AsyncTransactionBlock,
    *(getattr(bridge, name) for name in bridge.__all__ if name.startswith("Async")),
)

Job = tuple[Callable[[], Any], "Future[Any]"]


async def perform(job: Job) -> None:
    """Call a function in this task, await what it returns if need be, and report."""
    fn, future = job
    try:
        result = fn()
        if inspect.isawaitable(result) and not isinstance(result, AsyncRequest):
            result = await result
    except StopAsyncIteration:
        future.set_exception(StopIteration())
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)


class Actor:
    """A task that does what other threads ask for, one thing after another."""

    home: Blocking | None = None
    """The face that its object has already, if it is asked for again."""

    def __init__(self) -> None:
        self._ready: Future[Callable[[Job | None], object]] = Future()
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()
        self._put = self._ready.result()

    def _run(self) -> None:
        raise NotImplementedError

    def call(self, fn: Callable[[], Any]) -> Any:
        """Call `fn` in the task, await the result if it can be awaited, and return what came."""
        future: Future[Any] = Future()
        self._put((fn, future))
        return future.result()

    def stop(self) -> None:
        """End the task, and its loop."""
        self._put(None)
        self._thread.join()


class AsyncioActor(Actor):
    """A task of asyncio."""

    _queue: asyncio.Queue[Job | None]

    def _run(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        loop = asyncio.get_running_loop()
        queue = self._queue = asyncio.Queue()
        self._ready.set_result(lambda job: loop.call_soon_threadsafe(queue.put_nowait, job))
        await self._serve()

    async def _serve(self) -> None:
        while job := await self._queue.get():
            await perform(job)
            del job

    async def call_back(self, fn: Callable[[], Any]) -> Any:
        """Call a function that blocks, and do meanwhile in this task what it asks for.

        For what a job of this actor calls back while it is under way.
        """
        outcome: Future[Any] = Future()

        def run() -> None:
            try:
                outcome.set_result(fn())
            except BaseException as error:
                outcome.set_exception(error)
            finally:
                self._put(None)

        Thread(target=run, daemon=True).start()
        await self._serve()
        return outcome.result()


class TrioActor(Actor):
    """A task of trio."""

    def _run(self) -> None:
        trio.run(self._main)

    async def _main(self) -> None:
        token = trio.lowlevel.current_trio_token()
        send, receive = trio.open_memory_channel[Job | None](10)
        self._ready.set_result(lambda job: token.run_sync_soon(send.send_nowait, job))
        while job := await receive.receive():
            await perform(job)
            del job


class Blocking:
    """The blocking face of an async object: the counterpart of `bridge`, for tests only."""

    def __init__(self, actor: Actor, it: Any) -> None:
        self._actor = actor
        self._it = it

    def _call(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        args = tuple(bare(arg) for arg in args)
        kwargs = {name: bare(value) for name, value in kwargs.items()}
        return self._wrap(self._actor.call(lambda: fn(*args, **kwargs)))

    def _wrap(self, value: Any) -> Any:
        if value is self._it:
            return self
        home = self._actor.home
        if home is not None and value is home._it:
            return home
        return Blocking(self._actor, value) if isinstance(value, ASYNC_CLASSES) else value

    def __getattr__(self, name: str) -> Any:
        value = self._actor.call(lambda: getattr(self._it, name))
        if inspect.ismethod(value) or inspect.isfunction(value):
            if name == "start_request":
                return lambda *args, **kwargs: self._call(start_request, value, *args, **kwargs)
            return lambda *args, **kwargs: self._call(value, *args, **kwargs)
        return self._wrap(value)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._call(self._it, *args, **kwargs)

    def __getitem__(self, key: Any) -> Any:
        return self._call(self._it.__getitem__, key)

    def __iter__(self) -> Blocking:
        iter_of = getattr(type(self._it), "__aiter__", None)
        if iter_of is None:
            iter(self._it)
        return self

    def __next__(self) -> Any:
        return self._call(self._it.__anext__)

    def __enter__(self) -> Any:
        return self._call(self._it.__aenter__)

    def __exit__(self, *exc_info: object) -> None:
        self._call(self._it.__aexit__, *exc_info)

    def __bool__(self) -> bool:
        return bool(self._it)

    def __eq__(self, other: object) -> bool:
        return bool(self._it == bare(other))

    def __hash__(self) -> int:
        return hash(self._it)

    def __repr__(self) -> str:
        return f"Blocking({self._it!r})"


async def start_request(start: Callable[..., AsyncRequest], *args: Any, **kwargs: Any) -> Any:
    """Start a request as the blocking method does: at once."""
    return await start(*args, **kwargs)


def bare(value: Any) -> Any:
    """Return what is behind a blocking face."""
    return value._it if isinstance(value, Blocking) else value
