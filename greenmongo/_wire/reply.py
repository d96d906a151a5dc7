"""From the payload of a server's message to the one document in it, whatever carries it."""

from __future__ import annotations

from greenmongo._wire.compression import decompress_message
from greenmongo._wire.errors import WireError
from greenmongo._wire.header import (
    DEFAULT_MAX_MESSAGE_SIZE,
    OP_COMPRESSED,
    OP_MSG,
    OP_REPLY,
)
from greenmongo._wire.op_msg import MessageBody, decode_op_msg
from greenmongo._wire.op_reply import decode_op_reply

__all__ = ["read_reply"]


def read_reply(
    op_code: int,
    payload: bytes | memoryview,
    *,
    max_message_size: int = DEFAULT_MAX_MESSAGE_SIZE,
) -> MessageBody:
    """Read the reply to a command.

    Raises:
        WireError: the message is none, or holds more or less than one document.
    """
    if op_code == OP_COMPRESSED:
        op_code, payload = decompress_message(payload, max_message_size=max_message_size)
    if op_code == OP_MSG:
        return decode_op_msg(payload)
    if op_code == OP_REPLY:
        documents = decode_op_reply(payload).documents
        if len(documents) != 1:
            raise WireError(f"{len(documents)} documents in the reply to a command")
        return MessageBody(0, documents[0])
    raise WireError(f"opcode {op_code} is not a reply")
