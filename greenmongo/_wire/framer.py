"""Cut a stream of bytes into messages, whatever the size of the reads.

The framer owns the memory that the socket reads into, so a message is not copied on its way:

    view = framer.writable()
    count = sock.recv_into(view)
    if framer.received(count):
        response_to, op_code, payload = framer.next_message()

Nearly every message is an ordinary reply, of which only the document is of interest: `next_body`
takes such a one with as little ado as can be.
"""

from __future__ import annotations

from typing import TypeAlias

from greenmongo._wire.errors import WireError
from greenmongo._wire.header import (
    DEFAULT_MAX_MESSAGE_SIZE,
    HEADER,
    OP_CODES,
    OP_MSG,
    SMALL_MESSAGE,
)
from greenmongo._wire.memory import new_buffer
from greenmongo._wire.op_msg import plain_body

__all__ = ["Framer", "Message"]

Message: TypeAlias = tuple[int, int, memoryview]
"""A message's responseTo and opCode, and what follows the header."""

_HEADER_SIZE = HEADER.size
_read_header = HEADER.unpack_from


class Framer:
    """Collects what was received and hands out whole messages.

    A message of at most `SMALL_MESSAGE` bytes lies in a buffer that is used again and again: it is
    valid until the next bytes are received. A longer one has its buffer for itself.

    After a `WireError` the stream has lost its frame, and every later call raises it again.
    """

    __slots__ = (
        "_needed",
        "_op_code",
        "_response_to",
        "_view",
        "filled",
        "has_message",
        "max_message_size",
    )

    def __init__(self, max_message_size: int = DEFAULT_MAX_MESSAGE_SIZE) -> None:
        self.max_message_size = max_message_size
        self.filled = 0
        """Bytes received and not handed out: not zero means a message is under way."""
        self.has_message = False
        """Whether a whole message waits to be handed out."""
        self._view = new_buffer(SMALL_MESSAGE)
        self._needed = 0
        """The length of the next message, 0 until its header is there."""
        self._response_to = self._op_code = 0
        """What its header says besides."""

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
        filled = self.filled = self.filled + count
        needed = self._needed
        if not needed:
            if filled < _HEADER_SIZE:
                return False
            needed, _, self._response_to, self._op_code = _read_header(self._view)
            if not _HEADER_SIZE <= needed <= self.max_message_size:
                raise WireError(
                    f"message length {needed} is not between {_HEADER_SIZE} and "
                    f"{self.max_message_size}"
                )
            if self._op_code not in OP_CODES:
                raise WireError(f"unknown opcode {self._op_code}")
            if needed > len(self._view):
                self._grow(needed)
            # Kept, so that a long message in small reads does not read its header every time.
            self._needed = needed
        self.has_message = filled >= needed
        return self.has_message

    def next_message(self) -> Message | None:
        """Return the next whole message, or None until more bytes are received.

        Raises:
            WireError, MemoryError: as `received`, of what came after the message before.
        """
        if not self.has_message and not self.received(0):
            return None
        payload = self._view[_HEADER_SIZE : self._needed]
        self._go_on()
        return self._response_to, self._op_code, payload

    def next_body(self, response_to: int) -> bytes | memoryview | None:
        """Return the document of the next message, if that is a whole and ordinary reply.

        That is one that has no flags, and holds a document and nothing else. The document is
        copied if it is small, and otherwise a view of memory that nobody else has. None if the
        next message is any other, or is not whole: then `next_message` is to be asked.

        Args:
            response_to: of the request that it must answer.
        """
        if (
            not self.has_message
            or self._response_to != response_to
            or self._op_code != OP_MSG
            or (body := plain_body(self._view, _HEADER_SIZE, self._needed)) is None
        ):
            return None
        self._go_on()
        return body

    def _go_on(self) -> None:
        """Begin with what came after the message that has been taken."""
        view, needed = self._view, self._needed
        self._needed = 0
        self.has_message = False
        self.filled = rest = self.filled - needed
        if rest or len(view) > SMALL_MESSAGE:
            # A large buffer goes away with its message; what came after it starts a new one.
            self._view = new_buffer(max(SMALL_MESSAGE, rest))
            self._view[:rest] = view[needed : needed + rest]

    def _grow(self, length: int) -> None:
        begun = self._view[: self.filled]
        try:
            self._view = new_buffer(length)
        except (MemoryError, OSError) as error:
            raise MemoryError(f"no memory for {length} bytes: {error}") from error
        self._view[: self.filled] = begun
