"""What is done on the hub when whoever would have done it has left, after what he was at."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

import gevent
from pymongo.errors import PyMongoError

from greenmongo._hub.upcall import notify_caller, spawn
from greenmongo._net.bound_session import BOUND_SESSION
from greenmongo._net.leftover import wait_for_leftover
from greenmongo._net.observers.publisher import log
from greenmongo._net.time_limit import BLOCK

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenmongo._core.sessions.client_session import SessionState
    from greenmongo._hub.thread import HubThread

__all__ = ["do_afterwards"]

logger = logging.getLogger("greenmongo")

LOOK_AGAIN = 0.005
"""Seconds until it is looked again whether the operation of who left has been taken over."""


def do_afterwards(
    thread: HubThread, state: SessionState, fn: Callable[[], object], failure: str
) -> None:
    """Call `fn` on the hub when nothing runs in a session any more. Any side; does not wait.

    Args:
        thread: the hub.
        state: the session.
        fn: uses the driver, in no session but its own, and runs none of the user's code.
        failure: what to log if it fails, before the error.
    """
    # Behind the call that was left, if one was.
    thread.try_submit(lambda: spawn(_do, state, fn, failure))


def _do(state: SessionState, fn: Callable[[], object], failure: str) -> None:
    # Of those who left: their time may be over, and their session is another one.
    BLOCK.set(None)
    BOUND_SESSION.set(None)
    try:
        while state.use is not None or state.leftover is not None:
            wait_for_leftover(state, None)
            if state.use is not None:
                gevent.sleep(LOOK_AGAIN)
        fn()
    except PyMongoError as error:
        notify_caller(partial(log, logger, logging.WARNING, "%s: %s", failure, error))
