"""The one legacy exchange left: a hello sent as OP_QUERY, answered with OP_REPLY.

Servers that may predate OP_MSG are greeted this way, as the handshake specification asks.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from greenmongo._wire.errors import WireError
from greenmongo._wire.header import HEADER, OP_QUERY
from greenmongo._wire.op_msg import read_document

__all__ = ["CURSOR_NOT_FOUND", "QUERY_FAILURE", "ReplyBody", "decode_op_reply", "encode_op_query"]

CURSOR_NOT_FOUND = 1 << 0
QUERY_FAILURE = 1 << 1

_SECONDARY_OK = 1 << 2
_NUMBERS = struct.Struct("<ii")  # skip, numberToReturn
_ONE_AND_CLOSE = -1
_REPLY = struct.Struct("<iqii")  # flags, cursor id, startingFrom, numberReturned
_INT = struct.Struct("<i")


class ReplyBody(NamedTuple):
    """What an OP_REPLY carries."""

    flags: int
    cursor_id: int
    documents: tuple[bytes, ...]


def encode_op_query(request_id: int, body: bytes, *, namespace: str = "admin.$cmd") -> bytes:
    """Return the whole message that runs the command `body`, which is BSON already."""
    # A secondary answers a hello only with the secondaryOk bit set.
    query = b"".join(
        (
            _INT.pack(_SECONDARY_OK),
            namespace.encode() + b"\0",
            _NUMBERS.pack(0, _ONE_AND_CLOSE),
            body,
        )
    )
    return HEADER.pack(HEADER.size + len(query), request_id, 0, OP_QUERY) + query


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
