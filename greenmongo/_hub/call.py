"""A call on its way through the hub thread: what to run, for whom, and what came of it.

    SUBMITTED --picked up--> RUNNING --result posted--> DONE
        |                       |
      left before start       left while running
        v                       v
    CANCELLED (never runs)   CANCELLED (the worker is thrown out of its wait)

Only the hub thread moves the state. A caller that leaves submits `abandon`; since the inbox is
in order, that job arrives after the call itself. So that a call whose caller has left already does
not start in between, the caller says so in `is_left` as well.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

from greenmongo._hub.errors import CallAbandoned, HubClosed

if TYPE_CHECKING:
    import contextvars
    from collections.abc import Callable

    from greenmongo._hub.context import Context
    from greenmongo._hub.thread import HubThread
    from greenmongo._hub.workers import Worker, Workers

__all__ = ["Call", "CallState"]


class CallState(enum.Enum):
    """Where a call is in its life."""

    SUBMITTED = enum.auto()
    RUNNING = enum.auto()
    DONE = enum.auto()
    CANCELLED = enum.auto()


_SUBMITTED = CallState.SUBMITTED
_RUNNING = CallState.RUNNING
_DONE = CallState.DONE
_CANCELLED = CallState.CANCELLED


class Call:
    """One function to be run on a worker greenlet of the hub thread.

    Subclasses say how the outcome reaches the caller by implementing `deliver`.
    """

    __slots__ = (
        "args",
        "context",
        "fn",
        "is_left",
        "kwargs",
        "state",
        "variables",
        "worker",
        "workers",
    )

    def __init__(
        self,
        workers: Workers,
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        context: Context | None = None,
        variables: contextvars.Context | None = None,
    ) -> None:
        self.workers = workers
        self.fn = fn
        self.args = args
        self.kwargs = kwargs
        self.context = context
        self.variables = variables
        self.state = _SUBMITTED
        self.is_left = False
        self.worker: Worker | None = None

    def deliver(self, value: Any, error: BaseException | None) -> None:
        """Hand the outcome to the caller. Hub side; must not block."""
        raise NotImplementedError

    def leave(self, thread: HubThread) -> None:
        """Wait no longer. Caller side; neither blocks nor raises."""
        self.is_left = True
        thread.submit_quietly(self.abandon)

    def begin(self) -> None:
        """Start on an idle worker. Hub side: this is the job put into the inbox."""
        if self.state is _SUBMITTED and not self.is_left:
            self.workers.start(self)

    def refuse(self, error: BaseException) -> None:
        """Answer a call that will never run."""
        if self.state is _SUBMITTED or self.state is _RUNNING:
            self.state = _DONE
            self.deliver(None, error)

    def execute(self, worker: Worker) -> None:
        """Run the function on `worker` and deliver what came of it."""
        if self.state is not _SUBMITTED or self.is_left:
            return
        self.state = _RUNNING
        self.worker = worker
        try:
            if self.variables is None:
                value = self.fn(*self.args, **self.kwargs)
            else:
                value = self.variables.run(self.fn, *self.args, **self.kwargs)
        except BaseException as error:
            self.worker = None
            if isinstance(error, CallAbandoned):
                # Thrown for the sake of the call that this one is part of: the hub stops.
                error = HubClosed("the hub thread stopped during the call")
            self._settle(None, error)
            # The traceback holds this frame; the frame must not hold what the error is kept in.
            del self
        else:
            self.worker = None
            self._settle(value, None)

    def _settle(self, value: Any, error: BaseException | None) -> None:
        if self.state is _RUNNING:
            self.state = _DONE
            self.deliver(value, error)

    def abandon(self) -> None:
        """Take note that the caller has left. Hub side: a job put into the inbox."""
        state, worker = self.state, self.worker
        if state is _SUBMITTED:
            self.state = _CANCELLED
        elif state is _RUNNING:
            self.state = _CANCELLED
            if worker is not None:
                worker.throw(CallAbandoned("the caller has left"))

    def stop(self) -> None:
        """End a call because the hub stops: the caller gets `HubClosed`. Hub side."""
        worker = self.worker
        self.refuse(HubClosed("the hub thread stopped during the call"))
        if worker is not None:
            worker.throw(CallAbandoned("the hub thread stops"))
