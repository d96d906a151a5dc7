"""For tests of the hub side: tests that run there, and streams whose other end they hold."""

from __future__ import annotations

import functools
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec

import bson
import gevent
from gevent.event import Event
from gevent.hub import get_hub
from gevent.socket import wait_read

from greenmongo._net.connection import Connection
from greenmongo._net.stream import Stream

__all__ = [
    "ADDRESS",
    "Peer",
    "framed",
    "hubside",
    "op_msg",
    "open_connection",
    "open_stream_pair",
    "turn",
    "until",
]

ADDRESS = ("peer", 27017)
OP_MSG = 2013

P = ParamSpec("P")


def hubside(test: Callable[P, None]) -> Callable[P, None]:
    """Have a whole test run on the hub thread, which it must take as its fixture `hub_thread`."""

    @functools.wraps(test)
    def crossing(*args: P.args, **kwargs: P.kwargs) -> None:
        thread: Any = kwargs["hub_thread"]
        thread.call(test, *args, **kwargs)

    return crossing


def turn() -> None:
    """Let everything that can run, run, and the sockets be looked at."""
    for _ in range(3):
        gevent.sleep(0)
    gevent.sleep(0.001)


def until(condition: Callable[[], object]) -> None:
    """Wait, on the hub, until `condition` is true."""
    with gevent.Timeout(15.0, TimeoutError("still waiting after 15 s")):
        while not condition():
            gevent.sleep(0.001)


def framed(op_code: int, payload: bytes, response_to: int, length: int | None = None) -> bytes:
    """Return a message; `length` replaces the true one."""
    length = 16 + len(payload) if length is None else length
    return struct.pack("<iiii", length, 77, response_to, op_code) + payload


def op_msg(response_to: int, document: dict[str, Any] | None = None, flags: int = 0) -> bytes:
    """Return a reply as the server sends it."""
    body = bson.encode({"ok": 1.0} if document is None else document)
    return framed(OP_MSG, struct.pack("<IB", flags, 0) + body, response_to)


class Peer:
    """The other end of a stream, in the same thread."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def send(self, data: bytes) -> None:
        """Send what fits into the socket's buffer."""
        assert self._sock.send(data) == len(data)

    def send_all(self, data: bytes) -> None:
        """Send everything, as it is read."""
        while data:
            try:
                data = data[self._sock.send(data) :]
            except BlockingIOError:
                gevent.sleep(0.001)

    def receive(self, size: int) -> bytes:
        """Wait for so many bytes, or the end."""
        data = b""
        while len(data) < size:
            wait_read(self._sock.fileno(), timeout=15)
            chunk = self._sock.recv(size - len(data))
            if not chunk:
                break
            data += chunk
        return data

    def receive_request(self) -> int:
        """Wait for a message and return its request id."""
        length, request_id, _, _ = struct.unpack("<iiii", self.receive(16))
        self.receive(length - 16)
        return int(request_id)

    def answer(self, document: dict[str, Any] | None = None, flags: int = 0) -> None:
        """Wait for a request and answer it."""
        self.send(op_msg(self.receive_request(), document, flags))

    def close(self) -> None:
        """Hang up."""
        self._sock.close()

    def reset(self) -> None:
        """Hang up rudely; only TCP knows how, a socket pair just closes."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._sock.close()

    def is_hung_up(self) -> bool:
        """Tell whether the stream's side was closed."""
        try:
            return self._sock.recv(1) == b""
        except BlockingIOError:
            return False


@contextmanager
def open_stream_pair() -> Iterator[tuple[Stream, Peer]]:
    """Open a stream and its other end. Hub side."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    stream, peer = Stream(get_hub(), ours, ADDRESS), Peer(theirs)
    try:
        yield stream, peer
    finally:
        stream.close()
        peer.close()


@contextmanager
def open_connection(timeout: float | None = 5.0) -> Iterator[tuple[Connection, Peer]]:
    """Open a connection that has shaken hands already, and its other end. Hub side."""
    with open_stream_pair() as (stream, peer):
        yield Connection(stream, 1, 0, timeout), peer


def happened(event: Event) -> bool:
    """Wait for an event, and tell whether it came."""
    return bool(event.wait(15.0))
