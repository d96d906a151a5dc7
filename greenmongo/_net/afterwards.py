"""What is done on the hub when whoever would have done it has left, after what he was at."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

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

__all__ = ["Afterwards"]

logger = logging.getLogger("greenmongo")

LOOK_AGAIN = 0.005
"""Seconds until it is looked again whether the operation of who left has been taken over."""


class Afterwards:
    """What is still to be done for those of one client who have left. Hub side."""

    def __init__(self) -> None:
        self._under_way: set[gevent.Greenlet[..., Any]] = set()

    def add(self, state: SessionState, fn: Callable[[], object], failure: str) -> None:
        """Call `fn` when nothing runs in a session any more. Does not wait.

        Args:
            state: the session.
            fn: uses the driver, in no session but its own, and runs none of the user's code.
            failure: what to log if it fails, before the error.
        """
        greenlet: gevent.Greenlet[..., Any] = spawn(_do, state, fn, failure)
        self._under_way.add(greenlet)
        greenlet.rawlink(self._under_way.discard)

    def wait(self, timeout: float) -> None:
        """Wait until all of it has begun to be written, for so many seconds at most."""
        gevent.joinall(list(self._under_way), timeout)

    def close(self) -> None:
        """Do no more of it. Does not wait."""
        for greenlet in list(self._under_way):
            greenlet.kill(block=False)


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
