"""The ordinary operation, which succeeds at once: one straight way, as nearly all take it.

It is what an `Operation` does, without what is decided in between. What would have to be decided
is left to an `Operation`: the unusual command from its beginning, and whatever comes of the attempt
but plain success, from there. So there is no rule here that is not the other's as well.

Hub side only.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from greenmongo._core.command import Reply, Retryability
from greenmongo._core.read_modes import PRIMARY
from greenmongo._net.connection import next_request_id
from greenmongo._net.cursor_following import follow_cursor, leaves_cursor
from greenmongo._net.cursor_lease import CursorLease
from greenmongo._net.first_attempt import FirstAttempt
from greenmongo._net.observers.publisher import SERVER_SELECTION
from greenmongo._net.operation import Operation
from greenmongo._net.operation_session import absorb_reply, numbered_write, session_for
from greenmongo._net.round_trip import complete_for, round_trip
from greenmongo._net.time_limit import BLOCK

if TYPE_CHECKING:
    from greenmongo._core.command import Command
    from greenmongo._core.types import Document
    from greenmongo._net.operation_context import OperationContext
    from greenmongo._net.server import Server

__all__ = ["run_ordinarily"]

_WRITE = Retryability.WRITE
_INFO = logging.INFO


def run_ordinarily(context: OperationContext, command: Command) -> Reply:
    """Run a command for a caller who is in no request and in no session of his own.

    Raises:
        PyMongoError: as `Operation.run`.
    """
    server = context.topology.sole_writable()
    if server is None or _is_unusual(context, command, server):
        return Operation(context, command, None).run()
    pool, lease = server.pool, command.lease
    connection = session = txn_number = document = error = None
    is_own = False
    request_id = next_request_id()
    try:
        connection = pool.checkout()
        server.operation_count += 1
        session = session_for(context, command, connection)
        is_own = lease is None or lease.session is not session
        if command.retry is _WRITE:
            txn_number = numbered_write(context, session, connection)
        body, timeout = complete_for(
            context, command, server.address, command.read_preference, session, txn_number, None
        )
        document = round_trip(
            context,
            connection,
            command,
            body,
            request_id,
            request_id if command.operation_id is None else command.operation_id,
            session,
            timeout,
        )
        absorb_reply(context, session, document)
        is_done = _is_plain_success(command, document)
    except BaseException as failure:
        error, is_done = failure, False
    if connection is None or document is None or not is_done:
        # Not in the block above: what comes next is no consequence of the error.
        first = FirstAttempt(server, connection, session, txn_number, request_id, document, error)
        error = None
        return Operation(context, command, None).go_on(first)
    if isinstance(lease, CursorLease):
        follow_cursor(lease, document, server, connection)
    server.operation_count -= 1
    pool.checkin(connection)
    if is_own and session is not None:
        context.sessions.release(session)
    return Reply(document, server.address, lease)


def _is_unusual(context: OperationContext, command: Command, server: Server) -> bool:
    """Tell whether an operation needs more thought than this module gives it."""
    preference, lease = command.read_preference, command.lease
    return (
        context.options.timeout is not None
        or command.deadline is not None
        or BLOCK.get() is not None
        or (preference is not None and (command.is_write or preference.mode != PRIMARY))
        or (command.address is not None and command.address != server.address)
        or (lease is not None and (not isinstance(lease, CursorLease) or lease.holder is not None))
        or command.awaits_data
        or command.streams
        or command.closes_cursor
        or not command.acknowledged
        or SERVER_SELECTION.isEnabledFor(_INFO)
    )


def _is_plain_success(command: Command, document: Document) -> bool:
    """Tell whether nothing is left to be done after a reply, but to give back what was taken."""
    if not document.get("ok") or document.get("writeConcernError"):
        return False
    return not command.opens_cursor or not leaves_cursor(document)
