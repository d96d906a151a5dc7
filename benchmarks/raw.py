"""The floor: the same find as prebuilt bytes over bare sockets, no driver at all."""

from __future__ import annotations

import selectors
import socket
import struct
import time
import uuid
from collections.abc import Sequence
from urllib.parse import urlsplit

import bson
from bson.binary import Binary

from benchmarks.measure import COLLECTION, DATABASE, FILTER, Job, Sample, Stopwatch

__all__ = ["RawClient"]

# As many as the drivers' default pool.
MOST_SOCKETS = 100


def _find() -> bytes:
    command = {
        "find": COLLECTION,
        "filter": FILTER,
        "limit": 1,
        "singleBatch": True,
        "lsid": {"id": Binary.from_uuid(uuid.uuid4())},
        "$db": DATABASE,
    }
    body = struct.pack("<iB", 0, 0) + bson.encode(command)
    return struct.pack("<iiii", 16 + len(body), 1, 0, 2013) + body


class RawClient:
    """Sends a find, waits for the reply's last byte, sends the next, on each of its sockets."""

    def __init__(self, uri: str) -> None:
        parts = urlsplit(uri)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 27017)
        self._sockets: list[socket.socket] = []
        self._request = _find()

    def _connect(self, wanted: int) -> Sequence[socket.socket]:
        while len(self._sockets) < wanted:
            sock = socket.create_connection(self._address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets.append(sock)
        return self._sockets[:wanted]

    def measure(self, job: Job) -> Sample:
        """Keep one find in flight per socket until the job's time is over."""
        sockets = self._connect(min(job.concurrency, MOST_SOCKETS))
        watch = Stopwatch(job)
        record = watch.latencies.append
        request = self._request
        sent: dict[socket.socket, float] = {}
        with selectors.DefaultSelector() as selector:
            for sock in sockets:
                selector.register(sock, selectors.EVENT_READ, sock)
            watch.start()
            for sock in sockets:
                sent[sock] = time.perf_counter()
                sock.sendall(request)
            while sent:
                for key, _ in selector.select():
                    sock = key.data
                    _read_reply(sock)
                    now = time.perf_counter()
                    record(now - sent[sock])
                    if now >= watch.deadline:
                        del sent[sock]
                    else:
                        sent[sock] = now
                        sock.sendall(request)
        return watch.sample()


def _read_reply(sock: socket.socket) -> bytes:
    data = sock.recv(65536)
    while data and (len(data) < 4 or len(data) < int.from_bytes(data[:4], "little")):
        data += sock.recv(65536)
    if not data:
        raise ConnectionError("the server closed the connection")
    return data
