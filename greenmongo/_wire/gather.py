"""Put the parts of a large message together while others run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenmongo._wire.memory import new_buffer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["gather"]

_TURN = 512 * 1024
"""Bytes that are copied in one go: half a millisecond's work, most of it for new memory."""

_GROUP = 64 * 1024
"""Bytes of small parts that are joined before they are copied."""


def gather(parts: Iterable[bytes], size: int, checkpoint: Callable[[], object]) -> memoryview:
    """Return `size` bytes, the parts one after another, with a checkpoint every half megabyte.

    Joining them would hold the interpreter for all of it.
    """
    view = new_buffer(size)
    group: list[bytes] = []
    grouped = at = done = 0
    for part in parts:
        group.append(part)
        grouped += len(part)
        if grouped < _GROUP:
            continue
        # What is larger than a turn is one document; the server takes none above 16 MB.
        view[at : at + grouped] = group[0] if len(group) == 1 else b"".join(group)
        at += grouped
        done += grouped
        group.clear()
        grouped = 0
        if done >= _TURN:
            done = 0
            checkpoint()
    view[at:] = b"".join(group)
    return view
