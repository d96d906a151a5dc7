"""Split encoded documents into messages that a server accepts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pymongo.errors import DocumentTooLarge

__all__ = [
    "DEFAULT_LIMITS",
    "WriteLimits",
    "batch_ends",
    "check_message_size",
    "check_sizes",
    "check_statement_sizes",
    "portions",
    "split_batches",
]

T = TypeVar("T")

COMMAND_ROOM = 16 * 1024
"""What a message holds beside its documents: header, command, session, cluster time."""

PORTION = 1_000
"""Operations that are looked at in one go, if there are many."""

_MEASURED = 10_000
"""Documents that are measured in one go: a quarter of a millisecond."""


@dataclass(frozen=True, slots=True)
class WriteLimits:
    """What a deployment's servers accept in one write, as they say in hello."""

    max_bson_size: int = 16 * 1024 * 1024
    max_message_size: int = 48_000_000
    max_batch_size: int = 100_000


DEFAULT_LIMITS = WriteLimits()
"""What every supported server accepts."""


def portions(items: Iterable[T], checkpoint: Callable[[], object]) -> Iterator[T]:
    """Yield items, with a checkpoint after each portion."""
    for count, item in enumerate(items, 1):
        yield item
        if not count % PORTION:
            checkpoint()


def check_sizes(
    documents: Sequence[bytes],
    limits: WriteLimits,
    *,
    acknowledged: bool,
    checkpoint: Callable[[], object] = int,
) -> None:
    """Refuse documents that cannot be sent, or whose refusal nobody would hear of.

    A server judges the rest better: in an unordered write it skips what is too large.

    Args:
        documents: what is to be sent.
        limits: what the servers accept.
        acknowledged: the server answers.
        checkpoint: called now and then if there are many.

    Raises:
        DocumentTooLarge: a document exceeds what fits.
    """
    room = limits.max_message_size - COMMAND_ROOM
    largest = room if acknowledged else min(room, limits.max_bson_size)
    for start in range(0, len(documents), _MEASURED):
        part = documents[start : start + _MEASURED]
        if max(map(len, part)) > largest:
            size = next(len(each) for each in part if len(each) > largest)
            raise DocumentTooLarge(
                f"BSON document too large ({size} bytes) - the connected server "
                f"supports BSON document sizes up to {limits.max_bson_size} bytes."
            )
        if len(part) == _MEASURED:
            checkpoint()


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


def batch_ends(sizes: Iterable[int], limits: WriteLimits) -> Iterator[int]:
    """Yield where each batch of things of these sizes ends, small enough for one message.

    What is too large by itself still gets a batch of its own.
    """
    room = limits.max_message_size - COMMAND_ROOM
    start = size = end = 0
    for end, length in enumerate(sizes, 1):
        at = end - 1
        if at > start and (size + length > room or at - start >= limits.max_batch_size):
            yield at
            start, size = at, 0
        size += length
    if end:
        yield end


def split_batches(
    documents: Sequence[bytes], limits: WriteLimits, checkpoint: Callable[[], object] = int
) -> list[Sequence[bytes]]:
    """Return the documents in batches, each small enough for one message.

    A document that is too large by itself still gets a batch of its own.

    Args:
        documents: what is to be sent.
        limits: what the servers accept.
        checkpoint: called now and then if there are many.
    """
    if len(documents) <= PORTION:
        room = limits.max_message_size - COMMAND_ROOM
        if len(documents) <= limits.max_batch_size and sum(map(len, documents)) <= room:
            return [documents] if documents else []
    batches: list[Sequence[bytes]] = []
    start = 0
    for end in batch_ends(portions(map(len, documents), checkpoint), limits):
        is_all = not start and end == len(documents)
        batches.append(documents if is_all else documents[start:end])
        start = end
    return batches
