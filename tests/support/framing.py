"""Bytes into a framer as a socket would bring them."""

from __future__ import annotations

from collections.abc import Iterator

from greenmongo._wire.framer import Framer, Message

__all__ = ["receive"]


def receive(framer: Framer, data: bytes, step: int | None = None) -> Iterator[Message]:
    """Have a framer receive `data`, at most `step` bytes at a time; yield each message.

    A payload is to be looked at before the next message is asked for.
    """
    at = 0
    while at < len(data):
        view = framer.writable()
        count = min(len(view), len(data) - at, step or len(data))
        view[:count] = data[at : at + count]
        at += count
        framer.received(count)
        while (message := framer.next_message()) is not None:
            yield message
