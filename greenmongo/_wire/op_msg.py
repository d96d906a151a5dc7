"""OP_MSG, the message every command and reply travels in (OP_MSG specification)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import NamedTuple

from greenmongo._wire.errors import WireError
from greenmongo._wire.gather import gather
from greenmongo._wire.header import OP_MSG, SMALL_MESSAGE

__all__ = [
    "CHECKSUM_PRESENT",
    "EXHAUST_ALLOWED",
    "MORE_TO_COME",
    "MessageBody",
    "decode_op_msg",
    "encode_op_msg",
    "plain_body",
    "read_document",
]

CHECKSUM_PRESENT = 1 << 0
MORE_TO_COME = 1 << 1
EXHAUST_ALLOWED = 1 << 16

# Bits 0-15 change how a message must be read, so an unknown one is an error; the others are hints.
_UNKNOWN_REQUIRED = 0xFFFF & ~(CHECKSUM_PRESENT | MORE_TO_COME)

_LARGE_MESSAGE = 1024 * 1024

_MEASURED = 10_000
"""Documents whose sizes are added up in one go: a quarter of a millisecond."""

_BODY_KIND = 0
_SEQUENCE_KIND = 1

_PREFIX = struct.Struct("<iiiiIB")  # header, flags and the kind byte of the body section
_PREFIX_SIZE = _PREFIX.size
_SECTION = struct.Struct("<Bi")  # kind and size of a document sequence
_FLAGS_KIND_SIZE = struct.Struct("<IBi")  # the start of a payload whose first section is the body
_read_start = _FLAGS_KIND_SIZE.unpack_from
_FLAGS = struct.Struct("<I")
_INT = struct.Struct("<i")

_CHECKSUM_SIZE = 4
_BODY_OFFSET = 5  # flags and kind byte: where the commonest reply's document starts
_SMALLEST_DOCUMENT = 5  # its size and the closing NUL


class MessageBody(NamedTuple):
    """What an OP_MSG carries: the flag bits, the body document and the document sequences."""

    flags: int
    body: bytes | memoryview
    """A view into the message if that is longer than `SMALL_MESSAGE` and holds nothing else."""
    sequences: tuple[tuple[str, tuple[bytes, ...]], ...] = ()


def encode_op_msg(
    request_id: int,
    body: bytes,
    *,
    flags: int = 0,
    sequences: Sequence[tuple[str, Sequence[bytes]]] = (),
    checkpoint: Callable[[], object] | None = None,
) -> bytes | memoryview:
    """Return the whole message, header included; `body` and the documents are BSON already.

    Args:
        request_id: of the message.
        body: the command.
        flags: what is to be known of the message.
        sequences: documents of the command, by the names of its fields.
        checkpoint: called now and then while a large message is put together.

    Raises:
        ValueError: `flags` promises a checksum, which this driver does not write.
    """
    if flags & CHECKSUM_PRESENT:
        raise ValueError("flags must not contain CHECKSUM_PRESENT: no checksum is written")
    size = _PREFIX_SIZE + len(body)
    if not sequences and (checkpoint is None or size <= _LARGE_MESSAGE):
        return _PREFIX.pack(size, request_id, 0, OP_MSG, flags, _BODY_KIND) + body
    parts: list[bytes] = [b"", body]
    for identifier, documents in sequences:
        name = identifier.encode() + b"\0"
        section_size = _INT.size + len(name) + _total(documents, checkpoint)
        size += 1 + section_size
        parts.append(_SECTION.pack(_SEQUENCE_KIND, section_size))
        parts.append(name)
        parts += documents
    parts[0] = _PREFIX.pack(size, request_id, 0, OP_MSG, flags, _BODY_KIND)
    if checkpoint is not None and size > _LARGE_MESSAGE:
        return gather(parts, size, checkpoint)
    return b"".join(parts)


def _total(documents: Sequence[bytes], checkpoint: Callable[[], object] | None) -> int:
    """Return how many bytes documents have."""
    if checkpoint is None or len(documents) <= _MEASURED:
        return sum(map(len, documents))
    size = 0
    for start in range(0, len(documents), _MEASURED):
        size += sum(map(len, documents[start : start + _MEASURED]))
        checkpoint()
    return size


def decode_op_msg(payload: bytes | memoryview) -> MessageBody:
    """Read what follows the header of an OP_MSG.

    A checksum, if there is one, is skipped and not verified: TCP and TLS have their own.

    Raises:
        WireError: the payload breaks the rules of OP_MSG in any way.
    """
    body = plain_body(payload, 0, len(payload))
    if body is not None:
        return MessageBody(0, body)
    return _decode_sections(payload)


def plain_body(message: bytes | memoryview, start: int, end: int) -> bytes | memoryview | None:
    """Return the document of an OP_MSG that has no flags and holds one document, nothing else.

    So is nearly every reply. None if it is another, or has something wrong with it.

    Args:
        message: what the OP_MSG lies in.
        start: where its payload begins.
        end: where its payload ends.
    """
    size = end - start
    if size < _BODY_OFFSET + _SMALLEST_DOCUMENT:
        return None
    flags, kind, document_size = _read_start(message, start)
    if flags or kind != _BODY_KIND or document_size != size - _BODY_OFFSET or message[end - 1]:
        return None
    if size > SMALL_MESSAGE:
        return memoryview(message)[start + _BODY_OFFSET : end]
    return bytes(message[start + _BODY_OFFSET : end])


def _decode_sections(payload: bytes | memoryview) -> MessageBody:
    """Read a payload of any shape, naming what is wrong with it."""
    if len(payload) < _FLAGS.size:
        raise WireError(f"an OP_MSG needs 4 bytes of flags, got {len(payload)}")
    (flags,) = _FLAGS.unpack_from(payload)
    if unknown := flags & _UNKNOWN_REQUIRED:
        raise WireError(f"unknown required flag bits {unknown:#06x} in an OP_MSG")
    end = len(payload) - (_CHECKSUM_SIZE if flags & CHECKSUM_PRESENT else 0)
    if end < _FLAGS.size:
        raise WireError(f"an OP_MSG of {len(payload)} bytes has no room for its checksum")
    body: bytes | None = None
    sequences: list[tuple[str, tuple[bytes, ...]]] = []
    at = _FLAGS.size
    while at < end:
        kind = payload[at]
        at += 1
        if kind == _BODY_KIND:
            if body is not None:
                raise WireError("an OP_MSG has more than one body section")
            body = read_document(payload, at, end)
            at += len(body)
        elif kind == _SEQUENCE_KIND:
            sequence, at = _sequence(payload, at, end)
            sequences.append(sequence)
        else:
            raise WireError(f"unknown section kind {kind} in an OP_MSG")
    if body is None:
        raise WireError("an OP_MSG has no body section")
    return MessageBody(flags, body, tuple(sequences))


def _sequence(
    payload: bytes | memoryview, at: int, end: int
) -> tuple[tuple[str, tuple[bytes, ...]], int]:
    """Read the document sequence whose size field is at `at`; return it and where it ends."""
    if end - at < _INT.size:
        raise WireError("a document sequence is cut short in its size")
    (size,) = _INT.unpack_from(payload, at)
    # The size counts itself and at least the NUL that ends the identifier.
    if not _INT.size < size <= end - at:
        raise WireError(f"document sequence size {size} does not fit in {end - at} bytes")
    section = bytes(payload[at + _INT.size : at + size])
    terminator = section.find(b"\0")
    if terminator < 0:
        raise WireError("the identifier of a document sequence does not end")
    try:
        identifier = section[:terminator].decode()
    except UnicodeDecodeError as error:
        raise WireError(f"document sequence identifier {section[:terminator]!r}: {error}") from None
    documents = []
    position = terminator + 1
    while position < len(section):
        document = read_document(section, position, len(section))
        documents.append(document)
        position += len(document)
    return (identifier, tuple(documents)), at + size


def read_document(payload: bytes | memoryview, at: int, end: int) -> bytes:
    """Copy out the document at `at`, which must end at or before `end`.

    Raises:
        WireError: the document's size cannot be right or its last byte is not NUL.
    """
    if end - at < _SMALLEST_DOCUMENT:
        raise WireError(f"a document needs 5 bytes or more, {end - at} are left")
    (size,) = _INT.unpack_from(payload, at)
    if not _SMALLEST_DOCUMENT <= size <= end - at:
        raise WireError(f"document size {size} does not fit in {end - at} bytes")
    if payload[at + size - 1] != 0:
        raise WireError(f"a document of {size} bytes does not end in NUL")
    return bytes(payload[at : at + size])
