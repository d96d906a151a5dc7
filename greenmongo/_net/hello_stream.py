"""Replies to one hello that the server sends one after another (OP_MSG, `exhaustAllowed`).

Everywhere else a reply that announces another one is a protocol error. Here it is expected, and
said to be: whoever reads knows from `has_more` whether to ask or to read on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import bson
from bson.errors import BSONError

from greenmongo._core.command import ReplyShape
from greenmongo._core.damaged_reply import decode_own
from greenmongo._core.reply_shape import ShapeError, check_reply_shape
from greenmongo._net.connection import Exchange, next_request_id
from greenmongo._wire.errors import WireError
from greenmongo._wire.header import OP_MSG
from greenmongo._wire.op_msg import EXHAUST_ALLOWED, MORE_TO_COME, decode_op_msg, encode_op_msg

if TYPE_CHECKING:
    from greenmongo._core.types import Document
    from greenmongo._net.connection import Connection

__all__ = ["HelloStream"]


class HelloStream:
    """The hellos of one connection that nothing else uses meanwhile. Hub side only."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def has_more(self) -> bool:
        """Whether the server sends another reply without being asked."""
        return self._connection.pending is not None

    def ask(self, document: Document, timeout: float | None) -> Document:
        """Send a hello that may be answered many times, and return the first reply.

        Raises:
            AutoReconnect: the connection broke.
            NetworkTimeout: no reply in `timeout` seconds.
            ProtocolError: the reply makes no sense; the connection is closed.
        """
        # Server Monitoring, "Streaming hello or legacy hello"
        connection, request_id = self._connection, next_request_id()
        body = bson.encode({**document, "$db": "admin"})
        connection.pending = Exchange(request_id, None, False)
        connection.stream.send(
            encode_op_msg(request_id, body, flags=EXHAUST_ALLOWED), connection.timeout
        )
        return self._read(timeout, request_id)

    def read(self, timeout: float | None) -> Document:
        """Return the next reply, if there `has_more`.

        Raises:
            AutoReconnect, NetworkTimeout, ProtocolError: as `ask`.
        """
        # It answers the server's own last reply: there is no request of ours to compare it with.
        return self._read(timeout, None)

    def _read(self, timeout: float | None, request_id: int | None) -> Document:
        connection = self._connection
        response_to, op_code, payload = connection.stream.read_message(timeout)
        try:
            if op_code != OP_MSG or request_id not in (None, response_to):
                raise WireError(f"opcode {op_code}, the reply to request {response_to}, to a hello")
            message = decode_op_msg(payload)
            reply = decode_own(message.body)
            check_reply_shape(ReplyShape.NOTHING, reply)
        except (WireError, BSONError, ShapeError) as error:
            raise connection.refuse(error) from error
        if not message.flags & MORE_TO_COME:
            connection.pending = None
            if connection.stream.has_input():
                # It would be taken for the reply to the next command.
                connection.close()
        return reply
