"""Split encoded documents into messages that a server accepts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pymongo.errors import DocumentTooLarge

__all__ = [
    "DEFAULT_LIMITS",
    "WriteLimits",
    "check_message_size",
    "check_sizes",
    "check_statement_sizes",
    "split_batches",
]

COMMAND_ROOM = 16 * 1024
"""What a message holds beside its documents: header, command, session, cluster time."""


@dataclass(frozen=True, slots=True)
class WriteLimits:
    """What a deployment's servers accept in one write, as they say in hello."""

    max_bson_size: int = 16 * 1024 * 1024
    max_message_size: int = 48_000_000
    max_batch_size: int = 100_000


DEFAULT_LIMITS = WriteLimits()
"""What every supported server accepts."""


def check_sizes(documents: Sequence[bytes], limits: WriteLimits, *, acknowledged: bool) -> None:
    """Refuse documents that cannot be sent, or whose refusal nobody would hear of.

    A server judges the rest better: in an unordered write it skips what is too large.

    Raises:
        DocumentTooLarge: a document exceeds what fits.
    """
    room = limits.max_message_size - COMMAND_ROOM
    largest = room if acknowledged else min(room, limits.max_bson_size)
    if max(map(len, documents), default=0) <= largest:
        # Nearly always, and a hundred thousand are looked at in a millisecond or two.
        return
    for document in documents:
        if len(document) > largest:
            raise DocumentTooLarge(
                f"BSON document too large ({len(document)} bytes) - the connected server "
                f"supports BSON document sizes up to {limits.max_bson_size} bytes."
            )


def check_message_size(name: str, size: int, max_bson_size: int) -> None:
    """Refuse a command that its server would refuse, before all of it is sent.

    Args:
        name: the command's name.
        size: the length of the whole message, documents included.
        max_bson_size: what the server accepts as a document.

    Raises:
        DocumentTooLarge: it is larger than a document of that size would make it.
    """
    if size > max_bson_size + COMMAND_ROOM:
        raise too_large(name, size, max_bson_size)


def check_statement_sizes(name: str, sizes: Iterable[int], max_bson_size: int) -> None:
    """Refuse statements of an unacknowledged write, whose refusal nobody would hear of.

    Args:
        name: the command's name.
        sizes: the lengths of its statements, encoded.
        max_bson_size: what the server accepts as a document.

    Raises:
        DocumentTooLarge: one of them is larger.
    """
    for size in sizes:
        if size > max_bson_size:
            raise too_large(name, size, max_bson_size)


def too_large(name: str, size: int, max_bson_size: int) -> DocumentTooLarge:
    """Return the exception for a command, or a statement of it."""
    what = "BSON" if name == "insert" else f"{name} command"
    return DocumentTooLarge(
        f"{what} document too large ({size} bytes) - the connected server "
        f"supports BSON document sizes up to {max_bson_size} bytes."
    )


def split_batches(documents: Sequence[bytes], limits: WriteLimits) -> list[Sequence[bytes]]:
    """Return the documents in batches, each small enough for one message.

    A document that is too large by itself still gets a batch of its own.
    """
    room = limits.max_message_size - COMMAND_ROOM
    if len(documents) <= limits.max_batch_size and sum(map(len, documents)) <= room:
        return [documents] if documents else []
    batches = []
    start = size = 0
    for index, document in enumerate(documents):
        length = len(document)
        if index > start and (size + length > room or index - start >= limits.max_batch_size):
            batches.append(documents[start:index])
            start, size = index, 0
        size += length
    if start < len(documents):
        batches.append(documents[start:] if start else documents)
    return batches
