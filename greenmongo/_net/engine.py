"""What a client has on the hub thread, and the running of one command there.

Select a server, check a connection out, exchange, judge, perhaps once more. Hub side only.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

import bson
from bson.codec_options import DEFAULT_CODEC_OPTIONS
from bson.errors import BSONError
from gevent.hub import getcurrent
from pymongo.errors import (
    AutoReconnect,
    ExecutionTimeout,
    InvalidOperation,
    NotPrimaryError,
    OperationFailure,
    ProtocolError,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from greenmongo._core.command import Reply
from greenmongo._core.command_body import (
    complete_body,
    decode_reply,
    decodes_plainly,
    read_preference_field,
)
from greenmongo._core.deadline import Deadline
from greenmongo._core.events import as_sent
from greenmongo._core.pool_rules import PoolLimits
from greenmongo._core.reply import NOT_PRIMARY_CODES, command_error
from greenmongo._core.retry import (
    RETRYABLE_WRITE_LABEL,
    is_state_change,
    labelled,
    may_retry_read,
    may_retry_write,
)
from greenmongo._core.sdam.description import ServerDescription
from greenmongo._core.sdam.kinds import ServerKind
from greenmongo._core.session_pool import SessionPool
from greenmongo._core.types import format_address
from greenmongo._hub.context import current_context
from greenmongo._hub.workers import Worker
from greenmongo._net.abandon import Abandoned
from greenmongo._net.command_events import CommandEvents
from greenmongo._net.connection import next_request_id
from greenmongo._net.connector import Connector
from greenmongo._net.environment import new_session_id
from greenmongo._net.housekeeping import Housekeeper
from greenmongo._net.pool import Pool
from greenmongo._net.request_table import RequestTable
from greenmongo._net.topology import Topology
from greenmongo._wire.op_msg import MORE_TO_COME, encode_op_msg

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bson.codec_options import CodecOptions

    from greenmongo._core.command import Command
    from greenmongo._core.options import ClientOptions
    from greenmongo._core.session import ServerSession
    from greenmongo._core.types import Address, Document, ReadMode, SessionLike
    from greenmongo._hub.thread import HubThread
    from greenmongo._net.connection import Connection
    from greenmongo._net.publisher import Publisher
    from greenmongo._net.request_table import RequestRow
    from greenmongo._net.server import Server

__all__ = ["Engine"]

FAREWELL = 1.0
"""Seconds to wait for the server's answer when a client that closes says goodbye."""

_NOBODY: frozenset[Address] = frozenset()
_OUT_ANYWHERE = 13
"""The wire version from which every member runs an aggregate that writes."""


class _Attempt:
    """What the attempts of one operation share."""

    __slots__ = (
        "command",
        "deadline",
        "explicit",
        "is_implicit",
        "operation_id",
        "row",
        "session",
        "txn_number",
        "was_sent",
    )

    def __init__(
        self,
        command: Command,
        row: RequestRow | None,
        deadline: Deadline | None,
        explicit: SessionLike | None,
    ) -> None:
        self.command = command
        self.row = row
        self.deadline = deadline
        self.explicit = explicit
        """The session the caller gave."""
        self.was_sent = False
        self.session: ServerSession | None = None
        self.is_implicit = True
        self.txn_number: int | None = None
        self.operation_id = command.operation_id


class Engine:
    """Topology, pools, requests and sessions of one client in one process."""

    def __init__(self, thread: HubThread, options: ClientOptions, publisher: Publisher) -> None:
        self.thread = thread
        self.publisher = publisher
        self.options = options
        self.table = RequestTable(thread)
        self.sessions = SessionPool(new_session_id)
        self.cluster_time: Mapping[str, Any] | None = None
        self._cursor_sessions: dict[tuple[Address, int], ServerSession] = {}
        self._plain_options: CodecOptions[Any] = DEFAULT_CODEC_OPTIONS
        self._limits = PoolLimits.of(options)
        self._events = CommandEvents(publisher)
        self._connector = Connector(thread.hub, options, self._events)
        self._abandoned = Abandoned(self._connector)
        self._is_closed = False
        self.topology = Topology(
            self._connector,
            options,
            new_pool=self._new_pool,
            on_options=self._take_options,
            publisher=publisher,
        )
        self._housekeeper = Housekeeper(self.topology, options)
        thread.on_stop(self.close)

    def _take_options(self, options: ClientOptions) -> None:
        """Go on with what the DNS has added to the options."""
        self.options = options
        self._connector.options = options

    # ---- one operation ----------------------------------------------------------------------

    def execute(self, command: Command, session: SessionLike | None = None) -> Reply:
        """Run a command, retrying it once where the specifications allow.

        Raises:
            PyMongoError: whatever went wrong, as the class PyMongo uses for it.
        """
        if self._is_closed:
            raise InvalidOperation("Cannot use the client after close")
        row = self._row_of_caller() if self.table.rows or self.options.auto_start_request else None
        timeout = self.options.timeout
        deadline = Deadline.after(timeout, monotonic()) if timeout else None
        attempt = _Attempt(command, row, deadline, session)
        server = self._select(attempt, _NOBODY)
        try:
            try:
                reply = self._attempt(attempt, server)
            except PyMongoError as error:
                reply = self._retry(attempt, server, error)
        finally:
            if attempt.is_implicit and attempt.session is not None:
                self._release_session(attempt.session)
        return reply

    def _row_of_caller(self) -> RequestRow | None:
        current = getcurrent()
        if isinstance(current, Worker):
            context = current.context
        else:
            context = current_context(use_greenlets=True)
        if context is None:
            return None
        row = self.table.rows.get(context.token)
        if row is None and self.options.auto_start_request:
            self.table.start(context)
            row = self.table.rows[context.token]
        return row

    def _select(self, attempt: _Attempt, avoid: frozenset[Address]) -> Server:
        command, row = attempt.command, attempt.row
        timeout = self.options.server_selection_timeout
        if attempt.deadline is not None:
            timeout = min(timeout, attempt.deadline.remaining(monotonic()))
        topology = self.topology
        preference = self._preference(command)
        if row is not None and preference is not None and command.address is None:
            pinned = row.affinity.member_for(preference, topology.primary)
            if pinned is not None and pinned not in avoid:
                known = topology.description.servers.get(pinned)
                if known is not None and topology.suits(known, preference):
                    return topology.servers[pinned]
        return topology.select(
            preference,
            timeout,
            only=command.address,
            avoid=avoid,
            operation=command.name,
            operation_id=command.operation_id,
        )

    def _preference(self, command: Command) -> ReadMode | None:
        """Return how to choose the server, None for one that takes writes."""
        preference = command.read_preference
        if command.is_write and preference is not None:
            # An aggregate with $out or $merge: since MongoDB 5.0 a secondary may run it.
            servers = self.topology.description.servers.values()
            if any(s.is_data_bearing and s.max_wire_version < _OUT_ANYWHERE for s in servers):
                return None
        return preference

    def _attempt(self, attempt: _Attempt, server: Server) -> Reply:
        command, row = attempt.command, attempt.row
        timeout = None
        if attempt.deadline is not None:
            timeout = attempt.deadline.remaining(monotonic())
        connection = server.pool.checkout(row, timeout)
        server.operation_count += 1
        try:
            if attempt.session is None:
                # Only now: callers in line for a connection need no session yet.
                self._choose_session(attempt, server)
            attempt.was_sent = True
            document = self._exchange(attempt, server, connection)
        except AutoReconnect as error:
            if not isinstance(error, NotPrimaryError):
                connection.close()
            if is_state_change(error):
                self.topology.report_error(server.address, error, connection, connection.generation)
            if attempt.session is not None:
                attempt.session.is_dirty = True
            raise
        finally:
            server.operation_count -= 1
            if connection.pending is not None and attempt.session is not None:
                # The session may yet be killed with the operation that runs in it.
                attempt.session.is_dirty = True
            server.pool.checkin(connection)
        if row is not None and not command.is_write and command.address is None:
            row.affinity = row.affinity.after_read(
                server.address, command.read_preference, self.topology.primary
            )
        return Reply(document, server.address)

    def _exchange(self, attempt: _Attempt, server: Server, connection: Connection) -> Document:
        command = attempt.command
        request_id = next_request_id()
        body, timeout = self._complete(attempt, server)
        message = self._encode(command, body, request_id)
        if connection.compressor is not None:
            message = connection.compress(message, command.name)
        if self._events.is_wanted():
            document = self._send_watched(attempt, connection, message, request_id, timeout, body)
        else:
            document = self._send(attempt, connection, message, request_id, timeout)
        if not command.acknowledged:
            return document
        cluster_time = document.get("$clusterTime")
        if cluster_time is not None:
            self._advance(cluster_time)
        if not document.get("ok"):
            raise command_error(document)
        self._note_cursor(command, document, server.address, attempt)
        if "writeConcernError" in document:
            self._judge_write_concern(document, server, connection)
        return document

    def _send(
        self,
        attempt: _Attempt,
        connection: Connection,
        message: bytes,
        request_id: int,
        timeout: float | None,
    ) -> Document:
        """Send a command and return the server's reply, whatever it says."""
        command, session = attempt.command, attempt.session
        if not command.acknowledged:
            connection.send_only(message)
            return {"ok": 1.0}
        body = connection.exchange(
            message,
            request_id,
            lsid=None if session is None else session.lsid,
            is_exclusive=attempt.is_implicit,
            timeout=timeout,
        )
        try:
            return self._decode(body, command)
        except BSONError as error:
            connection.close()
            raise ProtocolError(f"{format_address(connection.address)}: {error}") from error

    def _send_watched(
        self,
        attempt: _Attempt,
        connection: Connection,
        message: bytes,
        request_id: int,
        timeout: float | None,
        body: Document,
    ) -> Document:
        """Send a command, and tell that and what came of it."""
        command = attempt.command
        if attempt.operation_id is None:
            attempt.operation_id = request_id
        document = as_sent(command, body)
        watched = self._events.watch(
            connection, document, command.db, request_id, attempt.operation_id
        )
        try:
            watched.started(document)
            reply = self._send(attempt, connection, message, request_id, timeout)
        except BaseException as error:
            watched.failed(error)
            raise
        watched.answered(reply)
        return reply

    def _complete(self, attempt: _Attempt, server: Server) -> tuple[Document, float | None]:
        """Return the command's whole document, and the seconds it may take."""
        command, session, description = attempt.command, attempt.session, self.topology.description
        known = description.servers.get(server.address)
        if known is None:
            # It left the deployment just now; whether it still answers will be seen.
            known = ServerDescription.unknown(server.address)
        timeout = max_time_ms = None
        if attempt.deadline is not None:
            now = monotonic()
            timeout = attempt.deadline.remaining(now)
            max_time_ms = attempt.deadline.as_max_time_ms(now, known.min_round_trip_time or 0.0)
            if max_time_ms <= 0:
                raise ExecutionTimeout(
                    f"{format_address(server.address)}: the operation would exceed timeoutMS, "
                    f"remaining timeout: {timeout:.5f} s"
                )
        if not command.acknowledged and known.kind is ServerKind.RS_SECONDARY:
            raise NotPrimaryError("not primary: an unacknowledged write needs the primary")
        body = complete_body(
            command,
            lsid=None if session is None else session.lsid,
            txn_number=attempt.txn_number,
            cluster_time=self.cluster_time if session is not None else None,
            read_preference=read_preference_field(
                self._preference(command), description.kind, known.kind
            ),
            max_time_ms=max_time_ms,
            server_api=self.options.server_api,
        )
        return body, timeout

    def _encode(self, command: Command, body: Document, request_id: int) -> bytes:
        sequence = command.sequence
        return encode_op_msg(
            request_id,
            bson.encode(body, codec_options=command.codec_options),
            flags=0 if command.acknowledged else MORE_TO_COME,
            sequence=None if sequence is None else (sequence.identifier, sequence.documents),
        )

    def _decode(self, body: bytes, command: Command) -> Document:
        if not command.user_documents:
            return bson.decode(body)
        options = command.codec_options
        if options is not self._plain_options:
            if not decodes_plainly(options):
                return decode_reply(body, options)
            self._plain_options = options
        document: Document = bson.decode(body, options)
        return document

    # ---- a second attempt -------------------------------------------------------------------

    def _retry(self, attempt: _Attempt, server: Server, error: PyMongoError) -> Reply:
        """Try once more, elsewhere if possible, or raise the first error."""
        try:
            return self._try_again(attempt, server, error)
        except AutoReconnect as last:
            if attempt.txn_number is None:
                raise
            raise labelled(last) from last.__cause__

    def _try_again(self, attempt: _Attempt, server: Server, error: PyMongoError) -> Reply:
        if not self._may_retry(attempt, error):
            raise error
        try:
            other = self._select(attempt, frozenset({server.address}))
        except ServerSelectionTimeoutError:
            raise error from None
        if attempt.txn_number is None and attempt.is_implicit and attempt.session is not None:
            # A fresh session: the first attempt may still run in the old one.
            self._release_session(attempt.session)
            attempt.session = None
        return self._attempt(attempt, other)

    def _may_retry(self, attempt: _Attempt, error: PyMongoError) -> bool:
        command, row = attempt.command, attempt.row
        if not command.may_retry or (row is not None and row.strict):
            return False
        if attempt.deadline is not None and attempt.deadline.has_passed(monotonic()):
            return False
        if command.is_write:
            is_safe = attempt.txn_number is not None or not attempt.was_sent
            return self.options.retry_writes and is_safe and may_retry_write(error)
        return self.options.retry_reads and may_retry_read(error)

    def _judge_write_concern(
        self, document: Document, server: Server, connection: Connection
    ) -> None:
        """A write concern can fail because the primary steps down: the write may be sent again."""
        failure = document["writeConcernError"]
        labels = document.get("errorLabels", ())
        if failure.get("code") in NOT_PRIMARY_CODES:
            self.topology.report_error(
                server.address,
                NotPrimaryError(failure.get("errmsg", ""), failure),
                connection,
                connection.generation,
            )
        if RETRYABLE_WRITE_LABEL in labels:
            raise OperationFailure(
                failure.get("errmsg", ""), failure.get("code"), {**failure, "errorLabels": labels}
            )

    # ---- sessions ---------------------------------------------------------------------------

    def _choose_session(self, attempt: _Attempt, server: Server) -> None:
        command, session = attempt.command, attempt.explicit
        if session is not None:
            attempt.session = session.state.server_session
            attempt.is_implicit = session.state.is_implicit
        elif command.acknowledged:
            attempt.session = self._implicit_session(command)
        if command.is_write and command.may_retry and self.options.retry_writes:
            known = self.topology.description.servers.get(server.address)
            if attempt.session is not None and known and known.retryable_writes_supported:
                attempt.txn_number = attempt.session.next_txn_number()

    def _implicit_session(self, command: Command) -> ServerSession | None:
        if command.address is not None:
            # The next batch of a cursor must be asked for in the session that opened it.
            cursor_id = command.body.get("getMore")
            if cursor_id is not None:
                kept = self._cursor_sessions.pop((command.address, cursor_id), None)
                if kept is not None:
                    kept.is_kept = False
                return kept
        timeout = self.topology.description.logical_session_timeout_minutes
        if timeout is None:
            return None
        return self.sessions.acquire(monotonic(), timeout)

    def _release_session(self, session: ServerSession) -> None:
        if session.is_kept:
            session.is_kept = False
            return
        timeout = self.topology.description.logical_session_timeout_minutes
        self.sessions.release(session, monotonic(), timeout)

    def _note_cursor(
        self, command: Command, document: Document, address: Address, attempt: _Attempt
    ) -> None:
        """Keep an implicit session for as long as the cursor that it opened lives."""
        cursor = document.get("cursor")
        if cursor is None or not attempt.is_implicit or attempt.session is None:
            return
        cursor_id = cursor.get("id") if isinstance(cursor, dict) else None
        if cursor_id:
            attempt.session.is_kept = True
            self._cursor_sessions[address, cursor_id] = attempt.session

    def forget_cursors(self, address: Address, cursor_ids: list[int]) -> None:
        """Free the sessions of cursors that are closed."""
        for cursor_id in cursor_ids:
            session = self._cursor_sessions.pop((address, cursor_id), None)
            if session is not None:
                self._release_session(session)

    def _advance(self, cluster_time: Mapping[str, Any]) -> None:
        """Gossip: remember the highest cluster time seen."""
        known = self.cluster_time
        if known is None or cluster_time["clusterTime"] > known["clusterTime"]:
            self.cluster_time = cluster_time

    # ---- pools and the end ------------------------------------------------------------------

    def _new_pool(self, address: Address) -> Pool:
        def connect(number: int, generation: int) -> Connection:
            return self._connector.open_data(address, number, generation)

        def on_connect_error(error: Exception, generation: int) -> None:
            self.topology.report_error(address, error, None, generation)

        return Pool(
            self.thread.hub,
            address,
            self._limits,
            connect=connect,
            on_connect_error=on_connect_error,
            drain=lambda pool, connection: self._abandoned.adopt(pool, connection),
            publisher=self.publisher,
        )

    @property
    def abandoned_count(self) -> int:
        """Replies still to come that nobody waits for."""
        return len(self._abandoned)

    def end_sessions(self) -> None:
        """Tell the server that the pooled sessions are over, as far as that goes quickly."""
        sessions = [session.lsid for session in self.sessions.drain()]
        servers = list(self.topology.servers.values())
        for server in servers:
            if not sessions or not server.pool.idle_count:
                continue
            connection = server.pool.checkout(None, 0.0)
            connection.timeout = FAREWELL
            try:
                for start in range(0, len(sessions), 10_000):
                    connection.command({"endSessions": sessions[start : start + 10_000]})
            except PyMongoError:
                connection.close()
            finally:
                server.pool.checkin(connection)
            return

    def close(self) -> None:
        """Close every socket, end every greenlet, give the thread back. Idempotent, never waits."""
        if self._is_closed:
            return
        self._is_closed = True
        self.thread.forget_on_stop(self.close)
        self._housekeeper.stop()
        self._abandoned.close()
        self.topology.close()
        self.table.clear()
        self.thread.release()

    def abandon_after_fork(self) -> None:
        """Close the sockets inherited from the parent process, without a word on the wire.

        Nothing else may be touched: the parent's event loop is still in use over there.
        """
        for server in self.topology.servers.values():
            server.abandon_after_fork()
