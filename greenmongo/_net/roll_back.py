"""A transaction that nobody ends any more is aborted on the hub, and nobody waits for it.

Its caller was cancelled or killed, or has dropped the session. What he was at comes first: an
operation that was left is drained or ended (`_net.abandon`), then abortTransaction is sent. The
session's next operation waits for both. Hub side only.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from pymongo.errors import PyMongoError

from greenmongo._core.commands.transaction import end_transaction
from greenmongo._core.sessions.transaction import (
    Transaction,
    TransactionEvent,
    TransactionState,
)
from greenmongo._hub.upcall import spawn
from greenmongo._net.bound_session import BOUND_SESSION
from greenmongo._net.leftover import Leftover, leave_behind
from greenmongo._net.operation_in_session import OperationInSession
from greenmongo._net.time_limit import BLOCK

if TYPE_CHECKING:
    from greenmongo._core.sessions.client_session import SessionState
    from greenmongo._net.operation_context import OperationContext

__all__ = ["roll_back"]


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


def roll_back(context: OperationContext, state: SessionState, transaction: Transaction) -> None:
    """Have a transaction aborted, whatever its last command did. Does not wait."""
    if transaction.is_left or not context.sessions.has_open(transaction):
        return
    transaction.is_left = True
    # Driver Sessions, "Server Session Pool": the server may still run something in it.
    state.server_session.is_dirty = True
    leftover = leave_behind(state)
    greenlet = spawn(_abort, context, _Remains(state, transaction), leftover)

    def end(_: object) -> None:
        context.sessions.transaction_ended(transaction)
        leftover.end()

    # Also if it is ended before it has begun.
    greenlet.rawlink(end)


def _abort(context: OperationContext, remains: _Remains, leftover: Leftover) -> None:
    # Of those who left: their time may be over, and their session is another one.
    BLOCK.set(None)
    BOUND_SESSION.set(None)
    if leftover.before is not None:
        leftover.before.wait()
    command = end_transaction(TransactionEvent.ABORT)
    # What fails the server does in the end by itself (transactionLifetimeLimitSeconds).
    with suppress(PyMongoError):
        OperationInSession(context, command, None, remains).run()
