"""Lanes: the greenlet that a task in a request is pinned to; and the door all calls go through.

A task that is in no request has its calls run on any free worker of the hub thread. With
`start_request` it gets a lane for the rest of its life: one greenlet that runs its calls in the
order they were made, and whose `Context` owns its requests. The lane is retired when the task has
ended, or when its memory is freed without that (its loop was closed under it).
"""

from __future__ import annotations

from collections import deque
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from weakref import WeakKeyDictionary, finalize, ref

from gevent.hub import Waiter, getcurrent

from bridge._crossing.ports import current_port
from greenmongo.errors import MisuseError
from greenmongo.lowlevel import (
    Call,
    CallState,
    Context,
    HubClosed,
    Once,
    is_limited,
    is_open,
    thread_of,
    wants_context,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge._crossing.ports import LoopPort
    from greenmongo import MongoClient
    from greenmongo.lowlevel import HubThread

__all__ = ["Door", "Lane"]

P = ParamSpec("P")
R = TypeVar("R")


class _Service(Call):
    """A call that nobody waits for; a lane is one itself, to the worker it occupies."""

    __slots__ = ()

    def deliver(self, value: Any, error: BaseException | None) -> None:
        return


class Lane:
    """One task's greenlet. Its methods run on the hub thread, `retire` anywhere."""

    def __init__(self, thread: HubThread) -> None:
        self.context = Context("task")
        self.thread = thread
        self._queue: deque[Call] = deque()
        self._service: _Service | None = None
        self._waiter: Waiter[None] | None = None
        self._is_retired = False

    def enter(self, call: Call) -> None:
        """Run a call after those before it. Hub side."""
        self._queue.append(call)
        if self._service is None:
            self._service = _Service(self.thread.workers, self._serve, (), {}, self.context)
            self._service.begin()
        elif self._waiter is not None:
            waiter, self._waiter = self._waiter, None
            waiter.switch(None)

    def retire(self) -> None:
        """End the lane and whatever request it is in. Any side; never blocks or raises."""
        self.thread.submit_quietly(self._retire)

    def _retire(self) -> None:
        self._is_retired = True
        self.context.expire()
        if self._waiter is not None:
            waiter, self._waiter = self._waiter, None
            waiter.switch(None)

    def _serve(self) -> None:
        worker: Any = getcurrent()
        service, queue = self._service, self._queue
        try:
            while service is not None and service.state is CallState.RUNNING:
                if queue:
                    queue.popleft().execute(worker)
                elif self._is_retired:
                    return
                else:
                    waiter: Waiter[None] = Waiter()
                    self._waiter = waiter
                    waiter.get()
        finally:
            # Whatever comes now, after the lane has retired, is served by another worker.
            self._service = None
            while queue:
                queue.popleft().refuse(HubClosed("the hub thread stopped before the call began"))


def retirement(lane: Lane) -> Callable[[object], None]:
    """Return a function that retires a lane, and does not keep it alive."""
    reference = ref(lane)

    def retire(_task: object = None) -> None:
        lane = reference()
        if lane is not None:
            lane.retire()

    return retire


class Door:
    """Where the tasks of any loop hand their calls to the hub thread, for one client."""

    def __init__(self, client: MongoClient[Any]) -> None:
        self.client = client
        self._auto_start = client.auto_start_request
        self._copies_variables = wants_context(client)
        self._lanes: WeakKeyDictionary[Any, Lane] = WeakKeyDictionary()

    async def call(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `fn` on the hub thread, on the task's lane if it has one."""
        thread = thread_of(self.client)
        port = current_port(thread)
        lane = self._lane_of(port) if self._lanes or self._auto_start else None
        call = port.new_call(fn, args, kwargs, None if lane is None else lane.context)
        call.lane = lane
        if self._copies_variables or is_limited():
            call.variables = copy_context()
        try:
            thread.submit(call.begin)
            result: R = await call.outcome()
        finally:
            # An exception's traceback holds this frame, and the call may hold the exception.
            del call
        return result

    async def call_pinned(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `fn` on the task's lane, which it gets now if it has none."""
        self._lane_of(current_port(thread_of(self.client)), make=True)
        return await self.call(fn, *args, **kwargs)

    async def call_surely(self, fn: Callable[[], object]) -> None:
        """Run `fn` exactly once on the hub thread, even if the task is cancelled meanwhile."""
        once = Once(fn)
        try:
            await self.call(once)
        except BaseException:
            # Behind the call, which by then either ran or never will.
            self.post(once)
            raise

    def post(self, fn: Callable[[], object]) -> None:
        """Run `fn` where the task's next call would run, and do not wait. Never raises."""
        if not is_open(self.client):
            return
        thread = thread_of(self.client)
        try:
            lane = self._lane_of(current_port(thread))
        except MisuseError:
            # No loop, no task: there was no call that this would have to follow.
            lane = None
        context = None if lane is None else lane.context
        call = _Service(thread.workers, fn, (), {}, context)
        thread.submit_quietly(call.begin if lane is None else partial(lane.enter, call))

    def context(self) -> Context | None:
        """Return the context of the task's request, None if it has no lane."""
        if not self._lanes or not is_open(self.client):
            return None
        lane = self._lanes.get(current_port(thread_of(self.client)).current_task())
        return None if lane is None else lane.context

    def _lane_of(self, port: LoopPort, *, make: bool = False) -> Lane | None:
        task = port.current_task()
        if task is None:
            return None
        lane = self._lanes.get(task)
        if lane is not None and lane.thread is not port.thread:
            # Its hub thread is no more: the client was closed and is used again.
            lane = None
        if lane is None and (make or self._auto_start):
            lane = self._lanes[task] = Lane(port.thread)
            retire = retirement(lane)
            port.watch(task, retire)
            finalize(task, retire, None).atexit = False
        return lane

    def retire_lanes(self) -> None:
        """End all lanes: the client is closed, or gone, and tasks may live on for long."""
        while self._lanes:
            try:
                _, lane = self._lanes.popitem()
            except KeyError:  # the last one's task has ended just now
                return
            lane.retire()

    def __del__(self) -> None:
        self.retire_lanes()
