"""A peer that answers every find with the same document, as fast as Python can.

It speaks just enough of the wire protocol for a driver to connect: hello (also the old OP_QUERY
one), ping, find, endSessions. Replies are encoded once and have only `responseTo` patched in.
It sends no topologyVersion, so drivers poll instead of streaming hellos: monitoring stays quiet.
"""

from __future__ import annotations

import os
import selectors
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import Any

import bson
from bson.int64 import Int64

from benchmarks.measure import COLLECTION, DATABASE, DOCUMENT

__all__ = ["FixedServer", "Truncated", "answer"]

OP_REPLY = 1
OP_QUERY = 2004
OP_MSG = 2013

MORE_TO_COME = 2
AWAIT_CAPABLE = 8

_HEADER = struct.Struct("<iiii")
# Header 16, flag bits 4, section kind 1, document length 4, type of the first element 1.
_COMMAND_NAME_AT = 26

_HELLO: Mapping[str, Any] = {
    "helloOk": True,
    "ismaster": True,
    "isWritablePrimary": True,
    "maxBsonObjectSize": 16 * 1024 * 1024,
    "maxMessageSizeBytes": 48_000_000,
    "maxWriteBatchSize": 100_000,
    "localTime": datetime(2024, 1, 1, tzinfo=timezone.utc),
    "logicalSessionTimeoutMinutes": 30,
    "connectionId": Int64(1),
    "minWireVersion": 0,
    "maxWireVersion": 21,
    "readOnly": False,
    "ok": 1.0,
}
_FOUND: Mapping[str, Any] = {
    "cursor": {
        "firstBatch": [DOCUMENT],
        "id": Int64(0),
        "ns": f"{DATABASE}.{COLLECTION}",
    },
    "ok": 1.0,
}
_UNKNOWN: Mapping[str, Any] = {
    "ok": 0.0,
    "errmsg": "no such command on the fixed-reply server",
    "code": 59,
    "codeName": "CommandNotFound",
}

Template = tuple[bytes, bytes]
"""The bytes of a reply before and after `responseTo`."""


class Truncated(ValueError):
    """A length that no message can have."""


def _template(opcode: int, body: bytes) -> Template:
    before = struct.pack("<ii", _HEADER.size + len(body), 1)
    return before, struct.pack("<i", opcode) + body


def _op_msg(document: Mapping[str, Any]) -> Template:
    return _template(OP_MSG, struct.pack("<iB", 0, 0) + bson.encode(document))


def _op_reply(document: Mapping[str, Any]) -> Template:
    prefix = struct.pack("<iqii", AWAIT_CAPABLE, 0, 0, 1)
    return _template(OP_REPLY, prefix + bson.encode(document))


_OLD_HELLO = _op_reply(_HELLO)
_NO_COMMAND = _op_msg(_UNKNOWN)
_COMMANDS: Mapping[bytes, Template] = {
    b"find": _op_msg(_FOUND),
    b"hello": _op_msg(_HELLO),
    b"ismaster": _op_msg(_HELLO),
    b"isMaster": _op_msg(_HELLO),
    b"ping": _op_msg({"ok": 1.0}),
    b"endSessions": _op_msg({"ok": 1.0}),
    b"killCursors": _op_msg({"cursorsKilled": [], "ok": 1.0}),
    b"buildInfo": _op_msg({"version": "7.0.0", "versionArray": [7, 0, 0, 0], "ok": 1.0}),
}


def answer(data: bytes) -> tuple[bytes, bytes]:
    """Return the replies to all whole requests in `data`, and what is left of it.

    Raises:
        Truncated: a message claims to be shorter than its own header.
    """
    start, end = 0, len(data)
    replies: list[bytes] = []
    while end - start >= _HEADER.size:
        length, _, _, opcode = _HEADER.unpack_from(data, start)
        if length < _HEADER.size:
            raise Truncated(f"message length {length} is less than a header")
        if end - start < length:
            break
        if opcode == OP_MSG:
            name_at = start + _COMMAND_NAME_AT
            name = data[name_at : data.index(0, name_at)]
            before, after = _COMMANDS.get(name, _NO_COMMAND)
            silent = data[start + 16] & MORE_TO_COME
        else:
            before, after = _OLD_HELLO
            silent = opcode != OP_QUERY
        if not silent:
            replies += (before, data[start + 4 : start + 8], after)
        start += length
    return b"".join(replies), data[start:]


class _Peer:
    """One connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._rest = b""

    def serve(self) -> bool:
        """Answer what has arrived; tell whether the connection is still of use."""
        try:
            data = self.sock.recv(65536)
            if not data:
                return False
            replies, self._rest = answer(self._rest + data if self._rest else data)
            if replies:
                # Blocking on purpose: replies are small, and a client reads them at once.
                self.sock.sendall(replies)
        except (OSError, Truncated):
            return False
        return True


def serve_until_eof(listener: socket.socket, lifeline: int) -> None:
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
                    sock, _ = listener.accept()
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    selector.register(sock, selectors.EVENT_READ, _Peer(sock))
                elif not os.read(lifeline, 1):
                    return


class FixedServer:
    """The server in a process of its own, for the time of a `with` block."""

    def __enter__(self) -> FixedServer:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parent.parent,
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        self.uri = f"mongodb://127.0.0.1:{self.port}/"
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
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        serve_until_eof(listener, sys.stdin.fileno())


if __name__ == "__main__":
    main()
