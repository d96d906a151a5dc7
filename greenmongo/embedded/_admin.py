"""Run single commands on a server: what setting one up takes, and no more.

A driver's own client would be the wrong tool: this must work before there is a primary, and must
not depend on the code that the server is there to test.
"""

from __future__ import annotations

import itertools
import socket
import ssl
import struct
from collections.abc import Mapping
from typing import Any

import bson

from greenmongo.embedded._errors import EmbeddedServerError

__all__ = ["Admin"]

HEADER = struct.Struct("<iiii")
OP_MSG = 2013
BODY_AT = HEADER.size + 5  # four bytes of flags, one of the section's kind
REQUEST_IDS = itertools.count(1)


class Admin:
    """Runs commands on one server, each over a connection of its own."""

    def __init__(self, port: int, context: ssl.SSLContext | None = None) -> None:
        self.port = port
        self._context = context

    def run(self, command: Mapping[str, Any], timeout: float = 10.0) -> dict[str, Any]:
        """Run a command on the admin database and return its reply.

        Raises:
            OSError: the server does not listen, or does not answer in time.
            EmbeddedServerError: it answered with an error.
        """
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as plain:
            if self._context is None:
                reply = converse(plain, command)
            else:
                with self._context.wrap_socket(plain, server_hostname="127.0.0.1") as secured:
                    reply = converse(secured, command)
        if not reply.get("ok"):
            raise EmbeddedServerError(
                f"{next(iter(command))} failed: {reply.get('errmsg')} (code {reply.get('code')})",
                "this is the server's own answer to its set-up; check the options it was given",
                "state",
            )
        return reply

    def hello(self, timeout: float = 5.0) -> dict[str, Any] | None:
        """Return the server's description of itself; None if it does not answer yet."""
        try:
            return self.run({"hello": 1}, timeout)
        except OSError:
            return None


def converse(connection: socket.socket, command: Mapping[str, Any]) -> dict[str, Any]:
    body = bson.encode({**command, "$db": "admin"})
    header = HEADER.pack(BODY_AT + len(body), next(REQUEST_IDS), 0, OP_MSG)
    connection.sendall(header + b"\0\0\0\0\0" + body)
    length, _, _, _ = HEADER.unpack(receive(connection, HEADER.size))
    return bson.decode(receive(connection, length - HEADER.size)[5:])


def receive(connection: socket.socket, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise ConnectionResetError("the server closed the connection")
        data += part
    return bytes(data)
