"""The way of all calls to the hub thread, for one client: to any worker, or to the task's lane."""

from __future__ import annotations

from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from weakref import WeakKeyDictionary, finalize

from bridge._crossing.lane import Lane, retirement
from bridge._crossing.ports import current_port
from greenmongo.errors import MisuseError
from greenmongo.lowlevel import (
    Context,
    DetachedCall,
    RunOnce,
    carries_context,
    executor_of,
    is_open,
    thread_of,
    wants_context,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge._crossing.async_call import AsyncCall, LoopPort
    from greenmongo import MongoClient

__all__ = ["HubDispatcher"]

P = ParamSpec("P")
R = TypeVar("R")


class HubDispatcher:
    """Where the tasks of any loop hand their calls to the hub thread, for one client."""

    def __init__(self, client: MongoClient[Any]) -> None:
        self.client = client
        self._executor = executor_of(client)
        self._auto_start = client.auto_start_request
        self._copies_variables = wants_context(client)
        self._lanes: WeakKeyDictionary[Any, Lane] = WeakKeyDictionary()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> AsyncCall:
        """Have `fn` run on the hub thread, on the task's lane if it has one.

        Returns:
            What the task awaits next: `fn` runs already.
        """
        thread = self._executor.thread
        port = current_port(thread)
        lane = self._lane_of(port) if self._auto_start or self._lanes.data else None  # type: ignore[attr-defined]  # stub lacks it
        call = port.call_type(
            port,
            partial(fn, *args, **kwargs),
            None if lane is None else lane.context,
            copy_context() if self._copies_variables or carries_context() else None,
        )
        call.lane = lane
        thread.submit(call.begin)
        return call

    async def call(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `fn` on the hub thread, on the task's lane if it has one."""
        result: R = await self.submit(fn, *args, **kwargs)
        return result

    async def call_on_lane(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `fn` on the task's lane, which it gets now if it has none."""
        self._lane_of(current_port(thread_of(self.client)), make=True)
        result: R = await self.submit(fn, *args, **kwargs)
        return result

    async def call_exactly_once(self, fn: Callable[[], object]) -> None:
        """Run `fn` exactly once on the hub thread, even if the task is cancelled meanwhile."""
        once = RunOnce(fn)
        try:
            await self.submit(once)
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
        call = DetachedCall(thread.workers, fn, context)
        thread.try_submit(call.begin if lane is None else partial(lane.enter, call))

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
