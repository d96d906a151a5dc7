"""From the hub thread back to whoever called: the user's code runs in the caller's place.

Listeners, log handlers, codecs and callbacks are the user's. They may block, take locks that the
caller holds, use a client, or read thread-locals. So none of them runs on the hub thread, but in
the thread, greenlet or task that waits for the operation, while it waits.

- `notify_caller(fn)` has `fn` called there, and does not wait for it. What one call notifies of
  runs in order, and before the call returns.
- `upcall(fn)` has `fn` called there, and waits for what it returns or raises.

Where that is, by the greenlet that asks:

    worker, for a call that somebody waits for    the waiting thread, greenlet or task
    worker, for a call whose caller has left      notices: the background thread; an upcall raises
                                                  `CallAbandoned`
    worker, for a call that nobody waits for      notices: the background thread; upcalls: a thread
    the driver's own (`spawn`), or a callback     of the hub's pool
    any other on the hub thread: functions that   there
    the user has put on it, and what they spawn
    any in another thread                         there: it is the caller's place
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from gevent import Greenlet
from gevent.hub import Hub, getcurrent

from greenmongo._hub.background import run_in_background
from greenmongo._hub.errors import find_call_site
from greenmongo._hub.offload import offload
from greenmongo._hub.workers import Worker

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

__all__ = [
    "DriverGreenlet",
    "in_own_place",
    "may_ask",
    "may_wait_here",
    "notify_caller",
    "place_of",
    "spawn",
    "upcall",
]

ANSWER_TIMEOUT = 0.5
"""Seconds that whoever waits for an operation has to say where he is."""

P = ParamSpec("P")
R = TypeVar("R")


if TYPE_CHECKING:
    _Greenlet = Greenlet[..., Any]
else:
    _Greenlet = Greenlet  # generic for type checkers only


class DriverGreenlet(_Greenlet):
    """A greenlet of the driver's own on the hub thread: what it does is done for no caller."""


def spawn(fn: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> Greenlet[P, R]:
    """Start a greenlet for the driver itself. Hub side."""
    greenlet: Any = DriverGreenlet.spawn(fn, *args, **kwargs)
    return cast("Greenlet[P, R]", greenlet)


def notify_caller(fn: Callable[[], object]) -> None:
    """Have `fn()`, which must not raise, called in the caller's place. Any side; does not wait."""
    current = getcurrent()
    if isinstance(current, Worker):
        if current.caller is not None:
            current.caller.notify(fn)
            return
    elif isinstance(current, (DriverGreenlet, Hub)):
        run_in_background(fn)
        return
    _here(fn)


def upcall(fn: Callable[[], R]) -> R:
    """Call `fn` in the caller's place and return what it returns. Any side, but no callback.

    Raises:
        CallAbandoned: the caller has left, or its loop was closed, before `fn` had returned.
        Exception: what `fn` raised. What is no `Exception` the caller gets itself.
    """
    current = getcurrent()
    if isinstance(current, Worker):
        if current.caller is not None:
            answer: R = current.caller.ask(fn)
            return answer
    elif isinstance(current, DriverGreenlet):
        # Not in the background thread, which somebody's listener may be holding.
        return offload(fn)
    return _here(fn)


def may_ask() -> bool:
    """Tell whether the caller is elsewhere, and can be asked to run something. Any side.

    Not by a finaliser that has come to run in the middle of an operation.
    """
    current = getcurrent()
    return isinstance(current, Worker) and current.caller is not None and not current.is_driving


def _here(fn: Callable[[], R]) -> R:
    """Run code of the user's that is not a finaliser's."""
    worker = getcurrent()
    if not isinstance(worker, Worker) or not worker.is_driving:
        return fn()
    worker.is_driving = False
    try:
        return fn()
    finally:
        worker.is_driving = True


def may_wait_here() -> bool:
    """Tell whether the calling greenlet may wait, as the user's may. Hub side.

    Otherwise it is the driver's own, and it is a finaliser of the user's that has come to run in
    it: in a callback, which cannot wait, or between two steps that belong together.
    """
    current = getcurrent()
    if isinstance(current, Worker):
        return not current.is_driving
    return not isinstance(current, (DriverGreenlet, Hub))


def place_of(running: object) -> str | None:
    """Return the line of the user's that waits for what a greenlet does. Hub side; may wait.

    None if there is none, or if whoever waits does not answer.
    """
    if isinstance(running, Worker) and running.caller is not None:
        return running.caller.ask_briefly(find_call_site, ANSWER_TIMEOUT)
    frame: FrameType | None = getattr(running, "gr_frame", None)
    return None if frame is None else find_call_site(frame)


def in_own_place(fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a function that the user has put on the hub thread: his code runs there with it."""
    worker = getcurrent()
    if not isinstance(worker, Worker):
        return fn(*args, **kwargs)
    caller, worker.caller = worker.caller, None
    try:
        return fn(*args, **kwargs)
    finally:
        worker.caller = caller
