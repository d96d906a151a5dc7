"""One command there and back on a connection: encode, observe, send, receive, decode, check.

Hub side only. `round_trip` is the only way of an operation to the wire: whatever must see each
command and each reply as documents belongs into it.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

import bson
from bson.errors import BSONError
from pymongo.errors import ConfigurationError, ExecutionTimeout, NotPrimaryError

from greenmongo._core.bulk.batches import check_message_size, check_statement_sizes
from greenmongo._core.command_body import (
    complete_body,
    decode_reply,
    decodes_plainly,
    drop_wtimeout,
    read_preference_field,
)
from greenmongo._core.cursors.opened import kill_command_for, opened_cursor
from greenmongo._core.cursors.undecoded_batch import DECODE_CHUNK
from greenmongo._core.damaged_reply import DamagedReply
from greenmongo._core.pool_rules import HolderKind
from greenmongo._core.reply_shape import ShapeError, check_reply_shape
from greenmongo._core.sdam.kinds import ServerKind
from greenmongo._core.sdam.server_description import ServerDescription
from greenmongo._core.server_codes import SERVER_8_0_WIRE_VERSION
from greenmongo._core.types import format_address
from greenmongo._core.user_code import codecs_are_users, is_quickly_encoded
from greenmongo._hub.checkpoint import checkpoint
from greenmongo._hub.offload import compute
from greenmongo._hub.upcall import upcall
from greenmongo._net.large_reply import decode_batch, receive_damaged, receive_large
from greenmongo._net.operation_session import absorb_reply
from greenmongo._net.time_limit import has_timeout
from greenmongo._net.unread_reply import close_unread
from greenmongo._wire.compression import compress_message
from greenmongo._wire.errors import WireError
from greenmongo._wire.op_msg import EXHAUST_ALLOWED, MORE_TO_COME, encode_op_msg

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bson.codec_options import CodecOptions

    from greenmongo._core.command import Command, Requirement
    from greenmongo._core.deadline import Deadline
    from greenmongo._core.sessions.client_session import SessionState
    from greenmongo._core.types import Address, Document, ReadMode
    from greenmongo._net.connection import Connection
    from greenmongo._net.observers.tracing import OperationTrace
    from greenmongo._net.operation_context import OperationContext
    from greenmongo._wire.compression import Compressor

__all__ = ["complete_for", "round_trip"]


def complete_for(
    context: OperationContext,
    command: Command,
    address: Address,
    preference: ReadMode | None,
    session: SessionState | None,
    txn_number: int | None,
    deadline: Deadline | None,
) -> tuple[Document, float | None]:
    """Return a command's whole document as one server is to get it now, and its socket timeout.

    Args:
        context: the client.
        command: what is sent.
        address: the server.
        preference: how it was chosen, None for an operation that needs a writable server.
        session: what the command runs in.
        txn_number: of a retryable write.
        deadline: of the operation.

    Raises:
        ExecutionTimeout: there is no time left for the server.
        NotPrimaryError: nobody would hear of the server's refusal.
    """
    topology = context.topology.description
    # What left the deployment just now may still answer; that will be seen.
    known = topology.servers.get(address) or ServerDescription.unknown(address)
    if not command.acknowledged and known.kind is ServerKind.RS_SECONDARY:
        raise NotPrimaryError("not primary: an unacknowledged write needs the primary")
    timeout, max_time_ms = command.socket_timeout, None
    if deadline is not None:
        timeout, max_time_ms = _time_left(deadline, known)
    mode: Document | None = None
    if command.address is None:
        # Otherwise it is getMore or killCursors: any member reads on what it has begun.
        mode = read_preference_field(
            preference, topology.kind, known.kind, strict_primary=context.options.strict_primary
        )
    body = complete_body(
        command,
        session=session,
        txn_number=txn_number,
        cluster_time=context.sessions.cluster_time,
        read_preference=mode,
        max_time_ms=max_time_ms,
        server_api=context.options.server_api,
    )
    if deadline is None and "writeConcern" in body and has_timeout(context.options.timeout):
        # The timeout is 0, for ever.
        drop_wtimeout(body)
    return body, timeout


def _time_left(deadline: Deadline, server: ServerDescription) -> tuple[float, int]:
    """Return the seconds for the exchange and the milliseconds for the server.

    CSOT, "Command Execution": the server gets what is left less one round trip.

    Raises:
        ExecutionTimeout: there are none left for the server.
    """
    now = monotonic()
    timeout = deadline.remaining(now)
    max_time_ms = deadline.as_max_time_ms(now, server.min_round_trip_time or 0.0)
    if max_time_ms <= 0:
        raise ExecutionTimeout(
            f"{format_address(server.address)}: the operation would exceed timeoutMS, "
            f"remaining timeout: {timeout:.5f} s"
        )
    return timeout, max_time_ms


def round_trip(
    context: OperationContext,
    connection: Connection,
    command: Command,
    body: Document,
    request_id: int,
    operation_id: int,
    session: SessionState | None,
    timeout: float | None,
    trace: OperationTrace | None = None,
) -> Document:
    """Send a command and return the server's reply, whatever it says.

    Args:
        context: the client.
        connection: where to.
        command: what is sent.
        body: its whole document, with all that was added to it for this server.
        request_id: of the message.
        operation_id: ties the commands of one operation together, for listeners.
        session: what it runs in.
        timeout: the seconds it may take.
        trace: the span of the operation, if the client traces.

    Raises:
        PyMongoError: it was not sent, or no reply came, or none that makes sense.
    """
    if connection.streaming is None:
        message = _message_for(context, connection, command, body, request_id, session)
    else:
        # Nothing is sent. PyMongo's listeners see it as a command with this number.
        message, request_id = b"", 0
    monitoring = context.command_monitoring
    if not monitoring.is_wanted():
        return _send_and_receive(
            context, connection, command, message, request_id, session, timeout
        )
    observer = monitoring.observe(
        connection,
        body,
        command.db,
        request_id,
        operation_id,
        is_sensitive=command.is_sensitive,
        trace=trace,
    )
    try:
        observer.started(body, command)
        reply = _send_and_receive(
            context, connection, command, message, request_id, session, timeout
        )
        shown = _shown(context, connection, command, reply)
    except BaseException as error:
        observer.failed(error)
        raise
    observer.answered(shown, command.tolerates)
    return reply


def _message_for(
    context: OperationContext,
    connection: Connection,
    command: Command,
    body: Document,
    request_id: int,
    session: SessionState | None,
) -> bytes | memoryview:
    """Return what is sent, if the server may be sent it."""
    known = connection.description
    if command.requires is not None:
        _check_requirement(command.requires, known)
    options = command.codec_options
    is_plain = options is context.plain_options or not codecs_are_users(options)
    if is_plain and is_quickly_encoded(command.body.values()):
        encoded = bson.encode(body, codec_options=options)
    else:
        encoded = upcall(lambda: bson.encode(body, codec_options=options))
    flags = 0
    if not command.acknowledged:
        flags = MORE_TO_COME
    elif command.streams and _may_stream(connection, session):
        flags = EXHAUST_ALLOWED
    message = encode_op_msg(
        request_id, encoded, flags=flags, sequences=command.sequences, checkpoint=checkpoint
    )
    if known is not None and command.operation_id is None:
        # Whether one of many documents is too large, the server judges better.
        if len(message) > known.max_bson_size:
            check_message_size(command.name, len(message), known.max_bson_size)
        if not command.acknowledged:
            _check_unacknowledged(command, len(message), known)
    if connection.compressor is not None and command.may_compress:
        return _compress(message, connection.compressor)
    return message


def _shown(
    context: OperationContext, connection: Connection, command: Command, reply: Document
) -> Document:
    """Return a reply as observers may see it."""
    try:
        return decode_batch(reply)
    except Exception:
        raise
    except BaseException:
        close_unread(context, connection, command, kill_command_for(reply.get("cursor")))
        raise


def _check_requirement(required: Requirement, server: ServerDescription | None) -> None:
    if server is not None and server.max_wire_version < required.wire_version:
        raise required.error(required.message)


def _may_stream(connection: Connection, session: SessionState | None) -> bool:
    """Tell whether a cursor may have a connection for itself.

    Not that of a request or a transaction, whose other operations need it; nor is a session of
    the caller's for it alone.
    """
    holder = connection.holder
    is_own = session is None or session.is_implicit
    return is_own and (holder is None or holder.kind is HolderKind.CURSOR)


def _compress(message: bytes | memoryview, compressor: Compressor) -> bytes:
    if len(message) < compressor.slow_size:
        return compress_message(message, compressor)
    return compute(lambda: compress_message(message, compressor))


def _check_unacknowledged(command: Command, size: int, server: ServerDescription) -> None:
    """Refuse what the server would refuse without anybody hearing of it."""
    statements = command.body.get("updates") or command.body.get("deletes") or ()
    if size > server.max_bson_size:
        sizes = upcall(lambda: _sizes_of(statements, command.codec_options))
        check_statement_sizes(command.name, sizes, server.max_bson_size)
    if server.max_wire_version < SERVER_8_0_WIRE_VERSION and any(
        "sort" in each for each in statements
    ):
        raise ConfigurationError(
            "Must be connected to MongoDB 8.0+ to use sort on unacknowledged update commands."
        )


def _sizes_of(statements: Iterable[Document], options: CodecOptions[Any]) -> list[int]:
    return [len(bson.encode(each, codec_options=options)) for each in statements]


def _send_and_receive(
    context: OperationContext,
    connection: Connection,
    command: Command,
    message: bytes | memoryview,
    request_id: int,
    session: SessionState | None,
    timeout: float | None,
) -> Document:
    if not command.acknowledged:
        connection.send_only(message)
        return {"ok": 1.0}
    if connection.streaming is not None:
        body = connection.read_on(timeout)
    else:
        body = connection.exchange(
            message,
            request_id,
            lsid=None if session is None else session.server_session.lsid,
            is_exclusive=session is None or session.is_implicit,
            streams=command.streams and _may_stream(connection, session),
            timeout=timeout,
        )
    try:
        return _take_apart(context, connection, command, body, session)
    except Exception:
        raise
    except BaseException:
        close_unread(context, connection, command, opened_cursor(body))
        raise


def _take_apart(
    context: OperationContext,
    connection: Connection,
    command: Command,
    body: bytes | memoryview,
    session: SessionState | None,
) -> Document:
    """Return a reply that has come, decoded and checked. Others may have their turn meanwhile."""
    options, sequences = command.codec_options, command.sequences
    reply: Document
    try:
        if len(body) <= DECODE_CHUNK:
            if options is context.plain_options and command.user_documents:
                # Nearly always: it is known how. As `_decode`, without the call.
                reply = bson.decode(bytes(body), options)
            else:
                reply = _decode(context, command, bytes(body))
        elif command.user_documents:
            reply = receive_large(body, options, lambda part: _decode(context, command, part))
        else:
            reply = upcall(lambda: bson.decode(bytes(body)))
    except Exception as error:
        # What a decoder of the user's raises may be anything.
        reply = _receive_damaged(context, connection, command, body, session, error)
    try:
        check_reply_shape(command.shape, reply, len(sequences[0].documents) if sequences else None)
    except ShapeError as error:
        raise connection.refuse(error) from error
    return reply


def _receive_damaged(
    context: OperationContext,
    connection: Connection,
    command: Command,
    body: bytes | memoryview,
    session: SessionState | None,
    error: Exception,
) -> Document:
    """Return a reply whose decoding has failed, if it can be used all the same.

    Raises:
        ProtocolError: the server talks nonsense, so the connection was closed.
        Exception: `error`, as its reply has nothing more to say.
    """
    try:
        return receive_damaged(body, command, error)
    except DamagedReply as damaged:
        absorb_reply(context, session, damaged.reply)
    except (BSONError, WireError) as nonsense:
        raise connection.refuse(nonsense) from nonsense
    raise error


def _decode(context: OperationContext, command: Command, body: bytes) -> Document:
    if not command.user_documents:
        return bson.decode(body)
    options = command.codec_options
    if options is not context.plain_options:
        if codecs_are_users(options):
            return upcall(lambda: decode_reply(body, options))
        if not decodes_plainly(options):
            return decode_reply(body, options)
        # Found out once: nearly all operations of a client share one options object.
        context.plain_options = options
    document: Document = bson.decode(body, options)
    return document
