"""What a reply means for the cursor in it: a lease is granted to one, or ends. Hub side only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greenmongo._core.cursors.opened import kill_command_for
from greenmongo._net.cursor_lease import CursorLease, SessionKeeper
from greenmongo._net.holder import CursorHolder
from greenmongo._net.unread_reply import kill_cursors

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenmongo._core.command import Command
    from greenmongo._core.sessions.client_session import SessionLike, SessionState
    from greenmongo._core.types import Address, Document
    from greenmongo._net.connection import Connection
    from greenmongo._net.operation_context import OperationContext
    from greenmongo._net.server import Server

__all__ = ["follow_cursor", "grant_lease", "leaves_cursor"]


def leaves_cursor(document: Document) -> bool:
    """Tell whether a cursor is open on the server after this reply."""
    cursor = document.get("cursor")
    return isinstance(cursor, dict) and bool(cursor.get("id"))


def follow_cursor(
    lease: CursorLease, document: Document, server: Server, connection: Connection
) -> None:
    """End the lease of a cursor that is exhausted; keep the connection of one that streams."""
    if connection.streaming is not None and connection.holder is None:
        lease.holder = CursorHolder(server.pool, connection)
    if not leaves_cursor(document):
        lease.end()


def grant_lease(
    context: OperationContext,
    command: Command,
    document: Document,
    server: Server,
    connection: Connection,
    session: SessionState | None,
    explicit: SessionLike | None,
) -> CursorLease | None:
    """Return what a cursor that was opened now lives on; None if none was.

    Args:
        context: the client.
        command: what has opened it.
        document: the reply.
        server: where it is.
        connection: where the reply came from.
        session: that it was opened in. An implicit one goes over to the cursor.
        explicit: the caller's session that it was opened in.
    """
    if not leaves_cursor(document):
        return None
    holder = None
    # In a request all goes over one connection anyway, as long as the request lasts.
    if context.options.load_balanced and connection.holder is None:
        holder = CursorHolder(server.pool, connection)
    kill = _killer_of(context, command, document.get("cursor"), server.address)
    sessions, thread, keeper = context.sessions, context.thread, None
    if explicit is not None:
        session = None
    elif isinstance(command.lease, SessionKeeper):
        keeper = command.lease
        keeper.take(session, sessions, thread)
    return CursorLease(sessions, thread, session, holder, kill, explicit, keeper)


def _killer_of(
    context: OperationContext, command: Command, cursor: Any, address: Address
) -> Callable[[CursorLease], object] | None:
    """Return what closes a cursor that was opened now, if nobody else does."""
    kill = kill_command_for(cursor)
    if kill is None:
        return None
    closing = kill_cursors(kill, command.read_preference, address)
    return lambda lease: context.execute_later(closing._replace(lease=lease))
