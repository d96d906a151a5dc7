"""A transaction that nobody ends any more is aborted on the hub, and nobody waits for it.

Its caller was cancelled or killed, or has dropped the session, or his own abort took too long. What
he was at comes first: an operation that was left is drained or ended (`_net.abandon`), then
abortTransaction is sent. The session's next operation waits for both. Hub side only.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from pymongo.errors import PyMongoError

from greenmongo._core.commands.transaction import end_transaction
from greenmongo._core.server_codes import NO_SUCH_TRANSACTION
from greenmongo._core.sessions.transaction import (
    Transaction,
    TransactionEvent,
    TransactionState,
)
from greenmongo._hub.upcall import notify_caller, spawn
from greenmongo._net.bound_session import BOUND_SESSION
from greenmongo._net.leftover import Leftover, leave_behind
from greenmongo._net.observers.publisher import log
from greenmongo._net.operation_in_session import OperationInSession
from greenmongo._net.round_trip import complete_for
from greenmongo._net.time_limit import BLOCK, timeout

if TYPE_CHECKING:
    from greenmongo._core.sessions.client_session import SessionState
    from greenmongo._core.types import Document
    from greenmongo._net.connection import Connection
    from greenmongo._net.operation_context import OperationContext
    from greenmongo._net.server import Server

__all__ = ["roll_back"]

logger = logging.getLogger("greenmongo")

ABORT_TIMEOUT = 5.0
"""Seconds at least, where there is a limit: a caller's may be so short that the abort takes
longer."""


class _Remains:
    """The session of a transaction that lives on to be aborted."""

    def __init__(self, state: SessionState, transaction: Transaction) -> None:
        # A copy: the caller may begin another one while this is under way.
        self._state = replace(
            state,
            transaction=replace(transaction, state=TransactionState.IN_PROGRESS),
            has_ended=False,
            use=None,
            leftover=None,
        )
        transaction.pinned_address = transaction.pinned_holder = None


class _Abort(OperationInSession):
    """An abort that nobody waits for."""

    __slots__ = ()

    def _abort_failed(self, error: PyMongoError) -> None:
        is_done = getattr(error, "code", None) == NO_SUCH_TRANSACTION
        if is_done or not self._context.topology.description.servers:
            # The server has done it by itself; or the client was closed meanwhile.
            return
        text = (
            "could not abort a transaction that was left; the server does it when its time is "
            "over (transactionLifetimeLimitSeconds): %s"
        )
        notify_caller(partial(log, logger, logging.WARNING, text, error))


class _Repetition(_Abort):
    """An abort that listeners are not told of: its caller has given it up, and they know that."""

    __slots__ = ()

    def _round_trip(self, server: Server, connection: Connection) -> Document:
        body, timeout = complete_for(
            self._context,
            self._command,
            server.address,
            preference=self._preference,
            session=self._session,
            txn_number=self._txn_number,
            deadline=self._deadline,
        )
        usual, connection.monitoring = connection.monitoring, None
        try:
            return connection.command(body, db=self._command.db, timeout=timeout)
        finally:
            connection.monitoring = usual


def roll_back(
    context: OperationContext, state: SessionState, transaction: Transaction, *, is_repeated: bool
) -> None:
    """Have a transaction aborted, whatever its last command did. Does not wait.

    Args:
        context: the client.
        state: the session.
        transaction: its transaction.
        is_repeated: the caller's own abortTransaction was sent, and not answered in time.
    """
    if transaction.is_left or not context.sessions.has_open(transaction):
        return
    transaction.is_left = True
    # Driver Sessions, "Server Session Pool": the server may still run something in it.
    state.server_session.is_dirty = True
    leftover = leave_behind(state)
    kind = _Repetition if is_repeated else _Abort
    greenlet = spawn(_abort, context, _Remains(state, transaction), leftover, kind)

    def end(_: object) -> None:
        context.sessions.transaction_ended(transaction)
        leftover.end()

    # Also if it is ended before it has begun.
    greenlet.rawlink(end)


def _abort(
    context: OperationContext,
    remains: _Remains,
    leftover: Leftover,
    kind: type[_Abort],
) -> None:
    # Of those who left: their time may be over, and their session is another one.
    BLOCK.set(None)
    BOUND_SESSION.set(None)
    if leftover.before is not None:
        leftover.before.wait()
    command = end_transaction(TransactionEvent.ABORT)
    own = context.options.timeout
    with suppress(PyMongoError), timeout(max(own, ABORT_TIMEOUT) if own else None):
        kind(context, command, None, remains).run()
