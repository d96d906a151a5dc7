"""The server sessions of one client: whose turn it is, and what time it is.

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

    from greenmongo._core.types import Document
    from greenmongo._net.topology import Topology

__all__ = ["Sessions"]


class Sessions:
    """Implicit sessions, and the cluster time that all sessions pass on."""

    def __init__(self, topology: Topology) -> None:
        self.cluster_time: Mapping[str, Any] | None = None
        """The highest seen; every command with a session tells it to the server."""
        self._topology = topology
        self._free = ServerSessionPool(new_session_id)

    def __len__(self) -> int:
        return len(self._free)

    def acquire(self, timeout: int | None) -> SessionState | None:
        """Return an implicit session; None where the server has none.

        Args:
            timeout: the minutes a session lives, as the connection's server says.
        """
        if timeout is None:
            return None
        lifetime = self._topology.description.logical_session_timeout_minutes or timeout
        return SessionState(self._free.acquire(monotonic(), lifetime))

    def release(self, session: SessionState) -> None:
        """Take an implicit session back."""
        lifetime = self._topology.description.logical_session_timeout_minutes
        self._free.release(session.server_session, monotonic(), lifetime)

    def advance(self, cluster_time: Mapping[str, Any]) -> None:
        """Gossip: remember the highest cluster time seen."""
        known = self.cluster_time
        if known is None or cluster_time["clusterTime"] > known["clusterTime"]:
            self.cluster_time = cluster_time

    def drain(self) -> list[Document]:
        """Empty the pool and return the `lsid` of each session in it, for `endSessions`."""
        return [session.lsid for session in self._free.drain()]
