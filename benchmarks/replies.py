"""What the fixed-reply server says: encoded once, with only `responseTo` patched in.

It speaks enough of the wire protocol for drivers to connect, read, write and compress. It stores
nothing: a find of `things` returns the same document each time, one of `pair` needs one getMore,
and one of `many` returns 10,000 documents of 1 KB in a first batch and another, as mongod does. One
of `held` is never answered.
No topologyVersion is sent, so drivers poll instead of streaming hellos: monitoring stays quiet.
"""

from __future__ import annotations

import functools
import struct
import zlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

import bson
from bson.int64 import Int64

from benchmarks.measure import COLLECTION, DATABASE, DOCUMENT, HELD, MANY, PAIR, many_documents

__all__ = ["HEADER", "Truncated", "answer"]

OP_REPLY = 1
OP_QUERY = 2004
OP_COMPRESSED = 2012
OP_MSG = 2013

MORE_TO_COME = 2
AWAIT_CAPABLE = 8

ZLIB, ZSTD = 2, 3
"""Identifiers of compressors (specification "Wire Compression")."""

FIRST_BATCH = 101
"""Documents of a first batch, as mongod has it."""

HEADER = struct.Struct("<iiii")
_COMPRESSED = struct.Struct("<iiB")
# Flag bits 4, section kind 1, document length 4, type of the first element 1.
_COMMAND_NAME_AT = HEADER.size + 10

_HELLO: Mapping[str, Any] = {
    "helloOk": True,
    "ismaster": True,
    "isWritablePrimary": True,
    "maxBsonObjectSize": 16 * 1024 * 1024,
    "maxMessageSizeBytes": 48_000_000,
    "maxWriteBatchSize": 100_000,
    "localTime": datetime(2024, 1, 1, tzinfo=timezone.utc),
    "logicalSessionTimeoutMinutes": 30,
    "connectionId": Int64(1),
    "minWireVersion": 0,
    "maxWireVersion": 21,
    "readOnly": False,
    "compression": ["zlib", "zstd"],
    "ok": 1.0,
}
_UNKNOWN: Mapping[str, Any] = {
    "ok": 0.0,
    "errmsg": "no such command on the fixed-reply server",
    "code": 59,
    "codeName": "CommandNotFound",
}

Template = tuple[int, bytes]
"""The opcode and the body of a reply."""


class Truncated(ValueError):
    """A length that no message can have."""


def _op_msg(document: Mapping[str, Any]) -> Template:
    return OP_MSG, struct.pack("<iB", 0, 0) + bson.encode(document)


def _op_reply(document: Mapping[str, Any]) -> Template:
    prefix = struct.pack("<iqii", AWAIT_CAPABLE, 0, 0, 1)
    return OP_REPLY, prefix + bson.encode(document)


def _batch(
    documents: Iterable[Mapping[str, Any]], name: str, *, cursor: int = 0, first: bool = True
) -> Template:
    found = {
        "firstBatch" if first else "nextBatch": list(documents),
        "id": Int64(cursor),
        "ns": f"{DATABASE}.{name}",
    }
    return _op_msg({"cursor": found, "ok": 1.0})


_OLD_HELLO = _op_reply(_HELLO)
_NO_COMMAND = _op_msg(_UNKNOWN)
_OK = _op_msg({"ok": 1.0})
_HELLO_REPLY = _op_msg(_HELLO)
_ONE = _batch([DOCUMENT], COLLECTION)
_PLAIN: Mapping[bytes, Template] = {
    b"aggregate": _ONE,
    b"hello": _HELLO_REPLY,
    b"ismaster": _HELLO_REPLY,
    b"isMaster": _HELLO_REPLY,
    b"update": _op_msg({"n": 1, "nModified": 1, "ok": 1.0}),
    b"delete": _op_msg({"n": 1, "ok": 1.0}),
    b"findAndModify": _op_msg({"value": DOCUMENT, "ok": 1.0}),
    b"killCursors": _op_msg({"cursorsKilled": [], "ok": 1.0}),
    b"buildInfo": _op_msg({"version": "7.0.0", "versionArray": [7, 0, 0, 0], "ok": 1.0}),
    **dict.fromkeys((b"create", b"drop", b"dropDatabase", b"endSessions", b"ping"), _OK),
}
_PAIR_CURSOR, _MANY_CURSOR = 78, 79
_FINDS: Mapping[bytes, Template] = {
    PAIR.encode(): _batch([DOCUMENT, DOCUMENT], PAIR, cursor=_PAIR_CURSOR),
    MANY.encode(): _batch(many_documents()[:FIRST_BATCH], MANY, cursor=_MANY_CURSOR),
}
_GET_MORES: Mapping[int, Template] = {
    _PAIR_CURSOR: _batch([DOCUMENT], PAIR, first=False),
    _MANY_CURSOR: _batch(many_documents()[FIRST_BATCH:], MANY, first=False),
}


@functools.cache
def _wrote(count: int) -> Template:
    return _op_msg({"n": count, "ok": 1.0})


def _inserted(message: bytes, document_at: int) -> Template:
    """Count the documents that came in a section of kind 1; each insert here sends them so."""
    (size,) = struct.unpack_from("<i", message, document_at)
    at, count = document_at + size, 0
    if at < len(message) and message[at] == 1:
        end = at + 1 + struct.unpack_from("<i", message, at + 1)[0]
        at = message.index(0, at + 5) + 1
        while at < end:
            at += struct.unpack_from("<i", message, at)[0]
            count += 1
    return _wrote(count)


def _reply_to(message: bytes) -> Template | None:
    """Return the reply to one message; None if it expects none."""
    opcode = HEADER.unpack_from(message)[3]
    if opcode != OP_MSG:
        return _OLD_HELLO if opcode == OP_QUERY else None
    if message[HEADER.size] & MORE_TO_COME:
        return None
    name_end = message.index(0, _COMMAND_NAME_AT)
    name = message[_COMMAND_NAME_AT:name_end]
    if name == b"find":
        size = int.from_bytes(message[name_end + 1 : name_end + 5], "little")
        collection = message[name_end + 5 : name_end + 4 + size]
        return None if collection == HELD.encode() else _FINDS.get(collection, _ONE)
    if name == b"getMore":
        cursor = int.from_bytes(message[name_end + 1 : name_end + 9], "little")
        return _GET_MORES.get(cursor, _NO_COMMAND)
    if name == b"insert":
        return _inserted(message, HEADER.size + 5)
    return _PLAIN.get(name, _NO_COMMAND)


# --- compression ----------------------------------------------------------------------------


def _zstd() -> Any:
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        from backports import zstd
    return zstd


def _decompress(compressor: int, data: bytes) -> bytes:
    if compressor == ZLIB:
        return zlib.decompress(data)
    result: bytes = _zstd().decompress(data)
    return result


_compressed: dict[tuple[int, int], tuple[Template, Template]] = {}


def _compress(compressor: int, reply: Template) -> Template:
    """Return the reply as OP_COMPRESSED; each one that is said again is compressed once."""
    kept = _compressed.get((compressor, id(reply)))
    if kept is None:
        opcode, body = reply
        packed = zlib.compress(body) if compressor == ZLIB else _zstd().compress(body)
        packed = _COMPRESSED.pack(opcode, len(body), compressor) + packed
        kept = reply, (OP_COMPRESSED, packed)
        # The reply is kept too, so that no other can get its identity.
        _compressed[compressor, id(reply)] = kept
    return kept[1]


def _answer_one(message: bytes) -> Template | None:
    if HEADER.unpack_from(message)[3] != OP_COMPRESSED:
        return _reply_to(message)
    opcode, size, compressor = _COMPRESSED.unpack_from(message, HEADER.size)
    body = _decompress(compressor, message[HEADER.size + _COMPRESSED.size :])
    reply = _reply_to(HEADER.pack(HEADER.size + size, 0, 0, opcode) + body)
    return None if reply is None else _compress(compressor, reply)


def answer(data: bytes | bytearray) -> tuple[bytes, bytes | bytearray]:
    """Return the replies to all whole requests in `data`, and what is left of it.

    Raises:
        Truncated: a message claims to be shorter than its own header.
    """
    start, end = 0, len(data)
    replies: list[bytes] = []
    while end - start >= HEADER.size:
        length, request_id = struct.unpack_from("<ii", data, start)
        if length < HEADER.size:
            raise Truncated(f"message length {length} is less than a header")
        if end - start < length:
            break
        reply = _answer_one(bytes(data[start : start + length]))
        if reply is not None:
            opcode, body = reply
            replies += (HEADER.pack(HEADER.size + len(body), 1, request_id, opcode), body)
        start += length
    return b"".join(replies), data[start:]
