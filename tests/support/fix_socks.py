"""SocksProxy: a SOCKS5 proxy on 127.0.0.1, written apart from the library that the driver uses."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from tests.support.native import (
    Address,
    NativeSocket,
    NativeThread,
    accept,
    connect,
    disconnect,
    listen,
)

__all__ = ["SocksProxy", "socks_proxy"]

_NAME = 3


class SocksProxy:
    """Connects whoever asks, as far as it knows the host.

    Attributes:
        hosts: where the names lead to that clients ask for.
        login: the user name and password it insists on.
        reply_code: what it answers a request to connect with; 0 is success.
        is_silent: whether it never answers.
        asked: the hosts and ports it was asked for, as they came.
    """

    def __init__(self) -> None:
        self.hosts: dict[str, Address] = {}
        self.login: tuple[bytes, bytes] | None = None
        self.reply_code = 0
        self.is_silent = False
        self.asked: list[tuple[str, int]] = []
        self.methods: list[bytes] = []
        self._listener = listen(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._is_over = False
        self._sockets: list[NativeSocket] = []
        self._threads = [NativeThread(self._accept)]

    def stop(self) -> None:
        """End everything."""
        self._is_over = True
        disconnect(self._listener)
        self._threads[0].join()
        for each in self._sockets:
            disconnect(each)
        for thread in self._threads[1:]:
            thread.join()
        for each in (*self._sockets, self._listener):
            each.close()

    def _accept(self) -> None:
        while not self._is_over:
            accepted = accept(self._listener)
            if accepted is not None:
                self._sockets.append(accepted[0])
                self._threads.append(NativeThread(partial(self._serve, accepted[0])))

    def _serve(self, client: NativeSocket) -> None:
        try:
            server = self._negotiate(client)
        except OSError:
            server = None
        if server is None:
            disconnect(client)
            return
        self._sockets.append(server)
        self._threads.append(NativeThread(partial(_pump, server, client)))
        _pump(client, server)

    def _negotiate(self, client: NativeSocket) -> NativeSocket | None:
        methods = _read(client, _read(client, 2)[1])
        self.methods.append(methods)
        if self.is_silent:
            client.recv(1)
            return None
        method = 0 if self.login is None else 2
        if method not in methods:
            client.sendall(b"\x05\xff")
            return None
        client.sendall(bytes((5, method)))
        if self.login is not None:
            username = _read(client, _read(client, 2)[1])
            password = _read(client, _read(client, 1)[0])
            is_right = (username, password) == self.login
            client.sendall(b"\x01\x00" if is_right else b"\x01\x01")
            if not is_right:
                return None
        kind = _read(client, 4)[3]
        if kind == _NAME:
            host = _read(client, _read(client, 1)[0]).decode()
        else:
            host = ".".join(map(str, _read(client, 4)))
        port = int.from_bytes(_read(client, 2), "big")
        self.asked.append((host, port))
        # The address it is bound to, as a name: replies differ in length.
        client.sendall(bytes((5, self.reply_code, 0, _NAME, 4)) + b"here\x04\x38")
        return None if self.reply_code else connect(self.hosts.get(host, (host, port)))


def _read(sock: NativeSocket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = sock.recv(size - len(data))
        if not chunk:
            raise ConnectionResetError("the client has gone")
        data += chunk
    return data


def _pump(source: NativeSocket, target: NativeSocket) -> None:
    try:
        while chunk := source.recv(1 << 16):
            target.sendall(chunk)
    except OSError:
        pass
    disconnect(target)


@pytest.fixture
def socks_proxy() -> Iterator[SocksProxy]:
    """Provide a SOCKS5 proxy."""
    proxy = SocksProxy()
    try:
        yield proxy
    finally:
        proxy.stop()
