"""What a client has on the hub thread: topology, pools, requests, sessions. Hub side only."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING, Any

from bson.codec_options import DEFAULT_CODEC_OPTIONS
from gevent.hub import getcurrent
from pymongo.errors import NetworkTimeout, PyMongoError
from pymongo.read_preferences import ReadPreference

from greenmongo._core.pool_rules import PoolLimits, PoolState
from greenmongo._hub.context import current_context
from greenmongo._hub.upcall import spawn
from greenmongo._hub.workers import Worker
from greenmongo._net.abandon import Abandoned
from greenmongo._net.afterwards import Afterwards
from greenmongo._net.closed_client import used_after_close
from greenmongo._net.connector import Connector
from greenmongo._net.deadlock import break_deadlock
from greenmongo._net.housekeeping import Housekeeper
from greenmongo._net.late_writes import LateWrites
from greenmongo._net.leftover import wait_for_leftover
from greenmongo._net.observers.command import CommandMonitoring
from greenmongo._net.operation import Operation
from greenmongo._net.operation_in_session import OperationInSession
from greenmongo._net.ordinary import run_ordinarily
from greenmongo._net.pool import Pool
from greenmongo._net.request_table import RequestTable
from greenmongo._net.roll_back import roll_back
from greenmongo._net.sessions import Sessions
from greenmongo._net.topology import Topology

if TYPE_CHECKING:
    from collections.abc import Callable

    from bson.codec_options import CodecOptions

    from greenmongo._core.command import Command, Reply
    from greenmongo._core.options import ClientOptions
    from greenmongo._core.options.credentials import Credentials
    from greenmongo._core.pool_rules import PendingConnection
    from greenmongo._core.sessions.client_session import SessionLike, SessionState
    from greenmongo._core.sessions.transaction import Transaction
    from greenmongo._core.types import Address
    from greenmongo._hub.thread import HubThread
    from greenmongo._net.connection import Connection
    from greenmongo._net.holder import RequestHolder
    from greenmongo._net.metadata import ClientMetadata
    from greenmongo._net.observers.publisher import Publisher
    from greenmongo._net.observers.tracing import Tracing

__all__ = ["Engine"]

LATE_WRITES_TIMEOUT = 1.0
"""Seconds to wait, when the process ends, for what finalisers have written last."""

END_SESSIONS_TIMEOUT = 1.0
"""Seconds to wait for the server's answer to endSessions when a client closes."""


class Engine:
    """Topology, pools, requests and sessions of one client in one process."""

    def __init__(
        self,
        thread: HubThread,
        options: ClientOptions,
        publisher: Publisher,
        metadata: ClientMetadata,
        tracing: Tracing | None = None,
    ) -> None:
        self.thread = thread
        self._tracing = tracing
        self.publisher = publisher
        self.options = options
        self.table = RequestTable(thread)
        self.plain_options: CodecOptions[Any] = DEFAULT_CODEC_OPTIONS
        """Options that were found to suit a whole reply, envelope included."""
        self._limits = PoolLimits.of(options)
        self.command_monitoring = CommandMonitoring(publisher, is_tracing=tracing is not None)
        self._connector = Connector(thread.hub, options, self.command_monitoring, metadata)
        self._abandoned = Abandoned(self._connector)
        self.late_writes = LateWrites(self.execute)
        self.afterwards = Afterwards()
        self._is_closed = False
        self.topology = Topology(
            self._connector,
            options,
            new_pool=self._new_pool,
            on_options=self._take_options,
            publisher=publisher,
        )
        self.sessions = Sessions(self.topology)
        self._housekeeper = Housekeeper(self.topology, options)
        thread.on_stop(self.close)
        thread.on_exit(self._finish)

    def _take_options(self, options: ClientOptions) -> None:
        """Go on with what the DNS has added to the options."""
        self.options = options
        self._connector.options = options

    def reauthenticate(self, connection: Connection, timeout: float | None) -> None:
        """Renew what a connection is logged in with, because its server demands it."""
        self._connector.reauthenticate(connection, timeout)

    def verify_credentials(self, credentials: Credentials) -> None:
        """See whether the server takes them, on a connection that nobody else uses.

        Raises:
            OperationFailure: it does not.
        """
        preference = ReadPreference.PRIMARY_PREFERRED
        server = self.topology.select(preference, self.options.server_selection_timeout)
        self._connector.verify_credentials(server.address, credentials)

    def set_credentials(self, credentials: Credentials | None) -> None:
        """Use them, or none, for connections to come."""
        self._take_options(replace(self.options, credentials=credentials))

    # ---- operations -------------------------------------------------------------------------

    def execute(self, command: Command, session: SessionLike | None = None) -> Reply:
        """Run a command for the calling context.

        Raises:
            PyMongoError: whatever went wrong, as the class PyMongo uses for it.
        """
        if self._is_closed:
            raise used_after_close()
        holder = (
            self._holder_of_caller()
            if self.table.holders or self.options.auto_start_request
            else None
        )
        if session is None and command.lease is not None:
            # Driver Sessions, "Sessions and Cursors": in that which it was opened in.
            session = command.lease.explicit
        worker = getcurrent()
        if not isinstance(worker, Worker):
            return self._run(command, holder, session)
        worker.is_driving = True
        try:
            return self._run(command, holder, session)
        finally:
            worker.is_driving = False

    def _run(
        self, command: Command, holder: RequestHolder | None, session: SessionLike | None
    ) -> Reply:
        if holder is None and session is None and self._tracing is None:
            return run_ordinarily(self, command)
        operation = (
            Operation(self, command, holder)
            if session is None
            else OperationInSession(self, command, holder, session)
        )
        if self._tracing is None:
            return operation.run()
        state = None if session is None else session._state
        return self._tracing.run(command, state, operation.run_within)

    def execute_later(self, command: Command) -> None:
        """Run a command that nobody waits for. Does not wait."""
        if not self._is_closed:
            spawn(self._execute_quietly, command)

    def _execute_quietly(self, command: Command) -> None:
        try:
            # In no session of a caller's, who may be using it.
            Operation(self, command, None).run()
        except PyMongoError:
            # It closes a cursor. The server closes idle ones by itself; a client that is closing
            # has no time for it.
            return

    def roll_back(
        self, state: SessionState, transaction: Transaction, *, is_repeated: bool = False
    ) -> None:
        """Have a transaction aborted that nobody else ends. Does not wait.

        Args:
            state: the session.
            transaction: its transaction.
            is_repeated: the caller's own abortTransaction was sent, and not answered in time.
        """
        if not self._is_closed:
            roll_back(self, state, transaction, is_repeated=is_repeated)

    def leave_session(self, state: SessionState) -> None:
        """End a session that nobody ends any more. Does not wait."""
        # That which was to be committed counts, too, if nobody knows whether it is.
        left = state.leave_transaction() or state.transaction
        if left is not None:
            self.roll_back(state, left)
        self.sessions.release(state)

    def end_on_server(
        self, connection: Connection, when_ended: Callable[[], object] | None = None
    ) -> None:
        """Have the operation of a connection that is given up ended on the server."""
        self._abandoned.end_on_server(connection, when_ended)

    def _holder_of_caller(self) -> RequestHolder | None:
        current = getcurrent()
        if isinstance(current, Worker):
            context = current.context
        else:
            context = current_context(use_greenlets=True)
        if context is None:
            return None
        holder = self.table.holders.get(context.token)
        if holder is None and self.options.auto_start_request:
            self.table.start(context)
            holder = self.table.holders[context.token]
        return holder

    # ---- pools and the end ------------------------------------------------------------------

    def _new_pool(self, address: Address) -> Pool:
        def connect(pending: PendingConnection) -> Connection:
            return self._connector.connect(address, pending)

        def on_connect_error(error: Exception, pending: PendingConnection) -> None:
            self.topology.report_error(address, error, pending)

        return Pool(
            self.thread.hub,
            address,
            self._limits,
            connect=connect,
            on_connect_error=on_connect_error,
            drain=lambda pool, connection: self._abandoned.adopt(pool, connection),
            break_deadlock=break_deadlock,
            publisher=self.publisher,
        )

    def drop_connections(self, *, primary_only: bool = False) -> None:
        """Close what is not in use now, and the rest when it comes back. Never waits.

        Requests go on, with new connections; a strict one is told.
        """
        primary = self.topology.primary
        servers = [
            server
            for server in self.topology.servers.values()
            if not primary_only or server.address == primary
        ]
        ready = [server for server in servers if server.pool.state is PoolState.READY]
        for server in servers:
            server.pool.clear()
        self.table.drop_connections({server.pool for server in servers})
        for server in servers:
            if server in ready:
                server.pool.ready()
            server.request_check()

    @property
    def abandoned_count(self) -> int:
        """Replies still to come that nobody waits for."""
        return len(self._abandoned)

    def end_sessions(self) -> None:
        """Tell the server what is over, as far as that goes quickly: transactions, and sessions."""
        self._end_transactions()
        sessions = self.sessions.drain()
        servers = list(self.topology.servers.values())
        for server in servers:
            if not sessions or not server.pool.idle_count:
                continue
            connection = server.pool.checkout(None, 0.0)
            connection.timeout = END_SESSIONS_TIMEOUT
            try:
                for start in range(0, len(sessions), 10_000):
                    connection.command({"endSessions": sessions[start : start + 10_000]})
            except PyMongoError:
                connection.close()
            finally:
                server.pool.checkin(connection)
            return

    def _end_transactions(self) -> None:
        open_ones = self.sessions.open_transactions
        for state, transaction in open_ones:
            self.roll_back(state, transaction)
        ends_at = monotonic() + END_SESSIONS_TIMEOUT
        with suppress(NetworkTimeout):
            for state, _ in open_ones:
                wait_for_leftover(state, max(0.0, ends_at - monotonic()))

    def let_go(self) -> None:
        """Close, as the client is gone. Does not wait."""
        if self.sessions.open_transactions and not self._is_closed:
            spawn(self._end_and_close)
        else:
            self.close()

    def _end_and_close(self) -> None:
        try:
            self._end_transactions()
        finally:
            self.close()

    def close(self) -> None:
        """Close every socket, end every greenlet, give the thread back. Idempotent, never waits."""
        if self._is_closed:
            return
        self._is_closed = True
        self.thread.forget_on_stop(self.close)
        self.thread.forget_on_exit(self._finish)
        self._housekeeper.stop()
        self._abandoned.close()
        self.afterwards.close()
        self.late_writes.close()
        self.topology.close()
        self.table.clear()
        self.thread.release()

    def _finish(self) -> None:
        """Do what must be done before the process ends. May wait."""
        self.late_writes.wait(LATE_WRITES_TIMEOUT)

    def abandon_after_fork(self) -> None:
        """Close the sockets inherited from the parent process, without a word on the wire.

        Nothing else may be touched: the parent's event loop is still in use over there.
        """
        for server in self.topology.servers.values():
            server.abandon_after_fork()
