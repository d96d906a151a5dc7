"""A peer that answers as fast as Python can, always the same: see `benchmarks.replies`."""

from __future__ import annotations

import argparse
import os
import selectors
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from benchmarks.replies import HEADER, Truncated, answer

__all__ = ["CERTIFICATES", "FixedServer", "Truncated", "answer"]

CERTIFICATES = Path(__file__).parent.parent / "tests" / "support" / "certs"
_CHUNK = 256 * 1024


class _Peer:
    """One connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._rest = bytearray()

    def serve(self) -> bool:
        """Answer what has arrived; tell whether the connection is still of use."""
        try:
            data = self.sock.recv(_CHUNK)
            while isinstance(self.sock, ssl.SSLSocket) and self.sock.pending():
                # What TLS has decrypted already shows on no selector.
                data += self.sock.recv(_CHUNK)
            if not data:
                return False
            self._rest += data
            if len(self._rest) >= int.from_bytes(self._rest[:4], "little") >= HEADER.size:
                replies, rest = answer(self._rest)
                self._rest = bytearray(rest)
                # Blocking on purpose: a client reads its replies at once.
                self.sock.sendall(replies)
            elif len(self._rest) >= HEADER.size > int.from_bytes(self._rest[:4], "little"):
                return False
        except (OSError, Truncated):
            return False
        return True


def _accept(listener: socket.socket, context: ssl.SSLContext | None) -> _Peer | None:
    sock, _ = listener.accept()
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if context is None:
        return _Peer(sock)
    try:
        return _Peer(context.wrap_socket(sock, server_side=True))
    except OSError:
        sock.close()
        return None


def serve_until_eof(
    listener: socket.socket, lifeline: int, context: ssl.SSLContext | None = None
) -> None:
    """Serve connections until the file descriptor `lifeline` ends: the parent is gone."""
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        selector.register(lifeline, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                peer = key.data
                if isinstance(peer, _Peer):
                    if not peer.serve():
                        selector.unregister(peer.sock)
                        peer.sock.close()
                elif key.fileobj is listener:
                    new = _accept(listener, context)
                    if new is not None:
                        selector.register(new.sock, selectors.EVENT_READ, new)
                elif not os.read(lifeline, 1):
                    return


class FixedServer:
    """The server in a process of its own, for the time of a `with` block."""

    def __init__(self, *, tls: bool = False) -> None:
        self._tls = tls

    def __enter__(self) -> FixedServer:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.server", *(["--tls"] if self._tls else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parent.parent,
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        options = f"?tls=true&tlsCAFile={CERTIFICATES / 'ca.pem'}" if self._tls else ""
        self.uri = f"mongodb://127.0.0.1:{self.port}/{options}"
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Ends its standard input, upon which it leaves.
        self._process.communicate(timeout=5)


def main() -> None:
    """Listen on a free port, say which, and serve until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.server")
    parser.add_argument("--tls", action="store_true")
    context = None
    if parser.parse_args().tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATES / "server.pem")
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        serve_until_eof(listener, sys.stdin.fileno(), context)


if __name__ == "__main__":
    main()
