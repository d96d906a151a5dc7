"""Threads, locks and sockets of the operating system, whether or not gevent has patched Python.

The fakes play another machine. They must go on when the tested process blocks its hub, and must
not become greenlets of it when gevent has replaced the standard library's own.
"""

from __future__ import annotations

import _socket
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any, TypeVar

from gevent.monkey import get_original

__all__ = [
    "Address",
    "NativeSocket",
    "NativeThread",
    "Signal",
    "accept",
    "connect",
    "disconnect",
    "listen",
    "new_lock",
]

Address = tuple[str, int]

# The C class: what the library's Python class adds reaches for module globals gevent replaces.
NativeSocket = _socket.socket

_start_new_thread = get_original("_thread", "start_new_thread")
new_lock: Callable[[], Any] = get_original("_thread", "allocate_lock")

_ACCEPT_TIMEOUT = 0.5  # for systems on which shutdown() does not wake accept()

T = TypeVar("T")


class NativeThread:
    """A started thread that can be waited for."""

    def __init__(self, target: Callable[[], object]) -> None:
        self._running = new_lock()
        self._running.acquire()
        self._target = target
        _start_new_thread(self._run, ())

    def join(self, timeout: float = 15.0) -> None:
        """Wait for the end of the thread.

        Raises:
            TimeoutError: it did not end.
        """
        if not self._running.acquire(timeout=timeout):
            raise TimeoutError(f"a thread of a fake did not end in {timeout} s: {self._target}")
        self._running.release()

    def _run(self) -> None:
        try:
            self._target()
        finally:
            self._running.release()


class Signal:
    """Wakes whoever waits for a condition each time something has happened."""

    def __init__(self) -> None:
        self._lock = new_lock()
        self._waiters: list[Any] = []

    def notify(self) -> None:
        """Let every waiter look at its condition again."""
        with self._lock:
            waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.release()

    def wait_for(self, condition: Callable[[], T], timeout: float = 15.0) -> T:
        """Wait until `condition` is true and return what it returned.

        Blocks the thread, its hub and its event loop included.

        Raises:
            TimeoutError: it did not become true.
        """
        deadline = monotonic() + timeout
        while True:
            waiter = new_lock()
            waiter.acquire()
            # Registered before looking, or a change in between would go unnoticed.
            with self._lock:
                self._waiters.append(waiter)
            if result := condition():
                return result
            if not waiter.acquire(timeout=max(0.0, deadline - monotonic())):
                raise TimeoutError(f"still waiting after {timeout} s")


def listen(address: Address) -> NativeSocket:
    """Return a socket that listens on `address`; port 0 takes any free one."""
    listener = NativeSocket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)
        listener.settimeout(_ACCEPT_TIMEOUT)
    except OSError:
        listener.close()
        raise
    return listener


def accept(listener: NativeSocket) -> tuple[NativeSocket, Address] | None:
    """Return the next connection, or None when none came for a while or `listener` was shut."""
    try:
        descriptor, peer = listener._accept()  # type: ignore[attr-defined]
    except OSError:
        return None
    accepted = NativeSocket(fileno=descriptor)
    accepted.settimeout(None)
    accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return accepted, peer


def connect(address: Address, timeout: float = 5.0) -> NativeSocket:
    """Return a blocking connection to `address`."""
    connection = NativeSocket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        connection.connect(address)
        connection.settimeout(None)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError:
        connection.close()
        raise
    return connection


def disconnect(connection: NativeSocket, *, reset: bool = False) -> None:
    """Wake the thread that reads `connection`, which then must close it.

    Closing here would leave that thread in its read, on a descriptor that may be used again.
    With `reset` the peer sees ECONNRESET and not the end of the stream.
    """
    with suppress(OSError):  # the peer may have gone already
        if reset:
            # Without time to linger close() resets; the peer cannot see that reading is shut.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.shutdown(socket.SHUT_RD)
        else:
            connection.shutdown(socket.SHUT_RDWR)
