"""One connection: a stream that has shaken hands, and the exchange of a command for its reply.

An exchange whose caller left half-way leaves the connection *awaiting a reply*: nothing else may
use it until `finish` has read that reply. `_net.abandon` sees to it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from time import monotonic
from typing import TYPE_CHECKING, Any

import bson
from bson.errors import BSONError
from pymongo.errors import NetworkTimeout, ProtocolError

from greenmongo._core.command import ReplyShape
from greenmongo._core.damaged_reply import decode_own
from greenmongo._core.pool_rules import ConnectionState
from greenmongo._core.reply import check_reply
from greenmongo._core.reply_shape import ShapeError, check_reply_shape
from greenmongo._core.sensitive_commands import is_sensitive, may_compress
from greenmongo._core.types import format_address
from greenmongo._hub.offload import compute
from greenmongo._wire.compression import Compressor, compress_message, takes_long
from greenmongo._wire.errors import WireError
from greenmongo._wire.header import OP_COMPRESSED, SMALL_MESSAGE
from greenmongo._wire.op_msg import MORE_TO_COME, MessageBody, encode_op_msg
from greenmongo._wire.reply import read_reply

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bson.objectid import ObjectId

    from greenmongo._core.options.credentials import Credentials
    from greenmongo._core.sdam.server_description import ServerDescription
    from greenmongo._core.types import Address, Conversation, Document
    from greenmongo._net.awaiting import Await
    from greenmongo._net.holder import Holder
    from greenmongo._net.observers.command import CommandMonitoring
    from greenmongo._net.stream import Stream
    from greenmongo._wire.framer import Message

__all__ = ["Connection", "Exchange", "next_request_id"]

_request_ids = itertools.count(1)


def next_request_id() -> int:
    """Return a positive int32, unique for as long as any reply can be outstanding."""
    return next(_request_ids) & 0x7FFFFFFF


@dataclass(slots=True)
class Exchange:
    """A command that was sent and whose reply has not been read."""

    request_id: int | None
    """None if the reply is one that was not asked for singly."""
    lsid: Document | None
    """The session it runs in, by which the server can be told to end it."""
    is_exclusive: bool
    """Nothing else is in that session, no open cursor either."""
    streams: bool = False
    """Further replies may follow without being asked for."""
    on_over: Callable[[], object] | None = None
    """To be called when nobody waits for the reply, and it has come or was given up."""


class Connection:
    """A socket to one server, ready for commands. Hub side only."""

    __slots__ = (
        "_received",
        "awaits",
        "checkout_published",
        "compressor",
        "credentials",
        "description",
        "generation",
        "heir",
        "holder",
        "idle_since",
        "monitoring",
        "number",
        "pending",
        "sasl_mechanisms",
        "server_connection_id",
        "service_id",
        "state",
        "stream",
        "streaming",
        "timeout",
    )

    def __init__(self, stream: Stream, number: int, generation: int, timeout: float | None) -> None:
        self.stream = stream
        self.number = number
        """The driver's own id of this connection, counted per pool from 1."""
        self.generation = generation
        self.timeout = timeout
        """Seconds to wait for a reply, None for ever."""
        self.description: ServerDescription | None = None
        """What the server said in this connection's own handshake."""
        self.compressor: Compressor | None = None
        """What the handshake agreed on for messages to the server."""
        self.credentials: Credentials | None = None
        """Who it is logged in as."""
        self.sasl_mechanisms: Sequence[str] = ()
        """Those the server offered to that user."""
        self.server_connection_id: int | None = None
        """The server's own id of this connection, as in its logs."""
        self.service_id: ObjectId | None = None
        """The server that was reached behind a load balancer; None without one."""
        self.idle_since = monotonic()
        self.holder: Holder | None = None
        """What this connection is bound to."""
        self.awaits: Await | None = None
        """The wait for news that it is used for now."""
        self.heir: Holder | None = None
        """What it is bound to when its holder lets it go."""
        self.pending: Exchange | None = None
        """Whose reply has not been read."""
        self.streaming: Exchange | None = None
        """Whose next reply is on its way, and nobody waits for it now."""
        self._received: Message | None = None
        """The message of the pending reply, once it is here."""
        self.state = ConnectionState.PENDING
        """Changed by its pool alone, once it is established."""
        self.monitoring: CommandMonitoring | None = None
        """Observes the driver's own commands; None for heartbeats and handshakes."""
        self.checkout_published = False
        """Its checkout was published, so its return will be: CMAP, "Connection Pool Monitoring"."""

    def __repr__(self) -> str:
        state = "broken" if not self.stream.is_open else "pending" if self.pending else "ready"
        return f"<Connection #{self.number} to {format_address(self.address)} {state}>"

    @property
    def address(self) -> Address:
        """The server's address."""
        return self.stream.address

    @property
    def is_usable(self) -> bool:
        """Whether a command can be sent now."""
        return self.stream.is_open and self.pending is None

    def exchange(
        self,
        message: bytes | memoryview,
        request_id: int,
        *,
        lsid: Document | None = None,
        is_exclusive: bool = False,
        streams: bool = False,
        timeout: float | None = None,
    ) -> bytes | memoryview:
        """Send a message and return the BSON body of its reply, where it lies if it is large.

        With `streams` further replies may follow: then this is `streaming`.

        Raises:
            AutoReconnect: the connection broke.
            NetworkTimeout: no reply in time.
            ProtocolError: the reply makes no sense; the connection is closed.
        """
        if timeout is None:
            timeout = self.timeout
        self.pending = exchange = Exchange(request_id, lsid, is_exclusive, streams)
        self.stream.send(message, timeout)
        return self._read_reply(exchange, timeout)

    def read_on(self, timeout: float | None) -> bytes | memoryview:
        """Return the body of the next reply of one that is `streaming`.

        Raises:
            AutoReconnect, NetworkTimeout, ProtocolError: as `exchange`.
        """
        exchange = self.leave_stream()
        assert exchange is not None
        return self._read_reply(exchange, self.timeout if timeout is None else timeout)

    def leave_stream(self) -> Exchange | None:
        """Make a stream, if there is one, an exchange that must be finished; return that."""
        if self.streaming is not None:
            self.pending, self.streaming = self.streaming, None
        return self.pending

    def send_only(self, message: bytes | memoryview) -> None:
        """Send a message that is never answered (moreToCome)."""
        self.stream.send(message, self.timeout)

    def finish(self, timeout: float | None) -> bytes | memoryview | None:
        """Read the reply that nobody waits for any more, if there is one, and return its body.

        Of a stream it is the last one.

        Raises:
            AutoReconnect, NetworkTimeout, ProtocolError: as `exchange`.
        """
        deadline = None if timeout is None else monotonic() + timeout
        body = None
        while (exchange := self.leave_stream()) is not None:
            left = None if deadline is None else deadline - monotonic()
            if left is not None and left <= 0 and body is not None:
                raise NetworkTimeout(f"{format_address(self.address)}: the stream has not ended")
            body = self._read_reply(exchange, left)
        return body

    def command(
        self, document: Document, *, db: str = "admin", timeout: float | None = None
    ) -> Document:
        """Send one command of the driver's own and return the reply, errors included.

        Args:
            document: the command.
            db: the database it goes to.
            timeout: seconds to wait for the reply, None for the connection's own.
        """
        request_id = next_request_id()
        body = {**document, "$db": db}
        message = encode_op_msg(request_id, bson.encode(body))
        if self.compressor is not None and may_compress(next(iter(document))):
            message = compress_message(message, self.compressor)
        monitoring = self.monitoring
        if monitoring is None or not monitoring.is_wanted():
            return self._decode(self.exchange(message, request_id, timeout=timeout))
        sensitive = is_sensitive(next(iter(document)), document)
        observer = monitoring.observe(self, body, db, request_id, is_sensitive=sensitive)
        try:
            observer.started(body)
            reply = self._decode(self.exchange(message, request_id, timeout=timeout))
        except BaseException as error:
            observer.failed(error)
            raise
        observer.answered(reply)
        return reply

    def converse(self, conversation: Conversation[Any], *, db: str) -> Any:
        """Drive a conversation to its conclusion."""
        try:
            document = next(conversation)
            while True:
                try:
                    reply = self.command(document, db=db)
                    check_reply(reply)
                except Exception as error:
                    document = conversation.throw(error)
                else:
                    document = conversation.send(reply)
        except StopIteration as conclusion:
            return conclusion.value

    def refuse(self, error: Exception) -> ProtocolError:
        """Close the connection, whose server cannot be understood; return what to raise."""
        self.close()
        return ProtocolError(f"{format_address(self.address)}: {error}")

    def close(self) -> None:
        """Close the socket. Idempotent."""
        self.stream.close()

    def _read_reply(self, exchange: Exchange, timeout: float | None) -> bytes | memoryview:
        request_id = exchange.request_id
        if request_id is not None and self._received is None:
            body = self.stream.read_body(request_id, timeout)
            if body is not None:
                self.pending = None
                self._check_silence()
                return body
        return self._read_unusual(exchange, timeout)

    def _check_silence(self) -> None:
        """Close the connection if something has come that nobody asked for.

        It would be taken for the reply to the next command.
        """
        if self.stream.framer.filled:
            self.close()

    def _read_unusual(self, exchange: Exchange, timeout: float | None) -> bytes | memoryview:
        """Read a reply that is compressed, has flags, or is none."""
        request_id = exchange.request_id
        received = self._received or self.stream.read_message(timeout)
        response_to, op_code, payload = received
        if request_id not in (None, response_to):
            raise self.refuse(
                WireError(
                    f"got the reply to request {response_to} while waiting for the reply to "
                    f"request {request_id}"
                )
            )
        limit = self.stream.framer.max_message_size
        try:
            if op_code == OP_COMPRESSED and takes_long(payload):
                message = self._read_elsewhere(received, limit)
            else:
                message = read_reply(op_code, payload, max_message_size=limit)
            more = bool(message.flags & MORE_TO_COME)
            if more and not exchange.streams:
                raise WireError("the server announces more replies than were asked for")
        except WireError as error:
            raise self.refuse(error) from error
        self.pending = self._received = None
        if more:
            # It answers the server's own last reply: there is no request to compare it with.
            self.streaming = replace(exchange, request_id=None)
        else:
            self._check_silence()
        return message.body

    def _read_elsewhere(self, received: Message, limit: int) -> MessageBody:
        """Read a reply that takes long to inflate, while the hub does other things.

        A caller may leave meanwhile; then whoever finishes the exchange finds the message here.
        """
        response_to, op_code, payload = received
        if len(payload) <= SMALL_MESSAGE:
            # It lies where the next one will.
            payload = memoryview(bytes(payload))
        self._received = response_to, op_code, payload
        return compute(lambda: read_reply(op_code, payload, max_message_size=limit))

    def _decode(self, body: bytes | memoryview) -> Document:
        try:
            reply = decode_own(body)
            check_reply_shape(ReplyShape.NOTHING, reply)
        except (BSONError, ShapeError) as error:
            raise self.refuse(error) from error
        return reply
