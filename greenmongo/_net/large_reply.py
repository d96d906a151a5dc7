"""Receives replies too large to be decoded while everybody waits, or damaged. Hub side only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greenmongo._core.cursors.undecoded_batch import (
    DECODE_CHUNK,
    DECODE_CHUNK_DOCUMENTS,
    UndecodedBatch,
)
from greenmongo._core.damaged_reply import DamagedReply, LenientReply
from greenmongo._core.user_code import codecs_are_users
from greenmongo._hub.checkpoint import checkpoint
from greenmongo._hub.upcall import upcall
from greenmongo._wire.cursor_batch import chunks, take_batch

if TYPE_CHECKING:
    from collections.abc import Callable

    from bson.codec_options import CodecOptions

    from greenmongo._core.command import Command
    from greenmongo._core.types import Document

__all__ = ["decode_batch", "receive_damaged", "receive_large"]

_TURN = 1024 * 1024
"""Bytes that are cut into chunks without a checkpoint."""


def receive_large(
    body: bytes | memoryview,
    options: CodecOptions[Any],
    decode: Callable[[bytes], Document],
) -> Document:
    """Decode a reply, but leave the documents of its batch, if it has one of several, as they are.

    Args:
        body: the reply.
        options: how the documents are to be decoded, by and by.
        decode: decodes a reply as a whole; what takes long is done in the caller's place.

    Raises:
        WireError: the batch makes no sense.
        BSONError: the rest does not.
    """
    taken = take_batch(body)
    if taken is None:
        return upcall(lambda: decode(bytes(body)))
    rest, name, elements = taken
    batch = _batch_of(elements, options)
    if len(batch) == 1:
        # The callers who want one document need not know of batches.
        return upcall(lambda: decode(bytes(body)))
    document = decode(rest)
    document["cursor"][name] = batch
    return document


def receive_damaged(body: bytes | memoryview, command: Command, error: Exception) -> Document:
    """Decode a reply of which something cannot be decoded as its reader wants it.

    What the driver reads is decoded as well as it goes. The documents of a batch are left as they
    are, so that those before the damage reach their reader, and the cursor is known.

    Args:
        body: the reply.
        command: what it answers.
        error: what came of decoding it.

    Raises:
        DamagedReply: all of the reply is here, but its one value cannot be decoded.
        WireError: the batch makes no sense.
        BSONError: the rest does not.
    """
    taken = take_batch(body) if command.user_documents else None
    if taken is None:
        reply = LenientReply(bytes(body))
        if command.user_documents and reply.get("ok"):
            raise DamagedReply(reply) from error
        return reply
    rest, name, elements = taken
    reply = LenientReply(rest)
    reply["cursor"][name] = _batch_of(elements, command.codec_options)
    return reply


def _batch_of(elements: memoryview, options: CodecOptions[Any]) -> UndecodedBatch:
    batch = UndecodedBatch(options, upcall, is_always_run=codecs_are_users(options))
    done = 0
    for chunk in chunks(elements, size=DECODE_CHUNK, most=DECODE_CHUNK_DOCUMENTS):
        batch.add(chunk)
        done += len(chunk[1])
        if done >= _TURN:
            done = 0
            checkpoint()
    return batch


def decode_batch(reply: Document) -> Document:
    """Replace a batch in a reply, if it was left undecoded, by its documents.

    Returns:
        The reply as observers may see it. If a document cannot be decoded, which its reader is to
        find out, this is another one, with views of their bytes.
    """
    cursor = reply.get("cursor")
    if not isinstance(cursor, dict):
        return reply
    for name, batch in cursor.items():
        if isinstance(batch, UndecodedBatch):
            try:
                cursor[name] = batch.copy().decode_all(checkpoint)
            except Exception:
                return {**reply, "cursor": {**cursor, name: batch.as_it_is()}}
            return reply
    return reply
