"""The sixteen bytes before every message, and what may stand in them."""

from __future__ import annotations

import struct

__all__ = [
    "DEFAULT_MAX_MESSAGE_SIZE",
    "HEADER",
    "OP_COMPRESSED",
    "OP_MSG",
    "OP_CODES",
    "OP_REPLY",
    "SMALL_MESSAGE",
]

HEADER = struct.Struct("<iiii")
"""The message's length, the header included; requestID, responseTo, opCode."""

OP_REPLY = 1
OP_COMPRESSED = 2012
OP_MSG = 2013

DEFAULT_MAX_MESSAGE_SIZE = 48_000_000
"""`maxMessageSizeBytes` of every server so far, allowed until a hello says otherwise."""

SMALL_MESSAGE = 16 * 1024
"""Bytes of a message that is copied out of a buffer used again and again."""

OP_CODES = frozenset((OP_REPLY, OP_COMPRESSED, OP_MSG))
"""Those of a server's messages."""
