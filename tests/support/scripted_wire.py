"""The server's side of the wire protocol, for fakes.

Written apart from `greenmongo._wire` on purpose: a mistake there must not be mirrored here.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Any

import bson

from tests.support.native import NativeSocket

__all__ = ["MORE_TO_COME", "OP_COMPRESSED", "OP_MSG", "OP_QUERY", "Request", "read_request"]

OP_QUERY, OP_COMPRESSED, OP_MSG = 2004, 2012, 2013
MORE_TO_COME = 2

_ZLIB = 2


@dataclass(frozen=True)
class Request:
    """A command as it came in, its document sequences put into the document."""

    request_id: int
    op_code: int
    flags: int
    document: dict[str, Any]
    compressed: bool
    size: int

    @property
    def wants_reply(self) -> bool:
        """Whether the sender waits for an answer."""
        return self.op_code == OP_QUERY or not self.flags & MORE_TO_COME

    def encode_reply(self, document: dict[str, Any], reply_id: int) -> bytes:
        """Return the message that answers this request."""
        body = bson.encode(document)
        if self.op_code == OP_QUERY:
            return _message(1, struct.pack("<iqii", 8, 0, 0, 1) + body, reply_id, self.request_id)
        payload = struct.pack("<IB", 0, 0) + body
        if not self.compressed:
            return _message(OP_MSG, payload, reply_id, self.request_id)
        prefix = struct.pack("<iiB", OP_MSG, len(payload), _ZLIB)
        return _message(OP_COMPRESSED, prefix + zlib.compress(payload), reply_id, self.request_id)


def read_request(connection: NativeSocket) -> Request | None:
    """Wait for the next request; None when the stream ends, also in the middle of a message.

    Raises:
        ValueError: the client sent something that is no command.
    """
    header = _read(connection, 16)
    if header is None:
        return None
    size, request_id, _, op_code = struct.unpack("<iiii", header)
    if not 16 < size <= 48_000_000:
        raise ValueError(f"a client sent the message length {size}")
    payload = _read(connection, size - 16)
    if payload is None:
        return None
    if compressed := op_code == OP_COMPRESSED:
        op_code, plain_size, compressor = struct.unpack_from("<iiB", payload)
        if compressor != _ZLIB:
            raise ValueError(f"a client used the compressor {compressor}")
        payload = zlib.decompress(payload[9:])
        if len(payload) != plain_size:
            raise ValueError(f"a client said {plain_size} bytes and compressed {len(payload)}")
    if op_code == OP_MSG:
        flags, document = _read_msg(payload)
    elif op_code == OP_QUERY:
        flags, document = _read_query(payload)
    else:
        raise ValueError(f"a client sent the opcode {op_code}")
    return Request(request_id, op_code, flags, document, compressed, size)


def _message(op_code: int, payload: bytes, request_id: int, response_to: int) -> bytes:
    return struct.pack("<iiii", 16 + len(payload), request_id, response_to, op_code) + payload


def _read(connection: NativeSocket, size: int) -> bytes | None:
    data = bytearray()
    while len(data) < size:
        try:
            chunk = connection.recv(min(size - len(data), 1 << 18))
        except OSError:
            return None
        if not chunk:
            return None
        data += chunk
    return bytes(data)


def _read_msg(payload: bytes) -> tuple[int, dict[str, Any]]:
    (flags,) = struct.unpack_from("<I", payload)
    if flags & 0xFFFF & ~MORE_TO_COME:
        raise ValueError(f"a client sent the flags {flags:#x}")
    at = 4
    bodies: list[dict[str, Any]] = []
    sequences: dict[str, list[dict[str, Any]]] = {}
    while at < len(payload):
        kind = payload[at]
        (size,) = struct.unpack_from("<i", payload, at + 1)
        section = payload[at + 1 : at + 1 + size]
        if kind == 0:
            bodies.append(bson.decode(section))
        elif kind == 1:
            name, _, documents = section[4:].partition(b"\0")
            sequences[name.decode()] = bson.decode_all(documents)
        else:
            raise ValueError(f"a client sent a section of kind {kind}")
        at += 1 + size
    if len(bodies) != 1:
        raise ValueError(f"a client sent {len(bodies)} body sections")
    return flags, {**bodies[0], **sequences}


def _read_query(payload: bytes) -> tuple[int, dict[str, Any]]:
    (flags,) = struct.unpack_from("<i", payload)
    namespace, _, rest = payload[4:].partition(b"\0")
    document = bson.decode(rest[8:])
    document = document.get("$query", document)
    return flags, {**document, "$db": namespace.decode().partition(".")[0]}
