"""Has a SOCKS5 proxy connect a socket with a server; the protocol itself is socksio's.

The proxy gets the server's name as it is, and looks it up by itself. Hub side only.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pymongo.errors import ConfigurationError

if TYPE_CHECKING:
    import socket

    from greenmongo._core.options.proxy import ProxyOptions
    from greenmongo._core.types import Address
    from greenmongo._net.connecting import Wait

__all__ = ["ProxyError", "import_socksio", "tunnel"]

_ADDRESS_SIZES = {1: 4, 4: 16}  # of IPv4 and IPv6; a name brings its own length
_NAME = 3


class ProxyError(OSError):
    """What a proxy makes of a connection, and no server."""


def import_socksio() -> Any:
    """Return the library.

    Raises:
        ConfigurationError: it is not installed.
    """
    try:
        return import_module("socksio")
    except ImportError as error:
        raise ConfigurationError(
            "proxyHost needs the package socksio: install greenmongo[socks]"
        ) from error


def tunnel(sock: socket.socket, wait: Wait, address: Address, proxy: ProxyOptions) -> None:
    """Have the proxy at the other end of `sock` connect it with `address`.

    Args:
        sock: connected to the proxy, and non-blocking.
        wait: waits until the socket can be read or written.
        address: the server's.
        proxy: as whom to ask.

    Raises:
        ProxyError: the proxy refuses, fails, or is none.
    """
    socksio = import_socksio()
    try:
        _negotiate(socksio, _Wire(sock, wait), address, proxy)
    except (socksio.SOCKSError, OverflowError) as error:
        raise ProxyError(f"the SOCKS5 proxy cannot be understood: {error}") from error


def _negotiate(socksio: Any, wire: _Wire, address: Address, proxy: ProxyOptions) -> None:
    socks5 = import_module("socksio.socks5")
    methods = socks5.SOCKS5AuthMethod
    connection = socks5.SOCKS5Connection()
    offered = [methods.NO_AUTH_REQUIRED]
    if proxy.username is not None:
        offered.append(methods.USERNAME_PASSWORD)
    connection.send(socks5.SOCKS5AuthMethodsRequest(offered))
    wire.send(connection.data_to_send())
    method = connection.receive_data(wire.read(2)).method
    if method not in offered:
        raise ProxyError("the SOCKS5 proxy wants another kind of login")
    if method is methods.USERNAME_PASSWORD:
        username, password = (proxy.username or "").encode(), (proxy.password or "").encode()
        connection.send(socks5.SOCKS5UsernamePasswordRequest(username, password))
        wire.send(connection.data_to_send())
        if not connection.receive_data(wire.read(2)).success:
            raise ProxyError("the SOCKS5 proxy refused proxyUsername or proxyPassword")
    connect = socks5.SOCKS5Command.CONNECT
    connection.send(socks5.SOCKS5CommandRequest.from_address(connect, address))
    wire.send(connection.data_to_send())
    reply = connection.receive_data(_read_reply(wire))
    if reply.reply_code is not socks5.SOCKS5ReplyCode.SUCCEEDED:
        reason = reply.reply_code.name.lower().replace("_", " ")
        raise ProxyError(f"the SOCKS5 proxy could not connect: {reason}")


def _read_reply(wire: _Wire) -> bytes:
    """Read exactly the reply: what follows it is the server's."""
    start = wire.read(5)
    kind, first = start[3], start[4]
    size = first + 1 if kind == _NAME else _ADDRESS_SIZES.get(kind)
    if size is None:
        raise ProxyError(f"the SOCKS5 proxy cannot be understood: address type {kind}")
    return start + wire.read(size - 1 + 2)


class _Wire:
    """A few bytes to and from the proxy."""

    def __init__(self, sock: socket.socket, wait: Wait) -> None:
        self._sock = sock
        self._wait = wait

    def send(self, data: bytes) -> None:
        while data:
            try:
                data = data[self._sock.send(data) :]
            except BlockingIOError:
                self._wait(self._sock, False)

    def read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            try:
                chunk = self._sock.recv(size - len(data))
            except BlockingIOError:
                self._wait(self._sock, True)
                continue
            if not chunk:
                raise ProxyError("the SOCKS5 proxy closed the connection")
            data += chunk
        return data
