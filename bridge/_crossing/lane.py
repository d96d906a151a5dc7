"""Lanes: a lane is the serial executor (strand) of one task in a request.

A task that is in no request has its calls run on any free worker of the hub thread. With
`start_request` it gets a lane for the rest of its life: one greenlet that runs its calls in the
order they were made, and whose `Context` owns its requests. The lane is retired when the task has
ended, or when its memory is freed without that (its loop was closed under it).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any
from weakref import ref

from gevent.hub import Waiter, getcurrent

from greenmongo.lowlevel import Call, CallState, Context, DetachedCall, HubClosed

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenmongo.lowlevel import HubThread

__all__ = ["Lane", "retirement"]


class Lane:
    """One task's greenlet. Its methods run on the hub thread, `retire` anywhere."""

    def __init__(self, thread: HubThread) -> None:
        self.context = Context("task")
        self.thread = thread
        self._queue: deque[Call] = deque()
        self._own_call: DetachedCall | None = None
        self._waiter: Waiter[None] | None = None
        self._is_retired = False

    def enter(self, call: Call) -> None:
        """Run a call after those before it. Hub side."""
        self._queue.append(call)
        if self._own_call is None:
            self._own_call = DetachedCall(self.thread.workers, self._serve, self.context)
            self._own_call.begin()
        elif self._waiter is not None:
            waiter, self._waiter = self._waiter, None
            waiter.switch(None)

    def retire(self) -> None:
        """End the lane and whatever request it is in. Any side; never blocks or raises."""
        self.thread.try_submit(self._retire)

    def _retire(self) -> None:
        self._is_retired = True
        self.context.expire()
        if self._waiter is not None:
            waiter, self._waiter = self._waiter, None
            waiter.switch(None)

    def _serve(self) -> None:
        worker: Any = getcurrent()
        call, queue = self._own_call, self._queue
        try:
            while call is not None and call.state is CallState.RUNNING:
                if queue:
                    queue.popleft().execute(worker)
                elif self._is_retired:
                    return
                else:
                    waiter: Waiter[None] = Waiter()
                    self._waiter = waiter
                    worker.is_resting = True
                    try:
                        waiter.get()
                    finally:
                        worker.is_resting = False
        finally:
            # Whatever comes now, after the lane has retired, is served by another worker.
            self._own_call = None
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
