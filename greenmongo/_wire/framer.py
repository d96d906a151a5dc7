"""Cut a stream of bytes into messages, whatever the size of the reads.

The framer owns the memory that the socket reads into, so a message is not copied on its way:

    view = framer.writable()
    count = sock.recv_into(view)
    if framer.received(count):
        response_to, op_code, payload = framer.next_message()
"""

from __future__ import annotations

import mmap
from typing import TypeAlias

from greenmongo._wire.header import (
    DEFAULT_MAX_MESSAGE_SIZE,
    HEADER,
    SMALL_MESSAGE,
    parse_header,
)

__all__ = ["Framer", "Message"]

Message: TypeAlias = tuple[int, int, memoryview]
"""A message's responseTo and opCode, and what follows the header."""

_HEADER_SIZE = HEADER.size
_LARGE_BUFFER = 1024 * 1024


class Framer:
    """Collects what was received and hands out whole messages.

    A message of at most `SMALL_MESSAGE` bytes lies in a buffer that is used again and again: it is
    valid until the next bytes are received. A longer one has its buffer for itself.

    After a `WireError` the stream has lost its frame, and every later call raises it again.
    """

    __slots__ = ("_needed", "_view", "filled", "has_message", "max_message_size")

    def __init__(self, max_message_size: int = DEFAULT_MAX_MESSAGE_SIZE) -> None:
        self.max_message_size = max_message_size
        self.filled = 0
        """Bytes received and not handed out: not zero means a message is under way."""
        self.has_message = False
        """Whether a whole message waits to be handed out."""
        self._view = _new_buffer(SMALL_MESSAGE)
        self._needed = 0
        """The length of the next message, 0 until its header is there."""

    def writable(self) -> memoryview:
        """Return the memory to read into.

        It has no room if a whole message fills it; that one must be taken first.
        """
        return self._view[self.filled :] if self.filled else self._view

    def received(self, count: int) -> bool:
        """Record that `count` bytes were read into `writable()`; return whether a message is whole.

        Raises:
            WireError: they hold a header that cannot be right.
            MemoryError: there is not enough for the message that they announce.
        """
        self.filled += count
        if not self._needed:
            if self.filled < _HEADER_SIZE:
                return False
            length = parse_header(self._view, max_message_size=self.max_message_size).length
            if length > len(self._view):
                self._grow(length)
            # Kept, so that a long message in small reads does not parse its header every time.
            self._needed = length
        self.has_message = self.filled >= self._needed
        return self.has_message

    def next_message(self) -> Message | None:
        """Return the next whole message, or None until more bytes are received.

        Raises:
            WireError, MemoryError: as `received`, of what came after the message before.
        """
        if not self.has_message and not self.received(0):
            return None
        view, needed = self._view, self._needed
        _, _, response_to, op_code = HEADER.unpack_from(view)
        self._needed = 0
        self.has_message = False
        rest = self.filled - needed
        if rest or len(view) > SMALL_MESSAGE:
            # A large buffer goes away with its message; what came after it starts a new one.
            self._view = _new_buffer(max(SMALL_MESSAGE, rest))
            self._view[:rest] = view[needed : needed + rest]
        self.filled = rest
        return response_to, op_code, view[_HEADER_SIZE:needed]

    def _grow(self, length: int) -> None:
        begun = self._view[: self.filled]
        try:
            self._view = _new_buffer(length)
        except (MemoryError, OSError) as error:
            raise MemoryError(f"no memory for {length} bytes: {error}") from error
        self._view[: self.filled] = begun


def _new_buffer(size: int) -> memoryview:
    """Return memory for a message; what is large takes place as it fills, not as it is announced.

    The system clears and hands out its pages as they are read into, while other threads run;
    `bytearray` would do it at once and let nobody run.
    """
    return memoryview(bytearray(size) if size <= _LARGE_BUFFER else mmap.mmap(-1, size))
