"""The sixteen bytes before every message, and what may stand in them."""

from __future__ import annotations

import struct
from typing import NamedTuple

from greenmongo._wire.errors import WireError

__all__ = [
    "DEFAULT_MAX_MESSAGE_SIZE",
    "HEADER",
    "OP_COMPRESSED",
    "OP_MSG",
    "OP_REPLY",
    "SMALL_MESSAGE",
    "Header",
    "parse_header",
]

HEADER = struct.Struct("<iiii")

OP_REPLY = 1
OP_COMPRESSED = 2012
OP_MSG = 2013

DEFAULT_MAX_MESSAGE_SIZE = 48_000_000
"""`maxMessageSizeBytes` of every server so far, allowed until a hello says otherwise."""

SMALL_MESSAGE = 16 * 1024
"""Bytes of a message that is copied out of a buffer used again and again."""

_OP_CODES = frozenset((OP_REPLY, OP_COMPRESSED, OP_MSG))
_HEADER_SIZE = HEADER.size


class Header(NamedTuple):
    """A message header; `length` counts the header itself."""

    length: int
    request_id: int
    response_to: int
    op_code: int


def parse_header(
    buffer: bytes | bytearray | memoryview,
    offset: int = 0,
    *,
    max_message_size: int = DEFAULT_MAX_MESSAGE_SIZE,
) -> Header:
    """Read the header at `offset`.

    Raises:
        WireError: the header is cut short, or its length or opcode cannot be right.
    """
    if len(buffer) - offset < _HEADER_SIZE:
        raise WireError(f"a message header needs 16 bytes, got {max(0, len(buffer) - offset)}")
    header = Header._make(HEADER.unpack_from(buffer, offset))
    if not _HEADER_SIZE <= header.length <= max_message_size:
        raise WireError(
            f"message length {header.length} is not between {_HEADER_SIZE} and {max_message_size}"
        )
    if header.op_code not in _OP_CODES:
        raise WireError(f"unknown opcode {header.op_code}")
    return header
