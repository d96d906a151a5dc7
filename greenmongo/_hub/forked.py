"""A child that was forked on the hub thread, by a function that the user has put there.

All that runs in the child is that function, in its greenlet. The parent's loop must not be touched
(its epoll descriptor is shared), nor any greenlet be resumed that would use the parent's
connections. So the greenlet gets a hub of its own and the parent's is never switched to again.
When the function has ended, the child ends: there is nobody in it who waits for the result.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import gevent
from gevent import Greenlet
from gevent._hub_local import set_hub
from gevent.hub import Hub, getcurrent
from greenlet import greenlet

from greenmongo._hub.workers import Worker

if TYPE_CHECKING:
    from greenmongo._hub.workers import Workers

__all__ = ["end_child", "leave_hub_behind"]


def leave_hub_behind(workers: Workers) -> None:
    """Give the greenlet that has forked a hub of its own. In the child, on the hub thread."""
    forking: Any = getcurrent()
    if isinstance(forking, Hub):
        # A callback, which no function of the user's is: there is no greenlet to go on in.
        return
    # The stub knows of no thread that is to have none.
    exchange: Any = set_hub
    exchange(None)
    workers.end_child = end_child
    if isinstance(forking, Worker):
        forking.caller = None
    elif isinstance(forking, Greenlet):
        # Who waits for it would go on in the child with what it was at in the parent.
        forking.unlink_all()
        forking.rawlink(_end_with)
        # Of a greenlet of gevent's the hub is the parent, and so cannot have it for its own.
        hub: Any = gevent.get_hub()
        hub.parent = _last_resort(forking)
        forking.parent = hub


def _last_resort(forking: greenlet) -> greenlet:
    """Return a greenlet that ends the child when its hub has nothing more to do."""

    def wait() -> None:
        try:
            forking.switch()
        except BaseException as error:
            end_child(error)

    # Whose parent stands behind it is never switched to, as it does not end.
    resort = greenlet(wait, forking.parent)
    resort.switch()
    return resort


def _end_with(forking: Greenlet[..., Any]) -> None:
    # What it has raised gevent has printed.
    end_child(None if forking.exception is None else SystemExit(1))


def end_child(error: BaseException | None) -> NoReturn:
    """End the child as the end of the function that has forked it says."""
    code: object = 0
    if isinstance(error, SystemExit):
        code = 0 if error.code is None else error.code
    elif error is not None:
        sys.excepthook(type(error), error, error.__traceback__)
        code = 1
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):  # none, or closed
            continue
    os._exit(code if isinstance(code, int) else 1)
