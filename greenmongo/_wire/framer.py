"""Cut a stream of bytes into messages, whatever the size of the reads."""

from __future__ import annotations

from typing import NamedTuple

from greenmongo._wire.header import DEFAULT_MAX_MESSAGE_SIZE, HEADER, Header, parse_header

__all__ = ["Framer", "Message"]


class Message(NamedTuple):
    """One message; `payload` is what follows the header."""

    request_id: int
    response_to: int
    op_code: int
    payload: bytes


class Framer:
    """Collects what was received and hands out whole messages.

    After a `WireError` the stream has lost its frame, and every later call raises it again.
    """

    __slots__ = ("_buffer", "_header", "max_message_size")

    def __init__(self, max_message_size: int = DEFAULT_MAX_MESSAGE_SIZE) -> None:
        self.max_message_size = max_message_size
        self._buffer = bytearray()
        self._header: Header | None = None

    @property
    def buffered(self) -> int:
        """Bytes received and not handed out: not zero means a message is under way."""
        return len(self._buffer)

    @property
    def missing(self) -> int:
        """Bytes the next message, or its header, still lacks: how much a read may ask for."""
        wanted = HEADER.size if self._header is None else self._header.length
        return max(0, wanted - len(self._buffer))

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Take in what was read from the stream."""
        self._buffer += data

    def next_message(self) -> Message | None:
        """Return the next whole message, or None until more bytes arrive.

        Raises:
            WireError: the stream holds a header that cannot be right.
        """
        buffer = self._buffer
        if (header := self._header) is None:
            if len(buffer) < HEADER.size:
                return None
            # Kept, so that a long message in small reads does not parse it every time.
            self._header = header = parse_header(buffer, max_message_size=self.max_message_size)
        length = header.length
        if len(buffer) < length:
            return None
        # A view, so that the payload is copied once; released, or the buffer could not shrink.
        with memoryview(buffer) as view, view[HEADER.size : length] as payload:
            message = Message(header.request_id, header.response_to, header.op_code, bytes(payload))
        del buffer[:length]
        self._header = None
        return message
