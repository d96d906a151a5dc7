"""What a server that is broken, or means harm, sends instead of a reply."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping
from functools import partial

import bson

from tests.support.fix_scripted import (
    Manner,
    ScriptedConnection,
    by_half_then_hang_up,
    garbage,
    hang_up,
    huge_length,
    reset,
    to_another_request,
)

__all__ = ["BREAKS", "NONSENSE", "ZLIB_BOMB"]

_OP_REPLY, _OP_COMPRESSED, _OP_MSG = 1, 2012, 2013
_ZLIB = 2


def _inflating_to(size: int) -> bytes:
    squeezer = zlib.compressobj()
    parts = [squeezer.compress(bytes(1 << 20)) for _ in range(size >> 20)]
    return b"".join((*parts, squeezer.flush()))


ZLIB_BOMB = _inflating_to(200 << 20)
"""200 KB that become 200 MB."""


def _message(message: bytes, payload: bytes, op_code: int = _OP_MSG, by: int = 0) -> bytes:
    """Return a message with the ids of another; its length is wrong `by` so many bytes."""
    length = 16 + len(payload) + by
    return struct.pack("<i", length) + message[4:12] + struct.pack("<i", op_code) + payload


def _body(payload: bytes, flags: int = 0, kind: int = 0) -> bytes:
    return struct.pack("<IB", flags, kind) + payload


def _compressed(declared: int, data: bytes, inside: int = _OP_MSG, by: int = _ZLIB) -> bytes:
    return struct.pack("<iiB", inside, declared, by) + data


def _nested(depth: int) -> bytes:
    document = b"\x05\0\0\0\0"
    for _ in range(depth):
        document = struct.pack("<i", len(document) + 8) + b"\x03a\0" + document + b"\0"
    return document


def _of_length(length: int, connection: ScriptedConnection, message: bytes) -> None:
    connection.send(struct.pack("<i", length) + message[4:])


def _instead(
    payload: Callable[[], bytes],
    op_code: int,
    connection: ScriptedConnection,
    message: bytes,
) -> None:
    connection.send(_message(message, payload(), op_code))


def _payload(payload: bytes, op_code: int = _OP_MSG) -> Manner:
    return partial(_instead, lambda: payload, op_code)


_OK = bson.encode({"ok": 1.0})
_NO_BSON = struct.pack("<i", 12) + b"\x7f" + b"garbage"[:6] + b"\0"

BREAKS: Mapping[str, Manner] = {
    "half a message": by_half_then_hang_up,
    "nothing": hang_up,
    "a reset": reset,
}
"""The connection ends: an error of the network."""

NONSENSE: Mapping[str, Manner] = {
    "a web page": garbage,
    "a huge length": huge_length,
    "a length of nothing": partial(_of_length, 0),
    "a length below the header's": partial(_of_length, 15),
    "a negative length": partial(_of_length, -(2**31)),
    "a length above the limit": partial(_of_length, 49_000_000),
    "another request's reply": to_another_request,
    "an unknown opcode": _payload(b"", 2010),
    "no flags": _payload(b""),
    "an unknown flag": _payload(_body(_OK, flags=1 << 5)),
    "more to come": _payload(_body(_OK, flags=2)),
    "no body": _payload(_body(struct.pack("<i", 6) + b"s\0", kind=1)),
    "two bodies": _payload(_body(_OK) + b"\0" + _OK),
    "an unknown section": _payload(_body(_OK, kind=9)),
    "a body cut short": _payload(_body(_OK[:-3])),
    "a body with a huge length": _payload(_body(struct.pack("<i", 2**31 - 1) + _OK[4:])),
    "no bson": _payload(_body(_NO_BSON)),
    "documents without end": _payload(_body(_nested(20_000))),
    "two old replies": _payload(struct.pack("<iqii", 8, 0, 0, 2) + _OK * 2, _OP_REPLY),
    "an old reply of no documents": _payload(struct.pack("<iqii", 8, 0, 0, 0), _OP_REPLY),
    "a bomb that owns up": _payload(_compressed(200 << 20, ZLIB_BOMB), _OP_COMPRESSED),
    "a bomb in disguise": _payload(_compressed(1000, ZLIB_BOMB), _OP_COMPRESSED),
    "an unknown compressor": _payload(_compressed(5, b"12345", by=77), _OP_COMPRESSED),
    "no compressed data": _payload(_compressed(5, b"12345"), _OP_COMPRESSED),
    "a negative size": _payload(_compressed(-1, b""), _OP_COMPRESSED),
    "a compressed message in another": _payload(
        _compressed(5, b"12345", inside=_OP_COMPRESSED), _OP_COMPRESSED
    ),
}
"""The connection is there, but what comes over it cannot be understood."""
