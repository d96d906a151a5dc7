"""One operation: select a server, check a connection out, exchange, judge, perhaps once more.

Hub side only. An `Operation` runs once; its attempts share what it holds.
"""

from __future__ import annotations

import random
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

import bson
import gevent
from bson.errors import BSONError
from greenlet import GreenletExit
from pymongo.errors import (
    AutoReconnect,
    ConfigurationError,
    ExecutionTimeout,
    NotPrimaryError,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from greenmongo._core.batch import PORTION
from greenmongo._core.batching import check_message_size, check_statement_sizes
from greenmongo._core.command import Reply
from greenmongo._core.command_body import (
    complete_body,
    decode_reply,
    decodes_plainly,
    read_preference_field,
)
from greenmongo._core.events import as_sent
from greenmongo._core.reply import (
    NOT_PRIMARY_CODES,
    REAUTHENTICATION_REQUIRED,
    command_error,
    write_concern_failure,
)
from greenmongo._core.reply_shape import ShapeError, check_reply_shape
from greenmongo._core.retry import (
    RETRYABLE_WRITE_LABEL,
    error_to_tell,
    is_state_change,
)
from greenmongo._core.retrying import Retrying
from greenmongo._core.sdam.description import ServerDescription
from greenmongo._core.sdam.kinds import ServerKind
from greenmongo._core.types import format_address
from greenmongo._hub.turn import give_way
from greenmongo._net.connection import next_request_id
from greenmongo._net.large_reply import decode_batch, receive_large
from greenmongo._net.time_limit import deadline_of_caller
from greenmongo._wire.errors import WireError
from greenmongo._wire.op_msg import MORE_TO_COME, encode_op_msg

if TYPE_CHECKING:
    from bson.codec_options import CodecOptions

    from greenmongo._core.command import Command
    from greenmongo._core.options import ClientOptions
    from greenmongo._core.session import ServerSession
    from greenmongo._core.types import Address, Document, ReadMode, SessionLike
    from greenmongo._net.connection import Connection
    from greenmongo._net.cursor_pins import CursorPins, PinnedId
    from greenmongo._net.observers.command import CommandMonitoring
    from greenmongo._net.request_table import RequestRow
    from greenmongo._net.server import Server
    from greenmongo._net.sessions import Sessions
    from greenmongo._net.topology import Topology

__all__ = ["Operation"]

_NOBODY: frozenset[Address] = frozenset()
_OUT_ANYWHERE = 13
"""The wire version from which every member runs an aggregate that writes."""
_SORTED_UPDATES = 25
"""The wire version from which updates of one document may be sorted."""


class Surroundings(Protocol):
    """What an operation needs of the client it runs for."""

    options: ClientOptions
    topology: Topology
    sessions: Sessions
    command_monitoring: CommandMonitoring
    cursor_pins: CursorPins
    plain_options: CodecOptions[Any]
    """Options that were found to suit a whole reply, envelope included."""

    def log_in_again(self, connection: Connection, timeout: float | None) -> None:
        """Renew what a connection is logged in with, because its server demands it."""
        ...


class Operation:
    """The running of one command for one caller."""

    __slots__ = (
        "_command",
        "_deadline",
        "_engine",
        "_explicit",
        "_id",
        "_is_implicit",
        "_pin",
        "_retrying",
        "_row",
        "_session",
        "_tries",
        "_txn_number",
    )

    def __init__(
        self,
        engine: Surroundings,
        command: Command,
        row: RequestRow | None,
        explicit: SessionLike | None,
    ) -> None:
        self._engine = engine
        self._command = command
        self._row = row
        self._explicit = explicit
        """The session the caller gave."""
        self._deadline = deadline_of_caller(engine.options.timeout)
        self._session: ServerSession | None = None
        self._is_implicit = True
        self._txn_number: int | None = None
        self._tries = 0
        """How often the command was sent."""
        self._retrying: Retrying | None = None
        """From the first failure on."""
        self._id = command.operation_id
        self._pin: PinnedId | None = None
        """The cursor that is read on or closed, if it keeps a connection."""
        if engine.options.load_balanced:
            self._pin = engine.cursor_pins.of(command)

    def run(self) -> Reply:
        """Run the command, and again where the specifications allow it.

        Raises:
            PyMongoError: whatever went wrong, as the class PyMongo uses for it.
        """
        try:
            return self._run()
        except PyMongoError as error:
            if self._pin is not None:
                self._engine.cursor_pins.failed(self._pin, error)
            raise
        finally:
            if self._pin is not None and self._command.name == "killCursors":
                self._pin.row.let_go()
            if self._is_implicit and self._session is not None:
                self._engine.sessions.release(self._session)

    def _run(self) -> Reply:
        avoid = _NOBODY
        told: PyMongoError | None = None
        for attempt in count(1):
            try:
                server = self._select(avoid)
            except ServerSelectionTimeoutError:
                if told is None:
                    raise
                raise told from told.__cause__
            tries = self._tries
            try:
                return self._attempt(server)
            except PyMongoError as error:
                told = error_to_tell(told, error, is_numbered=self._txn_number is not None)
                was_sent = self._tries > tries
                judge = self._judge_of_failures()
                pause = judge.judge(
                    error,
                    tries=self._tries,
                    was_sent=was_sent,
                    is_numbered=self._txn_number is not None,
                    now=monotonic(),
                    chance=random.random(),
                )
                if pause is None:
                    raise told from told.__cause__
                kind = self._engine.topology.description.kind
                if not was_sent or judge.goes_elsewhere(error, kind):
                    avoid |= {server.address}
            if pause:
                gevent.sleep(pause)
            self._engine.command_monitoring.retrying(self._command, self._id, attempt)
        raise AssertionError("there is always another attempt, or an error")

    def _judge_of_failures(self) -> Retrying:
        if self._retrying is None:
            is_strict = self._row is not None and self._row.strict
            options = self._engine.options
            self._retrying = Retrying(self._command, options, self._deadline, is_strict=is_strict)
        return self._retrying

    # ---- where ------------------------------------------------------------------------------

    def _select(self, avoid: frozenset[Address]) -> Server:
        command, row, topology = self._command, self._row, self._engine.topology
        timeout = self._engine.options.server_selection_timeout
        if self._deadline is not None:
            timeout = min(timeout, self._deadline.remaining(monotonic()))
        preference = self._preference()
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

    def _preference(self) -> ReadMode | None:
        """Return how to choose the server, None for one that takes writes."""
        preference = self._command.read_preference
        if self._command.is_write and preference is not None:
            # An aggregate with $out or $merge: since MongoDB 5.0 a secondary may run it.
            servers = self._engine.topology.description.servers.values()
            if any(s.is_data_bearing and s.max_wire_version < _OUT_ANYWHERE for s in servers):
                return None
        return preference

    # ---- one attempt ------------------------------------------------------------------------

    def _attempt(self, server: Server) -> Reply:
        command, row = self._command, self._row
        timeout = None if self._deadline is None else self._deadline.remaining(monotonic())
        if row is not None and row.strict and self._needs_primary():
            row.follow_primary(server.pool)
        pin = self._pin
        connection = server.pool.checkout(row if pin is None else pin.row, timeout)
        server.operation_count += 1
        try:
            if self._session is None:
                # Only now: callers in line for a connection need no session yet.
                self._choose_session(connection)
            self._tries += 1
            document = self._exchange(server, connection)
        except AutoReconnect as error:
            self._take_note(server, connection, error)
            raise
        except GreenletExit:
            if row is not None and not connection.stream.is_open:
                # The caller has left, and was not told that its connection is lost.
                row.is_broken = True
            raise
        finally:
            server.operation_count -= 1
            if connection.pending is not None and self._session is not None:
                # What runs in the session may run on for a while.
                self._session.is_dirty = True
            server.pool.checkin(connection)
        if row is not None and not command.is_write and command.address is None:
            row.affinity = row.affinity.after_read(
                server.address, command.read_preference, self._engine.topology.primary
            )
        return Reply(document, server.address)

    def _needs_primary(self) -> bool:
        preference = self._command.read_preference
        return self._command.address is None and (preference is None or preference.mode == 0)

    def _take_note(self, server: Server, connection: Connection, error: AutoReconnect) -> None:
        """Draw the conclusions for connection, server, session and request."""
        if self._row is not None:
            # It is being told now.
            self._row.primary = None
        if not isinstance(error, NotPrimaryError):
            connection.close()
        if is_state_change(error):
            self._engine.topology.report_error(server.address, error, connection)
        if self._session is not None:
            self._session.is_dirty = True

    def _choose_session(self, connection: Connection) -> None:
        command, engine = self._command, self._engine
        # Asked of the connection: what the topology knew of the server may be lost by now.
        known = connection.description
        if self._explicit is not None:
            self._session = self._explicit.state.server_session
            self._is_implicit = self._explicit.state.is_implicit
        elif command.acknowledged and known is not None:
            timeout = known.logical_session_timeout_minutes
            self._session = engine.sessions.acquire_for(command, timeout)
        if command.is_write and command.may_retry and engine.options.retry_writes:
            is_alone = known is None or known.kind is ServerKind.STANDALONE
            if self._session is not None and not is_alone:
                self._txn_number = self._session.next_txn_number()

    def _exchange(self, server: Server, connection: Connection) -> Document:
        document = self._ask(server, connection)
        if document.get("code") == REAUTHENTICATION_REQUIRED and not document.get("ok"):
            # Nothing was done yet, so the command is sent once more whatever it is.
            left = None if self._deadline is None else self._deadline.remaining(monotonic())
            self._engine.log_in_again(connection, left)
            document = self._ask(server, connection)
        if not document.get("ok"):
            raise command_error(document)
        if not self._command.acknowledged:
            return document
        if self._is_implicit and self._session is not None:
            self._engine.sessions.keep_for_cursor(self._session, document, server.address)
        if self._engine.options.load_balanced:
            pins = self._engine.cursor_pins
            document = pins.follow(self._pin, document, server.pool, connection)
        if "writeConcernError" in document:
            self._judge_write_concern(document, server, connection)
        return document

    def _ask(self, server: Server, connection: Connection) -> Document:
        """Send the command and return the reply, whatever it says."""
        command, engine = self._command, self._engine
        request_id = next_request_id()
        body, timeout = self._complete(server)
        message = _encode(command, body, request_id)
        known = connection.description
        if known is not None and not command.is_batch:
            # Whether one of many documents is too large, the server judges better.
            check_message_size(command.name, len(message), known.max_bson_size)
            if not command.acknowledged:
                _check_unheard(command, len(message), known)
        if connection.compressor is not None:
            message = connection.compress(message, command.name)
        if engine.command_monitoring.is_wanted():
            document = self._send_watched(connection, message, request_id, timeout, body)
        else:
            document = self._send(connection, message, request_id, timeout)
        cluster_time = document.get("$clusterTime")
        if cluster_time is not None:
            engine.sessions.advance(cluster_time)
        return document

    def _complete(self, server: Server) -> tuple[Document, float | None]:
        """Return the command's whole document, and the seconds it may take."""
        command, session, engine = self._command, self._session, self._engine
        description = engine.topology.description
        known = description.servers.get(server.address)
        if known is None:
            # It left the deployment just now; whether it still answers will be seen.
            known = ServerDescription.unknown(server.address)
        timeout, max_time_ms = command.socket_timeout, None
        if self._deadline is not None:
            timeout, max_time_ms = self._time_left(known)
        if not command.acknowledged and known.kind is ServerKind.RS_SECONDARY:
            raise NotPrimaryError("not primary: an unacknowledged write needs the primary")
        body = complete_body(
            command,
            lsid=None if session is None else session.lsid,
            txn_number=self._txn_number,
            cluster_time=engine.sessions.cluster_time if session is not None else None,
            read_preference=self._read_preference_for(known),
            max_time_ms=max_time_ms,
            server_api=engine.options.server_api,
        )
        return body, timeout

    def _read_preference_for(self, server: ServerDescription) -> Document | None:
        if self._command.address is not None:
            # getMore, killCursors: any member reads on what it has begun.
            return None
        return read_preference_field(
            self._preference(),
            self._engine.topology.description.kind,
            server.kind,
            strict_primary=self._engine.options.strict_primary,
        )

    def _time_left(self, server: ServerDescription) -> tuple[float | None, int | None]:
        """Return the seconds for the exchange and the milliseconds for the server."""
        if self._deadline is None:
            return None, None
        now = monotonic()
        timeout = self._deadline.remaining(now)
        max_time_ms = self._deadline.as_max_time_ms(now, server.min_round_trip_time or 0.0)
        if max_time_ms <= 0:
            raise ExecutionTimeout(
                f"{format_address(server.address)}: the operation would exceed timeoutMS, "
                f"remaining timeout: {timeout:.5f} s"
            )
        return timeout, max_time_ms

    def _send(
        self, connection: Connection, message: bytes, request_id: int, timeout: float | None
    ) -> Document:
        """Send a command and return the server's reply, whatever it says."""
        command, session = self._command, self._session
        if not command.acknowledged:
            connection.send_only(message)
            return {"ok": 1.0}
        body = connection.exchange(
            message,
            request_id,
            lsid=None if session is None else session.lsid,
            is_exclusive=self._is_implicit,
            timeout=timeout,
        )
        sequence = command.sequence
        try:
            if len(body) > PORTION and command.user_documents:
                options, address = command.codec_options, connection.address
                reply = receive_large(body, options, address, self._decode)
            else:
                reply = self._decode(bytes(body))
            check_reply_shape(
                command.body, reply, None if sequence is None else len(sequence.documents)
            )
        except (BSONError, ShapeError, WireError) as error:
            raise connection.refuse(error) from error
        return reply

    def _send_watched(
        self,
        connection: Connection,
        message: bytes,
        request_id: int,
        timeout: float | None,
        body: Document,
    ) -> Document:
        """Send a command, and tell that and what came of it."""
        command = self._command
        if self._id is None:
            self._id = request_id
        document = as_sent(command, body, give_way)
        observer = self._engine.command_monitoring.observe(
            connection, document, command.db, request_id, self._id
        )
        try:
            observer.started(document)
            reply = self._send(connection, message, request_id, timeout)
            decode_batch(reply)
        except BaseException as error:
            observer.failed(error)
            raise
        observer.answered(reply, command.tolerates)
        return reply

    def _decode(self, body: bytes) -> Document:
        if not self._command.user_documents:
            return bson.decode(body)
        options = self._command.codec_options
        if options is not self._engine.plain_options:
            if not decodes_plainly(options):
                return decode_reply(body, options)
            # Found out once: nearly all operations of a client share one options object.
            self._engine.plain_options = options
        document: Document = bson.decode(body, options)
        return document

    def _judge_write_concern(
        self, document: Document, server: Server, connection: Connection
    ) -> None:
        """A write concern can fail because the primary steps down: the write may be sent again.

        After the last try the reply goes to the caller, who is told by it that the write happened.
        """
        failure = document["writeConcernError"]
        if failure.get("code") in NOT_PRIMARY_CODES:
            version = document.get("topologyVersion")
            self._engine.topology.report_error(
                server.address,
                NotPrimaryError(failure.get("errmsg", ""), {**failure, "topologyVersion": version}),
                connection,
            )
        if RETRYABLE_WRITE_LABEL in document.get("errorLabels", ()):
            error = write_concern_failure(document)
            if error is not None and self._judge_of_failures().may_send_again(
                error,
                tries=self._tries,
                is_numbered=self._txn_number is not None,
                now=monotonic(),
            ):
                raise error


def _encode(command: Command, body: Document, request_id: int) -> bytes:
    sequence = command.sequence
    return encode_op_msg(
        request_id,
        bson.encode(body, codec_options=command.codec_options),
        flags=0 if command.acknowledged else MORE_TO_COME,
        sequence=None if sequence is None else (sequence.identifier, sequence.documents),
    )


def _check_unheard(command: Command, size: int, server: ServerDescription) -> None:
    """Refuse what the server would refuse without anybody hearing of it."""
    statements = command.body.get("updates") or command.body.get("deletes") or ()
    if size > server.max_bson_size:
        sizes = [len(bson.encode(each, codec_options=command.codec_options)) for each in statements]
        check_statement_sizes(command.name, sizes, server.max_bson_size)
    if server.max_wire_version < _SORTED_UPDATES and any("sort" in each for each in statements):
        raise ConfigurationError(
            "Must be connected to MongoDB 8.0+ to use sort on unacknowledged update commands."
        )
