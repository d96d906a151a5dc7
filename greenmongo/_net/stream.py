"""A connected socket of the hub, and the single place where the operating system's errors appear.

The socket is the *original* `socket.socket` (or a `TlsSocket` around one), non-blocking,
whatever gevent has patched. One read watcher per stream lives as long as the socket: its
callback reads, and switches into the waiting greenlet only when a whole message is there, so an
ordinary exchange costs one `send`, one `recv` and one switch. On an idle stream the same watcher
notices at once that the server has gone.

Invariant: all methods run on the hub thread; at most one greenlet waits on a stream.
"""

from __future__ import annotations

import ssl
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

import gevent
from gevent.hub import getcurrent
from pymongo.errors import AutoReconnect, NetworkTimeout, ProtocolError

from greenmongo._core.types import format_address
from greenmongo._net.socket_calls import CONTENTION, LATE, receive_some, send_some
from greenmongo._net.tls import TlsSocket
from greenmongo._wire.errors import WireError
from greenmongo._wire.framer import Framer

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from gevent.hub import Hub
    from greenlet import greenlet

    from greenmongo._core.types import Address
    from greenmongo._wire.framer import Message

__all__ = ["Stream"]

_READ, _WRITE = 1, 2
_WOULD_BLOCK = (
    BlockingIOError,
    InterruptedError,
    ssl.SSLWantReadError,
    ssl.SSLWantWriteError,
)


class Stream:
    """Messages in and out of one socket.

    `on_break` is called, in the hub, when the peer closes, speaks out of turn or the socket fails
    while no greenlet waits.
    """

    def __init__(self, hub: Hub, sock: socket.socket | TlsSocket, address: Address) -> None:
        self.address = address
        self.framer = Framer()
        self.on_break: Callable[[], object] | None = None
        self._hub = hub
        self._sock = sock
        self._is_tls = isinstance(sock, TlsSocket)
        self._send: Callable[[bytes | memoryview], int]
        self._receive: Callable[[memoryview], int]
        if isinstance(sock, TlsSocket):
            self._send, self._receive = sock.send, sock.recv_into
        else:
            self._send, self._receive = partial(send_some, sock), partial(receive_some, sock)
        self._error: Exception | None = None
        self._reader: greenlet | None = None
        self._watcher: Any = hub.loop.io(sock.fileno(), _READ)
        self._watcher.start(self._on_readable)
        self._is_paused = False
        self._was_late = False
        self._waits = 0
        self._writer: greenlet | None = None
        self._write_watcher: Any = None

    def __repr__(self) -> str:
        state = "broken" if self._error else "open"
        return f"<Stream to {format_address(self.address)} {state}>"

    @property
    def is_open(self) -> bool:
        """Whether nothing has gone wrong so far."""
        return self._error is None

    @property
    def error(self) -> Exception | None:
        """What went wrong, None if nothing has."""
        return self._error

    @property
    def fileno(self) -> int:
        """The socket's descriptor, -1 when closed."""
        return self._sock.fileno()

    def send(self, data: bytes | memoryview, timeout: float | None) -> None:
        """Send everything.

        Raises:
            AutoReconnect: the connection failed.
            NetworkTimeout: the peer did not take the data in `timeout` seconds.
        """
        if self._error is not None:
            raise self._error
        began = monotonic()
        try:
            sent = self._send(data)
        except _WOULD_BLOCK:
            sent = 0
        except OSError as error:
            raise self._broken(error) from error
        self._was_late = monotonic() - began > LATE
        if self._was_late:
            CONTENTION.record_late_send()
        if sent < len(data):
            self._send_rest(memoryview(data)[sent:], timeout)

    def read_message(self, timeout: float | None) -> Message:
        """Wait for one whole message; return its responseTo, opCode and payload.

        The payload is a view. If it is longer than `SMALL_MESSAGE`, nobody else has its buffer;
        otherwise the next read overwrites it: copy what must be kept.

        Raises:
            AutoReconnect: the connection failed.
            NetworkTimeout: no whole message came in `timeout` seconds; it may still come.
            ProtocolError: what came is not a MongoDB message.
        """
        framer = self.framer
        if not framer.has_message:
            self._await_message(timeout)
        message = framer.next_message()
        assert message is not None
        if self._is_paused or framer.filled:
            self._go_on_reading()
        return message

    def read_body(self, response_to: int, timeout: float | None) -> bytes | memoryview | None:
        """Wait for one whole message and return its document, if it is an ordinary reply.

        None if it is any other message: then `read_message` has it. A large document is a view of
        memory that nobody else has.

        Args:
            response_to: of the request that it must answer.
            timeout: seconds to wait, None for ever.

        Raises:
            AutoReconnect, NetworkTimeout, ProtocolError: as `read_message`.
        """
        framer = self.framer
        if not framer.has_message:
            self._await_message(timeout)
        body = framer.next_body(response_to)
        if self._is_paused or framer.filled:
            self._go_on_reading()
        return body

    def has_input(self) -> bool:
        """Tell whether bytes have come that nobody asked for."""
        return self.framer.filled > 0

    def close(self) -> None:
        """Close the socket, without any farewell. Idempotent."""
        if self._error is None:
            self.interrupt(self._closed_error("connection closed"))

    def interrupt(self, error: Exception) -> bool:
        """Close the socket and let `error` be the reason; tell whether somebody hears of it now.

        Whoever waits for the stream does, and so did whoever saw it break before.
        """
        if self._error is not None:
            return True
        self._error = error
        self._shut()
        waiting = [each for each in (self._reader, self._writer) if each is not None]
        for each in waiting:
            self._hub.loop.run_callback(self._interrupt, each)
        return bool(waiting)

    def abandon_after_fork(self) -> None:
        """Close this process's copy of the socket; the watcher belongs to the parent's loop."""
        self._error = self._closed_error("inherited from the parent process")
        self._sock.close()

    def _interrupt(self, waiting: greenlet) -> None:
        # It may have left, and wait for something else, since this was scheduled.
        if self._error is not None and waiting in (self._reader, self._writer):
            self._reader = self._writer = None
            waiting.throw(self._error)

    def _closed_error(self, what: str) -> AutoReconnect:
        return AutoReconnect(f"{format_address(self.address)}: {what}")

    def _broken(self, error: OSError) -> AutoReconnect:
        if self._error is None:
            self._error = self._closed_error(str(error))
            self._shut()
        return self._closed_error(str(error))

    def _shut(self) -> None:
        self._watcher.stop()
        self._watcher.close()
        if self._write_watcher is not None:
            # Before the socket: its descriptor may be another socket's in no time.
            self._write_watcher.stop()
            self._write_watcher.close()
        self._sock.close()

    def _await_message(self, timeout: float | None) -> None:
        """Wait until a whole message is here."""
        if self._is_tls or self._was_late:
            # Decrypted bytes may wait inside the TLS object, where no watcher sees them. And if
            # another thread had the GIL while we sent, the reply may be here, and to wait for
            # it would give the GIL away once more.
            self._was_late = False
            self._read_available()
            if self.framer.has_message:
                return
        if self._error is not None:
            raise self._error
        if timeout is not None:
            self._wait_in_time(timeout)
            return
        self._reader = getcurrent()
        try:
            self._hub.switch()
        finally:
            self._reader = None

    def _wait_in_time(self, timeout: float) -> None:
        self._waits = wait = self._waits + 1
        timer = self._hub.loop.timer(max(timeout, 0.0))
        timer.start(self._on_timeout, wait, timeout)
        self._reader = getcurrent()
        try:
            self._hub.switch()
        finally:
            self._reader = None
            timer.stop()
            timer.close()

    def _go_on_reading(self) -> None:
        """See to what has come behind a message, now that it is taken."""
        if self.framer.has_message:
            return
        if self._is_paused and self._error is None:
            self._is_paused = False
            self._watcher.start(self._on_readable)
        if self.framer.filled:
            self._check_rest()

    def _on_timeout(self, wait: int, timeout: float) -> None:
        # Of a thousand streams the loop may not have come to this one since its reply arrived.
        # Who gets it there may send the next command, and wait again, before this goes on.
        before = -1
        while self._is_waiting(wait) and before < self.framer.filled:
            before = self.framer.filled
            self._on_readable()
        reader = self._reader
        if reader is not None and self._is_waiting(wait):
            self._reader = None
            reader.throw(
                NetworkTimeout(f"{format_address(self.address)}: timed out after {timeout:.3f} s")
            )

    def _is_waiting(self, wait: int) -> bool:
        return self._reader is not None and self._waits == wait

    def _on_readable(self) -> None:
        """Read what is there and tell whom it concerns. Runs in the hub: nothing may escape."""
        if not self._read_available():
            return
        reader = self._reader
        if self._error is not None:
            self._notify_failure(self._error)
        elif reader is not None:
            self._reader = None
            reader.switch()
        elif self.on_break is not None:
            # Nobody asked: a message out of turn leaves an idle stream without meaning.
            self.on_break()

    def _notify_failure(self, error: Exception) -> None:
        waiting = self._reader or self._writer
        if waiting is not None:
            self._reader = self._writer = None
            waiting.throw(error)
        elif self.on_break is not None:
            self.on_break()

    def _read_available(self) -> bool:
        """Read what is there, without waiting.

        Returns:
            Whether a whole message has come, or the stream has ended: then there is an `error`.
        """
        framer = self.framer
        while self._error is None:
            view = framer.writable()
            if not view:
                # A whole message waits for its reader, and more has come already. A peer that
                # goes on must wait as well, or it could fill the memory.
                self._is_paused = True
                self._watcher.stop()
                return False
            try:
                count = self._receive(view)
                if count and framer.received(count):
                    return True
            except _WOULD_BLOCK:
                return False
            except (OSError, WireError, MemoryError) as error:
                self._fail(error)
                return True
            if not count:
                self._fail(OSError("connection closed by the server"))
                return True
            if not self._is_tls:
                return False
        return False

    def _check_rest(self) -> None:
        """See whether what came after a message is a whole message too, or none at all."""
        try:
            self.framer.received(0)
        except (WireError, MemoryError) as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """Let this be the end of the stream, unless it has come before."""
        if self._error is not None:
            return
        if isinstance(error, WireError):
            self._error = ProtocolError(f"{format_address(self.address)}: {error}")
            self._error.__cause__ = error
        else:
            self._error = self._closed_error(str(error))
        self._shut()

    def _send_rest(self, rest: memoryview, timeout: float | None) -> None:
        """Send what did not fit into the socket's buffer, as it drains."""
        late = NetworkTimeout(f"{format_address(self.address)}: timed out while sending")
        try:
            with gevent.Timeout(timeout, late):
                while rest:
                    self._wait_until_writable()
                    try:
                        rest = rest[self._send(rest) :]
                    except _WOULD_BLOCK:
                        continue
        except OSError as error:
            raise self._broken(error) from error
        except BaseException:
            # Half a message is on the wire: nothing sensible can follow it.
            self.close()
            raise

    def _wait_until_writable(self) -> None:
        if self._error is not None:
            raise self._error
        watcher = self._write_watcher = self._hub.loop.io(self._sock.fileno(), _WRITE)
        self._writer = getcurrent()
        watcher.start(self._on_writable)
        try:
            self._hub.switch()
        finally:
            self._writer = self._write_watcher = None
            watcher.stop()
            watcher.close()

    def _on_writable(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.switch()
