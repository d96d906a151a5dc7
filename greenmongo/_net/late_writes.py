"""Writes of callers who cannot wait: finalisers that run on the hub thread.

The garbage collector runs in whatever thread has just allocated something, and a reference may be
dropped anywhere. So a `__del__` or a weakref callback of the user's comes to run in the middle of
the driver: in a callback of the hub, which cannot wait, or between two steps of an operation that
belong together. What it writes is taken down here and done a moment later, in order.
"""

from __future__ import annotations

import logging
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

import gevent
from greenlet import GreenletExit

from greenmongo._core.reply import Unanswered, check_write
from greenmongo._hub.errors import MisuseError
from greenmongo._hub.upcall import notify_caller, spawn
from greenmongo._net.observers.publisher import log

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from greenmongo._core.command import Command, Reply
    from greenmongo._core.sessions.client_session import SessionLike
    from greenmongo._core.types import Document

__all__ = ["LateWrites"]

logger = logging.getLogger("greenmongo")


class LateWrites:
    """Those of one client that are still to be done. Hub side; none of it waits but `wait`.

    Args:
        execute: runs a command.
    """

    def __init__(self, execute: Callable[[Command, SessionLike | None], Reply]) -> None:
        self._execute = execute
        self._waiting: deque[tuple[Command, SessionLike | None]] = deque()
        self._greenlet: gevent.Greenlet[..., Any] | None = None
        self._is_running = False

    def add(self, command: Command, session: SessionLike | None) -> Document:
        """Have a command run after those before it, and return what stands for its reply.

        Raises:
            MisuseError: its caller wants to read.
        """
        if not (command.is_write or command.closes_cursor):
            raise MisuseError(
                f"a finaliser (__del__, or the callback of a weak reference) runs {command.name} "
                "where it cannot wait for the result: it was called on the driver's hub thread, "
                "inside of the driver",
                "only write in finalisers, or have them start a thread that reads",
            )
        self._waiting.append((command, session))
        # A finaliser may interrupt this very function.
        if not self._is_running:
            self._is_running = True
            self._greenlet = spawn(self._run)
        return Unanswered(ok=1.0)

    def wait(self, timeout: float) -> None:
        """Wait until they are done, for so many seconds at most."""
        if self._greenlet is not None:
            self._greenlet.join(timeout)

    def close(self) -> None:
        """Do no more of them, and log which."""
        if self._greenlet is not None:
            self._greenlet.kill(block=False)
        while self._waiting:
            _tell(self._waiting.popleft()[0], "the client was closed")

    def _run(self) -> None:
        try:
            while self._waiting:
                command, session = self._waiting.popleft()
                try:
                    check_write(self._execute(command, session).document)
                except GreenletExit:
                    _tell(command, "the client was closed meanwhile")
                    raise
                except Exception as error:
                    _tell(command, error)
        finally:
            self._is_running, self._greenlet = False, None


def _tell(command: Command, problem: object) -> None:
    text = "a finaliser's %s to %s.%s, done after it had returned, failed: %s"
    name = command.body.get(command.name)
    args = text, command.name, command.db, name, problem
    notify_caller(partial(log, logger, logging.ERROR, *args))
