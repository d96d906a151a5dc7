"""OP_REPLY, the reply before there was OP_MSG: nobody asks for it, but it can be understood."""

from __future__ import annotations

import struct
from typing import NamedTuple

from greenmongo._wire.errors import WireError
from greenmongo._wire.op_msg import read_document

__all__ = ["CURSOR_NOT_FOUND", "QUERY_FAILURE", "ReplyBody", "decode_op_reply"]

CURSOR_NOT_FOUND = 1 << 0
QUERY_FAILURE = 1 << 1

_REPLY = struct.Struct("<iqii")  # flags, cursor id, startingFrom, numberReturned


class ReplyBody(NamedTuple):
    """What an OP_REPLY carries."""

    flags: int
    cursor_id: int
    documents: tuple[bytes, ...]


def decode_op_reply(payload: bytes | memoryview) -> ReplyBody:
    """Read what follows the header of an OP_REPLY.

    Raises:
        WireError: the payload is cut short, or its documents are not as many as it says.
    """
    if len(payload) < _REPLY.size:
        raise WireError(f"an OP_REPLY needs {_REPLY.size} bytes or more, got {len(payload)}")
    flags, cursor_id, _, count = _REPLY.unpack_from(payload)
    documents = []
    at, end = _REPLY.size, len(payload)
    while at < end:
        document = read_document(payload, at, end)
        documents.append(document)
        at += len(document)
    if len(documents) != count:
        raise WireError(f"an OP_REPLY says it has {count} documents and has {len(documents)}")
    return ReplyBody(flags, cursor_id, tuple(documents))
