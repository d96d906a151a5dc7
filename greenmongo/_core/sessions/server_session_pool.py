"""The server sessions that are free, last used first (Driver Sessions, "Server Session Pool")."""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING

from greenmongo._core.sessions.server_session import ServerSession

if TYPE_CHECKING:
    from collections.abc import Callable

    from bson.binary import Binary

__all__ = ["ServerSessionPool"]

EXPIRY_MARGIN = 60.0
"""A session is not used in the last minute of its life on the server."""


class ServerSessionPool:
    """A stack of server sessions; `now` is an argument, new ids come from `new_id`.

    Any thread may call: each step is one of a deque's, and bears that another thread is first.
    """

    def __init__(self, new_id: Callable[[], Binary]) -> None:
        self._new_id = new_id
        self._free: deque[ServerSession] = deque()

    def __len__(self) -> int:
        return len(self._free)

    def acquire(self, now: float, timeout_minutes: int | None) -> ServerSession:
        """Return the most recently used session that will not expire soon, or a new one."""
        free, oldest = self._free, _oldest_last_use(now, timeout_minutes)
        while free:
            try:
                session = free.pop()
            except IndexError:  # another thread has taken the last one
                break
            if session.last_use >= oldest:
                return session
        return ServerSession(self._new_id(), now)

    def release(self, session: ServerSession, now: float, timeout_minutes: int | None) -> None:
        """Take a session back unless it is dirty or about to expire."""
        free, oldest = self._free, _oldest_last_use(now, timeout_minutes)
        while free:
            try:
                if free[0].last_use >= oldest:
                    break
                free.popleft()
            except IndexError:  # another thread has taken the last one
                break
        if not session.is_dirty:
            session.last_use = now
            free.append(session)

    def drain(self) -> list[ServerSession]:
        """Empty the pool and return what was in it, for `endSessions`."""
        left = list(self._free)
        self._free.clear()
        return left


def _oldest_last_use(now: float, timeout_minutes: int | None) -> float:
    """Return when a session must have been used last so that it does not expire soon."""
    return -inf if timeout_minutes is None else now - timeout_minutes * 60 + EXPIRY_MARGIN
