"""The server sessions of one client: whose turn it is, and what time it is.

Hub side only, but for what says otherwise. `_core.sessions.server_session_pool` is the stack of
free ones.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from pymongo.errors import InvalidOperation

from greenmongo._core.sessions.client_session import SessionState
from greenmongo._core.sessions.server_session_pool import ServerSessionPool
from greenmongo._hub.process_state import process_generation
from greenmongo._net.environment import new_session_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from greenmongo._core.sessions.server_session import ServerSession
    from greenmongo._core.sessions.transaction import Transaction
    from greenmongo._core.types import Document
    from greenmongo._net.topology import Topology

__all__ = ["Sessions"]


class Sessions:
    """Server sessions, open transactions, and the cluster time that all sessions pass on."""

    def __init__(self, topology: Topology) -> None:
        self.cluster_time: Mapping[str, Any] | None = None
        """The highest seen; every command with a session tells it to the server."""
        self._topology = topology
        self._free = ServerSessionPool(new_session_id)
        self._open: dict[int, tuple[SessionState, Transaction]] = {}
        """The transactions that a server may know of, by their identity."""

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
        """Take a session back that is over. Any side."""
        lifetime = self._topology.description.logical_session_timeout_minutes
        self._free.release(session.server_session, monotonic(), lifetime)

    def take(self) -> ServerSession:
        """Return the server session of an explicit session that begins. Any side."""
        lifetime = self._topology.description.logical_session_timeout_minutes
        return self._free.acquire(monotonic(), lifetime)

    def make_own(self, state: SessionState) -> None:
        """Give an explicit session another server session if that of now is a parent process's.

        Two processes would number their writes alike, and the server would take those of one for
        repetitions of the other's (Driver Sessions, "Fork").

        Raises:
            InvalidOperation: it is in a transaction, which is the parent's.
        """
        process = process_generation()
        if state.process == process:
            return
        if state.is_in_transaction:
            raise InvalidOperation(
                "Cannot go on with a transaction in a forked process: it is the parent's"
            )
        state.server_session, state.process = self.take(), process
        state.leftover = None

    @property
    def open_transactions(self) -> list[tuple[SessionState, Transaction]]:
        """The transactions that a server may know of, with their sessions."""
        return list(self._open.values())

    def has_open(self, transaction: Transaction) -> bool:
        """Tell whether a server may know of a transaction."""
        return id(transaction) in self._open

    def transaction_begun(self, state: SessionState, transaction: Transaction) -> None:
        """Note that a server may know of a session's transaction from now on."""
        self._open[id(transaction)] = state, transaction

    def transaction_ended(self, transaction: Transaction) -> None:
        """Note that no server has a transaction open any more."""
        self._open.pop(id(transaction), None)

    def advance(self, cluster_time: Mapping[str, Any]) -> None:
        """Gossip: remember the highest cluster time seen."""
        known = self.cluster_time
        if known is None or cluster_time["clusterTime"] > known["clusterTime"]:
            self.cluster_time = cluster_time

    def drain(self) -> list[Document]:
        """Empty the pool and return the `lsid` of each session in it, for `endSessions`."""
        return [session.lsid for session in self._free.drain()]
