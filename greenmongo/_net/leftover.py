"""What an operation that was left still does on the server: the session's next one waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gevent
from gevent.event import Event
from pymongo.errors import NetworkTimeout

if TYPE_CHECKING:
    from greenmongo._core.sessions.client_session import SessionState

__all__ = ["Leftover", "leave_behind", "wait_for_leftover"]


class Leftover:
    """Something that goes on in a session without its caller. Hub side only."""

    __slots__ = ("_over", "_state", "before")

    def __init__(self, state: SessionState, before: Leftover | None) -> None:
        self._state: SessionState | None = state
        self._over = Event()
        self.before = before
        """What has to be over before this begins."""

    def wait(self) -> None:
        """Wait until it is over."""
        self._over.wait()

    def end(self) -> None:
        """Let the session go on. Idempotent."""
        state, self._state, self.before = self._state, None, None
        if state is not None and state.leftover is self:
            state.leftover = None
        self._over.set()


def leave_behind(state: SessionState) -> Leftover:
    """Note that something goes on in a session; whoever sees it through tells of its end."""
    before = state.leftover
    leftover = Leftover(state, before if isinstance(before, Leftover) else None)
    state.leftover = leftover
    return leftover


def wait_for_leftover(state: SessionState, timeout: float | None) -> None:
    """Wait until nothing runs in a session any more.

    Raises:
        NetworkTimeout: something still did after `timeout` seconds.
    """
    with gevent.Timeout(timeout, NetworkTimeout("timed out behind an abandoned operation")):
        while isinstance(state.leftover, Leftover):
            state.leftover.wait()
