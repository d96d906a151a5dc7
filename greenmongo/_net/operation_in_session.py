"""An operation in a session that its caller has started, be it in a transaction or not.

Hub side only. What sessions and transactions demand of a command is decided in `_core.sessions`.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from greenlet import GreenletExit
from pymongo.errors import ConfigurationError, NetworkTimeout, PyMongoError

from greenmongo._core.command import Reply, Retryability
from greenmongo._core.deadline import Deadline
from greenmongo._core.reply import check_write_concern
from greenmongo._core.sdam.kinds import TopologyKind
from greenmongo._core.sessions.command_fields import (
    check_in_transaction,
    in_transaction,
    label_transaction_error,
    unpins,
)
from greenmongo._core.sessions.transaction import (
    Transaction,
    TransactionEvent,
    TransactionState,
)
from greenmongo._net.holder import TransactionHolder
from greenmongo._net.leftover import leave_behind
from greenmongo._net.operation import Operation
from greenmongo._net.operation_session import numbered_write
from greenmongo._net.session_limit import deadline_in
from greenmongo._net.session_use import claim, release
from greenmongo._net.time_limit import has_timeout

if TYPE_CHECKING:
    from greenmongo._core.command import Command
    from greenmongo._core.sessions.client_session import SessionLike, SessionState
    from greenmongo._core.types import Address
    from greenmongo._net.connection import Connection
    from greenmongo._net.holder import Holder, RequestHolder
    from greenmongo._net.operation_context import OperationContext
    from greenmongo._net.server import Server

__all__ = ["OperationInSession"]

NOWHERE: Address = ("", None)
"""The address of a reply that no server has given."""


class OperationInSession(Operation):
    """The running of one command in a caller's session."""

    __slots__ = ("_given", "_state", "_transaction")

    def __init__(
        self,
        context: OperationContext,
        command: Command,
        holder: RequestHolder | None,
        session: SessionLike,
    ) -> None:
        super().__init__(context, command, holder)
        self._given = session
        self._state: SessionState = session._state
        if self._state.limit is not None:
            self._deadline = deadline_in(self._state, self._deadline)
        self._transaction: Transaction | None = None
        """The one that it is part of, or ends."""

    def run(self) -> Reply:
        """Run the command, and again where the specifications allow it.

        Raises:
            PyMongoError: whatever went wrong, as the class PyMongo uses for it.
            ConcurrentSessionUse: another operation of the session is under way.
        """
        state = self._state
        deadline = self._deadline
        if deadline is not None and self._command.ends is TransactionEvent.ABORT:
            # CSOT, "Convenient Transactions API": it has as much time as that had which has
            # failed for want of it.
            deadline = self._deadline = Deadline.after(deadline.limit or 0.0, monotonic())
        try:
            claim(state, None if deadline is None else deadline.remaining(monotonic()))
        except NetworkTimeout:
            transaction = state.transaction
            if self._command.ends is not TransactionEvent.ABORT or transaction is None:
                raise
            # It is no business of the caller's what the transaction has to wait for.
            if transaction.apply(TransactionEvent.ABORT):
                self._context.roll_back(state, transaction)
            return Reply({"ok": 1.0}, NOWHERE)
        try:
            self._context.sessions.make_own(state)
            return self._run_as_only_one()
        finally:
            release(state)

    def _run_as_only_one(self) -> Reply:
        command, state = self._command, self._state
        transaction = state.transaction
        is_active = transaction is not None and transaction.is_active
        if not command.acknowledged and not is_active:
            raise ConfigurationError(
                "Explicit sessions are incompatible with unacknowledged write concern"
            )
        if command.ends is not None and transaction is not None:
            return self._end(transaction, command.ends)
        check_in_transaction(command, state)
        if transaction is not None:
            transaction.apply(TransactionEvent.OPERATION)
            if transaction.state is TransactionState.STARTING:
                # From that which was committed before it.
                self._unpin(transaction)
            if transaction.is_active:
                self._transaction = transaction
                self._command = in_transaction(command, transaction)
            else:
                self._unpin(transaction)
        return super().run()

    def _end(self, transaction: Transaction, event: TransactionEvent) -> Reply:
        """Run commitTransaction or abortTransaction, if the server has to be told."""
        context = self._context
        if not transaction.apply(event):
            return Reply({"ok": 1.0}, NOWHERE)
        self._transaction, self._txn_number = transaction, transaction.number
        if has_timeout(context.options.timeout):
            # CSOT, "Deprecations": timeoutMS takes the place of maxCommitTimeMS.
            body = {k: v for k, v in self._command.body.items() if k != "maxTimeMS"}
            self._command = self._command._replace(body=body)
        try:
            reply = super().run()
        except PyMongoError as error:
            if event is TransactionEvent.COMMIT:
                raise
            if error.timeout:
                # There was no time to send it, or to hear of it: a server that sees its connection
                # closed may not have begun it. The transaction must not stay open for that.
                context.roll_back(self._state, transaction, is_repeated=bool(self._tries))
            else:
                context.sessions.transaction_ended(transaction)
            # Transactions, "abortTransaction": errors are ignored.
            self._abort_failed(error)
            return Reply({"ok": 1.0}, NOWHERE)
        except GreenletExit:
            # Nobody knows whether it has come to the server.
            context.roll_back(self._state, transaction)
            raise
        finally:
            if event is TransactionEvent.ABORT:
                self._unpin(transaction)
        context.sessions.transaction_ended(transaction)
        return reply

    def _abort_failed(self, error: PyMongoError) -> None:
        """Take note of an error that is ignored."""

    # ---- one attempt ------------------------------------------------------------------------

    def _select(self, avoid: frozenset[Address]) -> Server:
        if self._transaction is not None and self._command.address is None:
            # Transactions, "Mongos Pinning". Errors may have unpinned it.
            self._only = self._transaction.pinned_address
        try:
            return super()._select(avoid)
        except PyMongoError as error:
            raise self._concluded(error) from error.__cause__

    def _attempt(self, server: Server) -> Reply:
        try:
            reply = super()._attempt(server)
            if self._command.ends is TransactionEvent.COMMIT:
                check_write_concern(reply.document)
        except PyMongoError as error:
            raise self._concluded(error) from error.__cause__
        return reply

    def _kept_by(self) -> Holder | None:
        transaction = self._transaction
        pinned = None if transaction is None else transaction.pinned_holder
        return pinned.keeper if isinstance(pinned, TransactionHolder) else super()._kept_by()

    def _take_session(self, server: Server, connection: Connection) -> None:
        state, command = self._state, self._command
        known = connection.description
        if known is not None:
            state.require_usable(
                has_sessions=known.logical_session_timeout_minutes is not None,
                max_wire_version=known.max_wire_version,
            )
        self._session = state
        transaction = self._transaction
        if transaction is not None:
            # From here on the server may know of it.
            self._context.sessions.transaction_begun(state, transaction)
            if transaction.state is TransactionState.STARTING:
                self._pin(transaction, server, connection)
        elif command.retry is Retryability.WRITE:
            self._txn_number = numbered_write(self._context, state, connection)

    def _explicit(self) -> SessionLike | None:
        return self._given

    # ---- what comes of it -------------------------------------------------------------------

    def _concluded(self, error: PyMongoError) -> PyMongoError:
        """Return an error as the caller is to see it, having drawn the conclusions."""
        if self._transaction is None:
            return error
        error = label_transaction_error(self._state, error)
        if unpins(self._state, error):
            self._unpin(self._transaction)
        return error

    def _pin(self, transaction: Transaction, server: Server, connection: Connection) -> None:
        """Have the whole transaction run where its first command does, if that matters."""
        if self._context.options.load_balanced:
            # Load Balancers, "Behaviour With Transactions".
            transaction.pinned_holder = TransactionHolder(server.pool, connection)
        elif self._context.topology.description.kind is TopologyKind.SHARDED:
            transaction.pinned_address = server.address

    def _unpin(self, transaction: Transaction) -> None:
        pinned = transaction.unpin()
        if isinstance(pinned, TransactionHolder):
            pinned.release()

    def _on_abandonment(self, connection: Connection) -> None:
        super()._on_abandonment(connection)
        exchange = connection.pending
        if exchange is not None and connection.stream.is_open:
            # Nothing is sent in this session until it is over.
            exchange.on_over = leave_behind(self._state).end

    def _may_leave_something(self) -> bool:
        # What still runs holds the transaction's locks, and lets it not be aborted.
        is_part = self._transaction is not None and self._command.ends is None
        return is_part or super()._may_leave_something()

    def _end_lost(self, connection: Connection) -> None:
        # What ends it knows only the session, and must not hit what comes next.
        self._context.end_on_server(connection, leave_behind(self._state).end)
