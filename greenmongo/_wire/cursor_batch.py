"""Cut the documents out of a cursor's reply without decoding them, so that it can be done later.

Decoding is one call into C, during which no other thread runs: for a batch of 16 MB that is too
long. Here a reply is taken apart by the lengths in it: into the reply without its documents, and
the documents in chunks that are quickly decoded.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from greenmongo._wire.errors import WireError

__all__ = ["Chunk", "as_document", "chunks", "documents", "take_batch"]

Chunk = tuple[int, memoryview]
"""A number of documents, and what of their array holds them."""

_INT = struct.Struct("<i")
_EMPTY_ARRAY = b"\x05\x00\x00\x00\x00"
_DOCUMENT, _ARRAY = 3, 4
_SMALLEST_DOCUMENT = 5
_LONGEST_NAME = 255
"""Bytes of an element's name beyond which it is something unusual."""
_BATCHES = (b"firstBatch", b"nextBatch")
_FIXED_SIZES = {1: 8, 7: 12, 8: 1, 9: 8, 10: 0, 16: 4, 17: 8, 18: 8, 19: 16, 127: 0, 255: 0}
"""Double, ObjectId, bool, date, null, int, timestamp, long, decimal, the largest, the smallest."""
_EXTRA_SIZES = {2: 4, 3: 0, 4: 0, 5: 5}
"""String, document, array, binary: what their element takes beyond the length written in it."""


def take_batch(body: bytes | memoryview) -> tuple[bytes, str, memoryview] | None:
    """Return a reply with an empty batch, the batch's name, and what the batch contains.

    None if there is no batch, or something is not as it should be, which decoding then tells.
    """
    try:
        if _INT.unpack_from(body)[0] != len(body):
            return None
        cursor = _find(body, 0, (b"cursor",), _DOCUMENT)
        batch = cursor and _find(body, cursor[1], _BATCHES, _ARRAY)
    except (struct.error, ValueError, IndexError):
        return None
    if not cursor or not batch:
        return None
    name, start = batch
    size = _INT.unpack_from(body, start)[0]
    if size < _SMALLEST_DOCUMENT:
        return None
    rest = bytearray().join((body[:start], _EMPTY_ARRAY, body[start + size :]))
    for at in (0, cursor[1]):
        _INT.pack_into(rest, at, _INT.unpack_from(rest, at)[0] - size + len(_EMPTY_ARRAY))
    return bytes(rest), name.decode(), memoryview(body)[start + 4 : start + size - 1]


def _find(
    body: bytes | memoryview, start: int, names: tuple[bytes, ...], kind: int
) -> tuple[bytes, int] | None:
    """Return the name and place of the first element so named in the document at `start`.

    Raises:
        ValueError: the document is malformed, or holds something unusual.
    """
    at, end = start + 4, start + _INT.unpack_from(body, start)[0] - 1
    while at < end:
        this_kind = body[at]
        name = bytes(body[at + 1 : min(at + _LONGEST_NAME + 2, end)])
        name = name[: name.index(0)]
        at += len(name) + 2
        if this_kind in _FIXED_SIZES:
            size = _FIXED_SIZES[this_kind]
        elif this_kind in _EXTRA_SIZES:
            size = _INT.unpack_from(body, at)[0] + _EXTRA_SIZES[this_kind]
        else:
            raise ValueError(f"an element of type {this_kind}")
        if not 0 <= size <= end - at:
            raise ValueError(f"an element of {size} bytes")
        if name in names and this_kind == kind:
            return name, at
        at += size
    return None


def chunks(elements: memoryview, *, size: int, most: int) -> Iterator[Chunk]:
    """Cut what a batch contains into chunks of at least `size` bytes or `most` documents.

    What is in the documents is not looked at.

    Raises:
        WireError: they are no documents, or their lengths do not add up.
    """
    at = index = 0
    end, unpack = len(elements), _INT.unpack_from
    # An element is its type, its index in decimal and a NUL, and then the document.
    overhead, longer_from = 3, 10
    while at < end:
        start, first = at, index
        stop = min(start + size, end)
        while at < stop and index - first < most:
            if index == longer_from:
                overhead, longer_from = overhead + 1, longer_from * 10
            if elements[at] != _DOCUMENT or at + overhead + _INT.size > end:
                raise WireError(f"element {index} of a batch is not a document")
            length = unpack(elements, at + overhead)[0]
            if length < _SMALLEST_DOCUMENT:
                raise WireError(f"document {index} of a batch has {length} bytes")
            at += overhead + length
            index += 1
        if at > end:
            raise WireError(f"a batch ends in the middle of document {index - 1}")
        yield index - first, elements[start:at]


def documents(elements: memoryview) -> Iterator[memoryview]:
    """Yield the documents of a chunk."""
    at = 0
    while at < len(elements):
        overhead = bytes(elements[at : at + _LONGEST_NAME]).index(0, 1) + 1
        start = at + overhead
        at = start + _INT.unpack_from(elements, start)[0]
        yield elements[start:at]


def as_document(elements: memoryview) -> bytes:
    """Return a chunk as the one element of a document: an array without a name."""
    size = _INT.size + len(elements) + 1
    return b"".join((_INT.pack(size + 7), b"\x04\x00", _INT.pack(size), elements, b"\x00\x00"))
