"""The session of one operation: which one, what it adds to the command, what comes of it.

Hub side only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenmongo._core.sdam.kinds import ServerKind

if TYPE_CHECKING:
    from greenmongo._core.command import Command
    from greenmongo._core.sessions.client_session import SessionLike, SessionState
    from greenmongo._core.types import Document
    from greenmongo._net.connection import Connection
    from greenmongo._net.operation_context import OperationContext

__all__ = ["absorb_error", "absorb_reply", "numbered_write", "session_for"]


def session_for(
    context: OperationContext,
    command: Command,
    explicit: SessionLike | None,
    connection: Connection,
) -> SessionState | None:
    """Return the session an operation runs in: the caller's, its cursor's, or an implicit one.

    Driver Sessions, "Sessions and Connections": an implicit session gets its server session only
    after a connection was checked out, or those who wait for one would hold one each.

    Returns:
        None where there is none: the server has no sessions, or the write is unacknowledged.
    """
    if explicit is not None:
        return explicit.state
    # Asked of the connection: what the topology knew of the server may be lost by now.
    known = connection.description
    if known is None or not command.acknowledged:
        return None
    return context.sessions.acquire_for(command, known.logical_session_timeout_minutes)


def numbered_write(
    context: OperationContext, session: SessionState | None, connection: Connection
) -> int | None:
    """Return the transaction number of a retryable write, None if it is to have none.

    Retryable Writes, "Supported Server Versions": a standalone has no retryable writes, nor has
    a server without sessions.
    """
    if session is None or not context.options.retry_writes:
        return None
    known = connection.description
    if known is None or known.kind is ServerKind.STANDALONE:
        return None
    return session.server_session.next_txn_number()


def absorb_reply(context: OperationContext, reply: Document) -> None:
    """Keep what a reply, of an error too, says of the cluster's time."""
    # Driver Sessions, "Receiving the current cluster time".
    cluster_time = reply.get("$clusterTime")
    if cluster_time is not None:
        context.sessions.advance(cluster_time)


def absorb_error(session: SessionState | None) -> None:
    """Keep that a network error hit a command of the session."""
    # Driver Sessions, "Server Session Pool": it is dirty, for the server may still run something.
    if session is not None:
        session.server_session.is_dirty = True
