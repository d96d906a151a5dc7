"""Takes in a reply too large to be decoded while everybody waits. Hub side only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greenmongo._core.cursors.undecoded_batch import (
    DECODE_CHUNK,
    DECODE_CHUNK_DOCUMENTS,
    UndecodedBatch,
)
from greenmongo._hub.checkpoint import checkpoint
from greenmongo._wire.cursor_batch import chunks, take_batch

if TYPE_CHECKING:
    from collections.abc import Callable

    from bson.codec_options import CodecOptions

    from greenmongo._core.types import Address, Document

__all__ = ["decode_batch", "receive_large"]

_TURN = 1024 * 1024
"""Bytes that are cut into chunks without a checkpoint."""


def receive_large(
    body: bytes | memoryview,
    options: CodecOptions[Any],
    address: Address,
    decode: Callable[[bytes], Document],
) -> Document:
    """Decode a reply, but leave the documents of its batch, if it has one of several, as they are.

    Args:
        body: the reply.
        options: how the documents are to be decoded, by and by.
        address: the server, to be named in errors.
        decode: decodes a reply as a whole.

    Raises:
        WireError: the batch makes no sense.
        BSONError: the rest does not.
    """
    taken = take_batch(body)
    if taken is None:
        return decode(bytes(body))
    rest, name, elements = taken
    batch = UndecodedBatch(options, address)
    done = 0
    for chunk in chunks(elements, size=DECODE_CHUNK, most=DECODE_CHUNK_DOCUMENTS):
        batch.add(chunk)
        done += len(chunk[1])
        if done >= _TURN:
            done = 0
            checkpoint()
    if len(batch) == 1:
        # The callers who want one document need not know of batches.
        return decode(bytes(body))
    document = decode(rest)
    document["cursor"][name] = batch
    return document


def decode_batch(reply: Document) -> None:
    """Replace a batch in a reply, if it was left undecoded, by its documents."""
    cursor = reply.get("cursor")
    if not isinstance(cursor, dict):
        return
    for name, batch in cursor.items():
        if isinstance(batch, UndecodedBatch):
            cursor[name] = batch.decode_all(checkpoint)
            return
