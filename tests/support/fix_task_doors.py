"""Doors whose contexts are tasks: blocking test code, each context of which calls from its task.

One event loop in a thread of its own serves a whole test. A context is a native thread that runs
the test's function, and a task that makes the calls of this thread, one after another, until the
function has returned.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Any, TypeVar

import pytest
import trio

from bridge import AsyncConnection, AsyncMongoClient, AsyncReplicaSetConnection
from greenmongo import Connection, ReplicaSetConnection
from greenmongo._hub.thread import HubThread
from tests.support.fix_doors import Door, GreenletDoor, ThreadDoor, start
from tests.support.fix_hub import Client, Connect
from tests.support.loop_actor import Actor, Blocking, Job, perform

__all__ = ["ALL_DOORS", "TaskDoor", "connect_through", "connection_through", "every_door"]

T = TypeVar("T")
PATIENCE = 15.0

Put = Callable[["Job | None"], object]
"""Hands a job to a task; None ends it."""


class TaskDoor(ThreadDoor):
    """Contexts are tasks of one event loop."""

    def __init__(self) -> None:
        self._mine = threading.local()
        self._ready: Future[None] = Future()
        self._loop = threading.Thread(target=self._run)
        self._loop.start()
        self._ready.result(PATIENCE)

    def spawn(self, fn: Callable[..., T], *args: Any) -> Callable[[], T]:
        def live() -> T:
            try:
                return fn(*args)
            finally:
                self.end_task()

        future = start(live)
        return lambda: future.result(PATIENCE)

    def call_in_task(self, fn: Callable[[], Any]) -> Any:
        """Call `fn` in the task of this thread, await what it returns, and return the result."""
        if getattr(self._mine, "put", None) is None:
            born: Future[Put] = Future()
            self._mine.ended = Future()
            self._begin(born, self._mine.ended)
            self._mine.put = born.result(PATIENCE)
        future: Future[Any] = Future()
        self._mine.put((fn, future))
        return future.result(PATIENCE)

    def end_task(self) -> None:
        """End the task of this thread, if it has one."""
        put, self._mine.put = getattr(self._mine, "put", None), None
        if put is not None:
            put(None)
            self._mine.ended.result(PATIENCE)

    def close(self) -> None:
        """End the loop."""
        self.end_task()
        self._stop()
        self._loop.join(PATIENCE)

    def client(self, it: Client) -> Any:
        """Return a blocking face of the async face of a client."""
        return TaskClient(self, AsyncMongoClient.from_client(it))

    def _begin(self, born: Future[Put], ended: Future[None]) -> None:
        """Start a task."""
        raise NotImplementedError

    def _run(self) -> None:
        """Run the loop."""
        raise NotImplementedError

    def _stop(self) -> None:
        """Have the loop end."""
        raise NotImplementedError


class AsyncioDoor(TaskDoor):
    """Contexts are tasks of asyncio."""

    name = "asyncio"

    def _begin(self, born: Future[Put], ended: Future[None]) -> None:
        async def live() -> None:
            queue: asyncio.Queue[Job | None] = asyncio.Queue()
            born.set_result(lambda job: self._asyncio.call_soon_threadsafe(queue.put_nowait, job))
            while job := await queue.get():
                await perform(job)
                del job

        def begin() -> None:
            task = asyncio.ensure_future(live())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            task.add_done_callback(lambda _: ended.set_result(None))

        self._asyncio.call_soon_threadsafe(begin)

    def _run(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._asyncio = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()
        self._ready.set_result(None)
        await self._over.wait()

    def _stop(self) -> None:
        self._asyncio.call_soon_threadsafe(self._over.set)


class TrioDoor(TaskDoor):
    """Contexts are tasks of trio."""

    name = "trio"

    def _begin(self, born: Future[Put], ended: Future[None]) -> None:
        async def live() -> None:
            send, receive = trio.open_memory_channel[Job | None](10)
            born.set_result(lambda job: self._token.run_sync_soon(send.send_nowait, job))
            while job := await receive.receive():
                await perform(job)
                del job
            ended.set_result(None)

        self._token.run_sync_soon(self._nursery.start_soon, live)

    def _run(self) -> None:
        trio.run(self._main)

    async def _main(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._over = trio.Event()
        async with trio.open_nursery() as self._nursery:
            self._ready.set_result(None)
            await self._over.wait()

    def _stop(self) -> None:
        self._token.run_sync_soon(self._over.set)


class TaskClient(Blocking):
    """A client as a context of a `TaskDoor` sees it."""

    def __init__(self, door: TaskDoor, it: AsyncMongoClient[Any]) -> None:
        super().__init__(_Tasks(door, self), it)

    @property
    def _executor(self) -> Any:
        return self._it.sync._executor


class _Tasks(Actor):
    """The task of whichever thread calls."""

    def __init__(self, door: TaskDoor, home: Blocking) -> None:
        # Not Actor's own: the tasks are the door's.
        self._door = door
        self.home = home

    def call(self, fn: Callable[[], Any]) -> Any:
        return self._door.call_in_task(fn)


TASK_CLASSES: dict[type[Any], type[Any]] = {
    Connection: AsyncConnection,
    ReplicaSetConnection: AsyncReplicaSetConnection,
}

ALL_DOORS: dict[str, type[Door]] = {
    "thread": ThreadDoor,
    "greenlet": GreenletDoor,
    "asyncio": AsyncioDoor,
    "trio": TrioDoor,
}


@pytest.fixture(params=list(ALL_DOORS))
def every_door(request: pytest.FixtureRequest) -> Iterator[Door]:
    """Provide each of the four doors in turn."""
    made = ALL_DOORS[request.param]()
    yield made
    if isinstance(made, TaskDoor):
        made.close()


@pytest.fixture
def connect_through(every_door: Door, client_of: Connect) -> Connect:
    """Open a client as the contexts of this test's door use it; closed after the test."""
    if isinstance(every_door, TaskDoor):
        door = every_door
        return lambda uri, **options: door.client(client_of(uri, **options))
    return client_of


@pytest.fixture
def connection_through(every_door: Door, hub_thread: HubThread) -> Iterator[Callable[..., Any]]:
    """Open a `Connection`, or another of the old classes, as a test's door uses it."""
    with ExitStack() as stack:

        def connect(uri: str, kind: type[Any] = Connection, **options: Any) -> Any:
            if not isinstance(every_door, TaskDoor):
                return stack.enter_context(kind(uri, **options))
            face = TASK_CLASSES[kind](uri, **options)
            stack.callback(face.sync.close)
            return TaskClient(every_door, face)

        yield connect
