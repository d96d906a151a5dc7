"""The greenlets of the hub thread that run calls, kept on a free list instead of made per call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greenlet import greenlet

if TYPE_CHECKING:
    from collections.abc import Callable

    from gevent.hub import Hub

    from greenmongo._hub.call import Call
    from greenmongo._hub.context import Context

__all__ = ["Worker", "Workers"]

IDLE_LIMIT = 1_000
"""Idle workers kept; each costs about 1 KB. Above it a worker that becomes idle ends."""


class Worker(greenlet):
    """Runs one call after another; `context` is whose request the current call belongs to."""

    context: Context | None = None
    sentinel: object = None
    """Of a context of the worker's own, which dies with the call."""
    call: Call | None = None
    caller: Call | None = None
    """Whose place the user's code runs in; None while it is the user's own code that runs here."""
    is_resting = False
    """Its call goes on only with another, which will be submitted."""
    is_driving = False
    """It is inside of an operation: code of the user's that comes to run here is a finaliser's."""

    def __init__(self, workers: Workers) -> None:
        super().__init__(self._work, workers.hub)
        self.workers = workers

    def _work(self) -> None:
        """Run calls until told to stop with None, or until there are idle workers enough."""
        workers = self.workers
        hub_switch = workers.hub_switch
        # Not an argument: a greenlet keeps those of its first switch for as long as it lives.
        call: Call | None = hub_switch()
        while call is not None:
            self.context = call.context
            self.call = call
            call.execute(self)
            # Nothing of the call may live on in an idle worker.
            self.context = self.sentinel = self.call = call = None
            if not workers.rest(self):
                return
            call = hub_switch()


class Workers:
    """The idle and the busy workers of one hub. Hub side only."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.hub_switch: Any = hub.switch
        self._idle: list[Worker] = []
        self.busy: set[Worker] = set()
        self.is_exiting = False
        """The process ends: only daemon threads still wait, and an error would just be printed."""
        self.end_child: Callable[[BaseException | None], object] | None = None
        """In a child that was forked on this hub: does not return, but ends it."""

    def start(self, call: Call) -> None:
        """Run `call` on an idle worker, at once, until it waits for something."""
        if self._idle:
            worker = self._idle.pop()
        else:
            worker = Worker(self)
            worker.switch()
        self.busy.add(worker)
        worker.switch(call)

    def rest(self, worker: Worker) -> bool:
        """Take a worker back; False tells it to end."""
        self.busy.discard(worker)
        if self.end_child is not None:
            self.end_child(None)
        if len(self._idle) >= IDLE_LIMIT:
            return False
        self._idle.append(worker)
        return True

    def dismiss(self) -> None:
        """End the idle workers."""
        while self._idle:
            self._idle.pop().switch(None)
