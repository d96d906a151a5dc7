"""Connects to a server, through a proxy if need be, and encrypts. Hub side only."""

from __future__ import annotations

import os
import socket as socket_module
import ssl
from typing import TYPE_CHECKING, Any, TypeAlias

import gevent
from gevent.monkey import get_original
from pymongo.errors import AutoReconnect, NetworkTimeout

from greenmongo._core.types import format_address
from greenmongo._net.stream import Stream
from greenmongo._net.tls import TlsSocket

if TYPE_CHECKING:
    from collections.abc import Callable

    from gevent.hub import Hub

    from greenmongo._core.types import Address

    Wait: TypeAlias = Callable[[socket_module.socket, bool], None]
    """Waits on the hub until a socket can be read (True) or written."""
    Tunnel: TypeAlias = Callable[[socket_module.socket, Wait], None]

__all__ = ["open_stream"]

_READ, _WRITE = 1, 2

_new_socket: type[socket_module.socket] = get_original("socket", "socket")


def open_stream(
    hub: Hub,
    address: Address,
    candidates: list[tuple[int, Any]],
    *,
    timeout: float | None,
    tls: ssl.SSLContext | None,
    tunnel: Tunnel | None = None,
) -> Stream:
    """Connect to the first of `candidates` (family, socket address) that answers.

    Args:
        hub: the hub thread's.
        address: the server's.
        candidates: the server's, or those of a proxy.
        timeout: seconds for all of it, None for ever.
        tls: how to encrypt, None for not at all.
        tunnel: has the proxy that the socket leads to connect it with the server.

    Raises:
        AutoReconnect: none did; the message is the last one's.
        NetworkTimeout: `timeout` seconds were over first.
    """
    late = NetworkTimeout(f"{format_address(address)}: timed out while connecting")
    problem: OSError | None = None
    with gevent.Timeout(timeout, late):
        for family, target in candidates:
            try:
                sock = _connect(hub, family, target, address[0], tls, tunnel)
                return Stream(hub, sock, address)
            except OSError as error:
                problem = error
    raise AutoReconnect(f"{format_address(address)}: {problem}") from problem


def _connect(
    hub: Hub,
    family: int,
    target: Any,
    host: str,
    tls: ssl.SSLContext | None,
    tunnel: Tunnel | None,
) -> socket_module.socket | TlsSocket:
    sock = _new_socket(family, socket_module.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if family != getattr(socket_module, "AF_UNIX", None):
            _tune(sock)
        try:
            sock.connect(target)
        except BlockingIOError:
            _wait_for(hub, sock, _WRITE)
            if code := sock.getsockopt(socket_module.SOL_SOCKET, socket_module.SO_ERROR):
                raise OSError(code, os.strerror(code)) from None
        if tunnel is not None:
            tunnel(sock, lambda sock, reads: _wait_for(hub, sock, _READ if reads else _WRITE))
        if tls is None:
            return sock
        return _wrap(hub, tls, sock, host)
    except BaseException:
        sock.close()
        raise


def _tune(sock: socket_module.socket) -> None:
    """Send at once, and notice within minutes that a silent peer has vanished."""
    sock.setsockopt(socket_module.IPPROTO_TCP, socket_module.TCP_NODELAY, 1)
    sock.setsockopt(socket_module.SOL_SOCKET, socket_module.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 120), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 9)):
        option = getattr(socket_module, name, None)
        if option is not None:
            sock.setsockopt(socket_module.IPPROTO_TCP, option, value)


def _wrap(hub: Hub, tls: ssl.SSLContext, sock: socket_module.socket, host: str) -> TlsSocket:
    wrapped = TlsSocket(tls, sock, host)
    try:
        while True:
            try:
                wrapped.do_handshake()
                return wrapped
            except ssl.SSLWantReadError:
                _wait_for(hub, wrapped, _READ)
            except ssl.SSLWantWriteError:
                _wait_for(hub, wrapped, _WRITE)
    except BaseException:
        wrapped.close()
        raise


def _wait_for(hub: Hub, sock: socket_module.socket | TlsSocket, events: int) -> None:
    watcher = hub.loop.io(sock.fileno(), events)
    try:
        hub.wait(watcher)
    finally:
        watcher.close()
