"""The server sessions of one client: whose turn it is, which a cursor keeps, what time it is.

Hub side only. `_core.sessions.server_session_pool` is the stack of free ones.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from greenmongo._core.sessions.client_session import SessionState
from greenmongo._core.sessions.server_session_pool import ServerSessionPool
from greenmongo._net.environment import new_session_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from greenmongo._core.command import Command
    from greenmongo._core.types import Address, Document
    from greenmongo._net.topology import Topology

__all__ = ["Sessions"]


class Sessions:
    """Implicit sessions, and the cluster time that all sessions pass on."""

    def __init__(self, topology: Topology) -> None:
        self.cluster_time: Mapping[str, Any] | None = None
        """The highest seen; every command with a session tells it to the server."""
        self._topology = topology
        self._free = ServerSessionPool(new_session_id)
        self._of_cursors: dict[tuple[Address, int], SessionState] = {}

    def __len__(self) -> int:
        return len(self._free)

    def acquire_for(self, command: Command, timeout: int | None) -> SessionState | None:
        """Return a session for one command; None where the server has none.

        Args:
            timeout: the minutes a session lives, as the connection's server says.
        """
        if command.address is not None and (cursor_id := _cursor_of(command)) is not None:
            # A cursor is read on, and closed, in the session that opened it.
            kept = self._of_cursors.pop((command.address, cursor_id), None)
            if kept is not None:
                kept.is_kept = False
            if kept is not None or command.name == "getMore":
                return kept
        if timeout is None:
            return None
        lifetime = self._topology.description.logical_session_timeout_minutes or timeout
        return SessionState(self._free.acquire(monotonic(), lifetime))

    def release(self, session: SessionState) -> None:
        """Take a session back, unless a cursor keeps it."""
        if session.is_kept:
            session.is_kept = False
            return
        lifetime = self._topology.description.logical_session_timeout_minutes
        self._free.release(session.server_session, monotonic(), lifetime)

    def keep_for_cursor(self, session: SessionState, document: Document, address: Address) -> None:
        """Keep a session for as long as the cursor in a reply lives, if there is one."""
        cursor = document.get("cursor")
        cursor_id = cursor.get("id") if isinstance(cursor, dict) else None
        if cursor_id:
            session.is_kept = True
            self._of_cursors[address, cursor_id] = session

    def forget_cursor(self, address: Address, cursor_id: int) -> None:
        """Free the session of a cursor that is closed."""
        session = self._of_cursors.pop((address, cursor_id), None)
        if session is not None:
            self.release(session)

    def advance(self, cluster_time: Mapping[str, Any]) -> None:
        """Gossip: remember the highest cluster time seen."""
        known = self.cluster_time
        if known is None or cluster_time["clusterTime"] > known["clusterTime"]:
            self.cluster_time = cluster_time

    def drain(self) -> list[Document]:
        """Empty the pool and return the `lsid` of each session in it, for `endSessions`."""
        return [session.lsid for session in self._free.drain()]


def _cursor_of(command: Command) -> int | None:
    """Return the cursor that a command reads on or closes, if it is such a command."""
    body = command.body
    if command.name == "getMore":
        return int(body["getMore"])
    return int(body["cursors"][0]) if command.name == "killCursors" else None
