"""A call on its way through the hub thread: what to run, for whom, and with which outcome.

    SUBMITTED --picked up--> RUNNING --result posted--> DONE
        |                       |
      abandoned before start  abandoned while running
        v                       v
    CANCELLED (never runs)   CANCELLED (the worker is thrown out of its wait)

Only the hub thread moves the state. A caller that abandons a call submits `leave`; since the inbox
is in order, that job arrives after the call itself. So that the call does not start in between, the
caller says so in `is_abandoned` as well.

While it waits, the caller also runs what the call wants done in its place: the *notices*
(`greenmongo._hub.upcall`). The hub adds to them, the caller takes from them, and sees to it that
none is left when it takes the outcome. It is roused by a delivery of `NOTICE`.
"""

from __future__ import annotations

import enum
from collections import deque
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar

import gevent
from gevent.hub import Waiter

from greenmongo._hub.background import run_in_background
from greenmongo._hub.errors import CallAbandoned, HubClosed
from greenmongo._hub.offload import offload

if TYPE_CHECKING:
    import contextvars
    from collections.abc import Callable

    from gevent.hub import Hub

    from greenmongo._hub.context import Context
    from greenmongo._hub.thread import HubThread
    from greenmongo._hub.workers import Worker, Workers

__all__ = ["NOTICE", "Call", "CallState", "DetachedCall"]

R = TypeVar("R")

NOTICE: Any = object()
"""Delivered in place of a value: there are notices to run."""

POLL_INTERVAL = 0.5
"""Seconds between two looks whether a caller who does not answer can still be reached."""


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
        "_place",
        "context",
        "fn",
        "is_abandoned",
        "notices",
        "state",
        "variables",
        "worker",
        "workers",
    )

    def __init__(
        self,
        workers: Workers,
        fn: Callable[[], Any],
        context: Context | None = None,
        variables: contextvars.Context | None = None,
    ) -> None:
        self.workers = workers
        self.fn = fn
        self.context = context
        self.variables = variables
        self.state = _SUBMITTED
        self.is_abandoned = False
        self.worker: Worker | None = None
        self.notices: deque[Callable[[], object]] | None = None
        """What is to be run in the caller's place; None until there is something."""

    _place: contextvars.Context | None

    def deliver(self, value: Any, error: BaseException | None) -> None:
        """Hand the outcome, or `NOTICE`, to the caller. Hub side; must not block."""
        raise NotImplementedError

    def is_reachable(self) -> bool:
        """Return whether the caller may still take what is delivered. Hub side."""
        return True

    def abandon(self, thread: HubThread) -> None:
        """Wait no longer. Caller side; neither blocks nor raises."""
        self.is_abandoned = True
        thread.try_submit(self.leave)

    def begin(self) -> None:
        """Start on an idle worker. Hub side: this is the job put into the inbox."""
        if self.state is _SUBMITTED and not self.is_abandoned:
            self.workers.start(self)

    def refuse(self, error: BaseException) -> None:
        """Answer a call that will never run."""
        if self.state is _SUBMITTED or self.state is _RUNNING:
            self.state = _DONE
            self.deliver(None, error)

    def execute(self, worker: Worker) -> None:
        """Run the function on `worker` and deliver its outcome."""
        if self.state is not _SUBMITTED or self.is_abandoned:
            return
        self.state = _RUNNING
        self.worker = worker
        worker.caller = self
        try:
            variables = self.variables
            value = self.fn() if variables is None else variables.run(self.fn)
        except BaseException as error:
            self.worker = worker.caller = None
            if self.workers.end_child is not None:
                self.workers.end_child(error)
            if isinstance(error, CallAbandoned):
                # Thrown for the sake of the call that this one is part of: the hub stops.
                error = HubClosed("the hub thread stopped during the call")
            self._settle(None, error)
            # The traceback holds this frame; the frame must not hold what the error is kept in.
            del self
        else:
            self.worker = worker.caller = None
            self._settle(value, None)

    def _settle(self, value: Any, error: BaseException | None) -> None:
        if self.state is _RUNNING:
            self.state = _DONE
            if not self.workers.is_exiting:
                self.deliver(value, error)

    def leave(self) -> None:
        """End a call that its caller has abandoned. Hub side: a job put into the inbox."""
        state, worker = self.state, self.worker
        self.give_up_notices()
        if state is _SUBMITTED:
            self.state = _CANCELLED
        elif state is _RUNNING:
            self.state = _CANCELLED
            if worker is not None:
                worker.throw(CallAbandoned("the caller has left"))

    def stop(self) -> None:
        """End a call because the hub stops: the caller gets `HubClosed`. Hub side."""
        worker = self.worker
        self.give_up_notices()
        self.refuse(HubClosed("the hub thread stopped during the call"))
        if worker is not None:
            worker.throw(CallAbandoned("the hub thread stops"))

    # ---- in the caller's place --------------------------------------------------------------

    def notify(self, fn: Callable[[], object]) -> None:
        """Have `fn()`, which must not raise, called in the caller's place. Hub side."""
        if self.state is not _RUNNING:
            run_in_background(fn)
            return
        notices = self.notices
        if notices is None:
            self._place = None
            notices = self.notices = deque()
        notices.append(fn)
        # With more than one, the caller has been roused and has not taken the last one yet.
        if len(notices) == 1:
            self.deliver(NOTICE, None)

    def ask(self, fn: Callable[[], Any]) -> Any:
        """Call `fn()` in the caller's place and return what it returns. Hub side, in the worker.

        Raises:
            CallAbandoned: the caller has left, or cannot be reached any more.
            Exception: what `fn` raised.
        """
        if self.state is not _RUNNING:
            raise CallAbandoned("the caller has left")
        question = _Question(fn, self.workers.hub)
        self.notify(question)
        # Whoever leaves has the worker thrown out of this; a loop that is closed says nothing.
        while not question.wait(POLL_INTERVAL):
            if not self.is_reachable():
                raise CallAbandoned("the caller's event loop was closed")
        return question.take()

    def ask_briefly(self, fn: Callable[[], R], timeout: float) -> R | None:
        """Call `fn()` in the caller's place, if he is there and answers. Hub side; waits.

        Returns:
            What it returns; None if there was no answer within `timeout` seconds.
        """
        if self.state is not _RUNNING:
            return None
        question = _Question(fn, self.workers.hub)
        self.notify(question)
        if not question.wait(timeout):
            return None
        answer: R = question.take()
        return answer

    def run_notices(self) -> None:
        """Run what is to be run in the caller's place, until nothing is left. Caller side."""
        notices = self.notices
        if not notices:
            return
        place = self._place
        if place is None:
            # One for the whole call: what a listener sets in `started`, it finds in `succeeded`.
            place = self._place = copy_context()
        while notices:
            try:
                notice = notices.popleft()
            except IndexError:  # given up meanwhile, because the hub stops
                return
            place.run(notice)

    def give_up_notices(self) -> None:
        """Have the background thread run what the caller has not run, and will not. Hub side."""
        notices = self.notices
        while notices:
            try:
                notice = notices.popleft()
            except IndexError:  # the last one was taken by the caller
                return
            if not isinstance(notice, _Question):
                run_in_background(notice)


class DetachedCall(Call):
    """A call that nobody waits for."""

    __slots__ = ()

    def deliver(self, value: Any, error: BaseException | None) -> None:
        return

    def notify(self, fn: Callable[[], object]) -> None:
        run_in_background(fn)

    def ask(self, fn: Callable[[], Any]) -> Any:
        return offload(fn)


class _Question:
    """A function whose result a worker waits for. As a notice it is called by the caller."""

    __slots__ = ("_error", "_fn", "_is_answered", "_loop", "_value", "_waiter")

    def __init__(self, fn: Callable[[], Any], hub: Hub) -> None:
        self._fn: Callable[[], Any] | None = fn
        self._loop: Any = hub.loop  # its stub lacks the one method that is needed
        self._waiter: Waiter[None] = Waiter(hub)
        self._is_answered = False
        self._value: Any = None
        self._error: Exception | None = None

    def __call__(self) -> None:
        fn, self._fn = self._fn, None
        if fn is None:
            return
        try:
            self._value = fn()
        except Exception as error:
            self._error = error
        # What is no Exception is thrown at the caller (Ctrl-C, a kill, a timeout), who leaves.
        self._is_answered = True
        try:
            self._loop.run_callback_threadsafe(self._waiter.switch, None)
        except ValueError:
            # The hub thread has stopped, and thrown out who waited.
            return

    def wait(self, timeout: float) -> bool:
        """Wait for the answer and return whether it is there. Hub side."""
        if not self._is_answered:
            gevent.with_timeout(timeout, self._waiter.get, timeout_value=None)
        return self._is_answered

    def take(self) -> Any:
        """Return or raise the answer, and keep nothing of it alive. Hub side."""
        value, error = self._value, self._error
        self._value = self._error = None
        if error is None:
            return value
        try:
            raise error
        finally:
            # The traceback holds this frame; the frame must not hold the error.
            del error
