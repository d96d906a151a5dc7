"""The attempts of one operation: select a server, check a connection out, judge, perhaps again.

Hub side only. An `Operation` runs once; its attempts share what it holds. What goes over the wire
is the matter of `round_trip`, the session that of `operation_session`.
"""

from __future__ import annotations

import random
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING

import gevent
from greenlet import GreenletExit
from pymongo.errors import (
    AutoReconnect,
    NetworkTimeout,
    NotPrimaryError,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from greenmongo._core.command import Command, Reply, Retryability
from greenmongo._core.configured_timeouts import with_configured_timeouts
from greenmongo._core.error_labels import RETRYABLE_WRITE_ERROR
from greenmongo._core.read_modes import PRIMARY
from greenmongo._core.reply import write_concern_failure
from greenmongo._core.retry_policy import RetryPolicy
from greenmongo._core.retryable_errors import error_to_raise, is_state_change
from greenmongo._core.server_codes import REAUTHENTICATION_REQUIRED, SERVER_5_0_WIRE_VERSION
from greenmongo._net.await_checkout import checkout_to_await
from greenmongo._net.connection import next_request_id
from greenmongo._net.cursor_following import follow_cursor, grant_lease
from greenmongo._net.cursor_lease import CursorLease, ends_cursor
from greenmongo._net.operation_session import (
    absorb_abandonment,
    absorb_error,
    absorb_reply,
    numbered_write,
    session_for,
)
from greenmongo._net.refusals import error_of, report_write_concern
from greenmongo._net.round_trip import complete_for, round_trip
from greenmongo._net.time_limit import deadline_of_caller, deadline_of_command, has_timeout

if TYPE_CHECKING:
    from greenmongo._core.sessions.client_session import SessionLike, SessionState
    from greenmongo._core.types import Address, Document, ReadMode
    from greenmongo._net.connection import Connection
    from greenmongo._net.first_attempt import FirstAttempt
    from greenmongo._net.holder import Holder, RequestHolder
    from greenmongo._net.observers.tracing import OperationTrace
    from greenmongo._net.operation_context import OperationContext
    from greenmongo._net.server import Server

__all__ = ["Operation"]

_NOBODY: frozenset[Address] = frozenset()


class Operation:
    """The running of one command for one caller."""

    __slots__ = (
        "_command",
        "_context",
        "_deadline",
        "_first",
        "_has_own_session",
        "_holder",
        "_id",
        "_lease",
        "_lost",
        "_only",
        "_preference",
        "_retry_policy",
        "_session",
        "_tries",
        "_txn_number",
        "trace",
    )

    def __init__(
        self,
        context: OperationContext,
        command: Command,
        holder: RequestHolder | None,
    ) -> None:
        self._context = context
        self._command = command
        self._holder = holder
        own, default = command.deadline, context.options.timeout
        self._deadline = deadline_of_command(own, default) if own else deadline_of_caller(default)
        self._only = command.address
        """The one server that will do."""
        self._preference: ReadMode | None = None
        """How the server of this attempt is chosen, None for one that takes writes."""
        self._session: SessionState | None = None
        self._has_own_session = False
        """It was taken for this operation alone, and goes back with its end."""
        self._txn_number: int | None = None
        self._tries = 0
        """How often the command was sent."""
        self._retry_policy: RetryPolicy | None = None
        """From the first failure on."""
        self.trace: OperationTrace | None = None
        """Its span, if the client traces."""
        self._id = command.operation_id
        lease = command.lease
        self._lease = lease if isinstance(lease, CursorLease) else None
        """What the cursor lives on that is opened, read on or closed."""
        self._lost: Connection | None = None
        """On which a reply that nobody will read may have opened a cursor."""
        self._first: FirstAttempt | None = None
        """That which was made already, until its outcome is judged."""

    def go_on(self, first: FirstAttempt) -> Reply:
        """Judge what an attempt, made elsewhere, has come to, and run the command as `run` does."""
        self._first = first
        self._preference = self._command.read_preference
        self._session, self._txn_number = first.session, first.txn_number
        lease = self._command.lease
        self._has_own_session = lease is None or lease.session is not first.session
        if self._id is None:
            self._id = first.request_id
        return self.run()

    def run(self) -> Reply:
        """Run the command, and again where the specifications allow it.

        Raises:
            PyMongoError: whatever went wrong, as the class PyMongo uses for it.
        """
        try:
            return self._run()
        except PyMongoError as error:
            if self._lost is not None:
                # Not before: whatever else runs in this session by then is the next attempt.
                self._end_lost(self._lost)
            if self._lease is not None and ends_cursor(error):
                self._lease.end()
            limit = None if self._deadline is None else self._deadline.limit
            told = with_configured_timeouts(error, self._context.options, limit)
            if told is error:
                raise
            raise told from error.__cause__
        finally:
            if self._command.closes_cursor and self._lease is not None:
                self._lease.end()
            if self._has_own_session and self._session is not None:
                self._context.sessions.release(self._session)

    def run_within(self, trace: OperationTrace) -> Reply:
        """The same within a span."""
        self.trace = trace
        return self.run()

    def _run(self) -> Reply:
        avoid = _NOBODY
        to_raise: PyMongoError | None = None
        for attempt in count(1):
            try:
                server = self._select(avoid) if self._first is None else self._first.server
            except ServerSelectionTimeoutError:
                # Retryable Writes, "Executing Retryable Write Commands", and Retryable Reads, 1
                # and 3a: of a retry, the error of the attempt before says more.
                if to_raise is None:
                    raise
                raise to_raise from to_raise.__cause__
            tries = self._tries
            try:
                return self._attempt(server)
            except PyMongoError as error:
                is_numbered = self._txn_number is not None
                to_raise = error_to_raise(to_raise, error, is_numbered=is_numbered)
                was_sent = self._tries > tries
                policy = self._policy()
                backoff = policy.judge(
                    error,
                    tries=self._tries,
                    was_sent=was_sent,
                    is_numbered=is_numbered,
                    now=monotonic(),
                    jitter=random.random(),
                )
                if backoff is None:
                    raise to_raise from to_raise.__cause__
                kind = self._context.topology.description.kind
                if policy.goes_elsewhere(error, kind, was_sent=was_sent):
                    avoid |= {server.address}
            if backoff:
                gevent.sleep(backoff)
            self._context.command_monitoring.retrying(self._command, self._id, attempt)
        raise AssertionError("there is always another attempt, or an error")

    def _policy(self) -> RetryPolicy:
        if self._retry_policy is None:
            is_strict = self._holder is not None and self._holder.strict
            options = self._context.options
            self._retry_policy = RetryPolicy(
                self._command,
                options,
                self._deadline,
                is_strict=is_strict,
                has_timeout=has_timeout(options.timeout),
            )
        return self._retry_policy

    # ---- where ------------------------------------------------------------------------------

    def _select(self, avoid: frozenset[Address]) -> Server:
        command, holder, topology = self._command, self._holder, self._context.topology
        timeout = self._context.options.server_selection_timeout
        if self._deadline is not None:
            # CSOT, "Server Selection".
            timeout = min(timeout, self._deadline.remaining(monotonic()))
        preference = command.read_preference
        if command.is_write and preference is not None and not self._may_write_anywhere():
            preference = None
        self._preference = preference
        if holder is not None and preference is not None and command.address is None:
            pinned = holder.affinity.member_for(preference, topology.primary)
            if pinned is not None and pinned not in avoid:
                known = topology.description.servers.get(pinned)
                if known is not None and topology.suits(known, preference):
                    return topology.servers[pinned]
        return topology.select(
            preference,
            timeout,
            only=self._only,
            avoid=avoid,
            operation=command.name,
            operation_id=command.operation_id,
        )

    def _may_write_anywhere(self) -> bool:
        """Tell whether any member may run an aggregate with $out or $merge.

        CRUD, "Read Preferences and Server Selection": since MongoDB 5.0 a secondary may; with an
        older member in the deployment it is the primary's.
        """
        servers = self._context.topology.description.servers.values()
        return not any(
            s.is_data_bearing and s.max_wire_version < SERVER_5_0_WIRE_VERSION for s in servers
        )

    # ---- one attempt ------------------------------------------------------------------------

    def _attempt(self, server: Server) -> Reply:
        command, holder = self._command, self._holder
        first, self._first = self._first, None
        connection = self._checkout(server) if first is None else first.checked_out()
        try:
            if first is None:
                if self._session is None:
                    # Only now: callers in the wait queue need no session yet.
                    self._take_session(server, connection)
                self._tries += 1
                document = self._round_trip(server, connection)
            else:
                self._tries += 1
                document = first.reply()
            document = self._judged(document, server, connection)
        except AutoReconnect as error:
            self._on_connection_error(server, connection, error)
            raise
        except GreenletExit:
            if holder is not None and not connection.stream.is_open:
                # The caller has left, and was not told that its connection is lost.
                holder.is_broken = True
            raise
        finally:
            server.operation_count -= 1
            if connection.pending is not None:
                self._on_abandonment(connection)
            server.pool.checkin(connection)
        if holder is not None and not command.is_write and command.address is None:
            holder.affinity = holder.affinity.after_read(
                server.address, command.read_preference, self._context.topology.primary
            )
        return Reply(document, server.address, self._lease)

    def _checkout(self, server: Server) -> Connection:
        """Return a connection, and count the operation that uses it."""
        command, holder = self._command, self._holder
        timeout = None if self._deadline is None else self._deadline.remaining(monotonic())
        if holder is not None and holder.strict and self._needs_primary():
            holder.follow_primary(server.pool)
        kept_by = self._kept_by()
        if command.awaits_data:
            connection, self._command = checkout_to_await(server.pool, command, kept_by, timeout)
        else:
            connection = server.pool.checkout(kept_by, timeout)
        server.operation_count += 1
        return connection

    def _kept_by(self) -> Holder | None:
        """Return what keeps the connection that the operation is to run on."""
        lease = self._lease
        if lease is None or lease.holder is None:
            return self._holder
        if self._command.closes_cursor:
            lease.holder.leave_stream()
        return lease.holder

    def _take_session(self, server: Server, connection: Connection) -> None:
        """Choose the session that all attempts run in."""
        command = self._command
        lease = command.lease
        self._session = session_for(self._context, command, connection)
        is_cursors = lease is not None and lease.session is self._session
        self._has_own_session = not is_cursors
        if command.retry is Retryability.WRITE:
            self._txn_number = numbered_write(self._context, self._session, connection)

    def _needs_primary(self) -> bool:
        preference = self._command.read_preference
        return self._command.address is None and (preference is None or preference.mode == PRIMARY)

    def _on_connection_error(
        self, server: Server, connection: Connection, error: AutoReconnect
    ) -> None:
        """Draw the conclusions for connection, server, session and request.

        SDAM, "Application errors", tells a network error from a server's "not writable primary".
        """
        if self._holder is not None:
            # The caller learns of it now, so a strict request has nothing left to tell.
            self._holder.primary = None
        if not isinstance(error, NotPrimaryError):
            if isinstance(error, NetworkTimeout) and self._may_leave_something():
                self._lost = connection
            connection.close()
        if is_state_change(error):
            self._context.topology.report_error(server.address, error, connection)
        absorb_error(self._session, error)

    def _may_leave_something(self) -> bool:
        """Tell whether a command whose reply nobody will read leaves something on the server."""
        return self._command.opens_cursor

    def _end_lost(self, connection: Connection) -> None:
        """Have what was sent over a connection ended on the server. Does not wait."""
        self._context.end_on_server(connection)

    def _explicit(self) -> SessionLike | None:
        """Return the session that the caller has given."""
        return None

    def _on_abandonment(self, connection: Connection) -> None:
        """Draw the conclusions from a reply that is still to come."""
        absorb_abandonment(self._session)

    def _judged(self, document: Document, server: Server, connection: Connection) -> Document:
        """Return the reply, if it is a success; that to another try, if that is asked for."""
        if document.get("code") == REAUTHENTICATION_REQUIRED and not document.get("ok"):
            # Authentication, "Reauthentication": the server has done nothing yet, so the command is
            # sent once more whatever it is.
            left = None if self._deadline is None else self._deadline.remaining(monotonic())
            self._context.reauthenticate(connection, left)
            document = self._round_trip(server, connection)
        command = self._command
        if not document.get("ok"):
            raise error_of(command, document, connection)
        if not command.acknowledged:
            return document
        if document.get("writeConcernError"):
            self._judge_write_concern(document, server, connection)
        if self._lease is not None:
            follow_cursor(self._lease, document, server, connection)
        elif command.opens_cursor:
            self._lease = grant_lease(
                self._context,
                command,
                document,
                server,
                connection,
                self._session,
                self._explicit(),
            )
            self._has_own_session = self._has_own_session and self._lease is None
        return document

    def _round_trip(self, server: Server, connection: Connection) -> Document:
        """Send the command as it is to be sent now; return the reply, whatever it says."""
        command, context, session = self._command, self._context, self._session
        request_id = next_request_id()
        if self._id is None:
            self._id = request_id
        body, timeout = complete_for(
            context,
            command,
            server.address,
            preference=self._preference,
            session=session,
            txn_number=self._txn_number,
            deadline=self._deadline,
        )
        document = round_trip(
            context,
            connection,
            command,
            body,
            request_id=request_id,
            operation_id=self._id,
            session=session,
            timeout=timeout,
            trace=self.trace,
        )
        absorb_reply(context, session, document)
        return document

    def _judge_write_concern(
        self, document: Document, server: Server, connection: Connection
    ) -> None:
        """Report that the primary steps down, and raise if the write is to be sent again.

        Retryable Writes, "RetryableWriteError Labels", counts the error of a write concern like
        one of the command. After the last try the reply goes to the caller, who is told by it that
        the write happened.
        """
        report_write_concern(self._context, document, server, connection)
        if RETRYABLE_WRITE_ERROR in (document.get("errorLabels") or ()):
            error = write_concern_failure(document)
            if error is not None and self._policy().may_send_again(
                error,
                tries=self._tries,
                is_numbered=self._txn_number is not None,
                now=monotonic(),
            ):
                raise error
