"""Put the parts of a large message together while others run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenmongo._wire.memory import new_buffer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["gather"]

_TURN = 512 * 1024
"""Bytes that are copied in one go: half a millisecond's work, most of it for new memory."""

_GROUP = 64 * 1024
"""Bytes of small parts that are joined before they are copied."""

_PART = 128
"""Bytes whose copying takes as long as what else a part needs."""


def gather(parts: Iterable[bytes], size: int, checkpoint: Callable[[], object]) -> memoryview:
    """Return `size` bytes, the parts one after another, with a checkpoint every half megabyte.

    Joining them would hold the interpreter for all of it.
    """
    view = new_buffer(size)
    group: list[bytes] = []
    grouped = at = done = 0
    for part in parts:
        if len(part) > _GROUP:
            view[at : at + grouped] = b"".join(group)
            at += grouped
            group.clear()
            grouped = 0
            for piece in _pieces(part):
                view[at : at + len(piece)] = piece
                at += len(piece)
                done += len(piece)
                if done >= _TURN:
                    done = 0
                    checkpoint()
            continue
        group.append(part)
        grouped += len(part)
        done += _PART
        if grouped >= _GROUP:
            view[at : at + grouped] = b"".join(group)
            at += grouped
            done += grouped
            group.clear()
            grouped = 0
        if done >= _TURN:
            done = 0
            checkpoint()
    view[at:] = b"".join(group)
    return view


def _pieces(part: bytes) -> Iterator[memoryview]:
    view = memoryview(part)
    for start in range(0, len(view), _TURN):
        yield view[start : start + _TURN]
