"""A connection pool of ours as the specification's pool tests want to see it.

Its connections lead nowhere: what a fail point does to a server's handshake is done here to the
connecting, so no server is needed. Everything runs on the hub thread.
"""

from __future__ import annotations

import socket
from typing import Any

import gevent
from gevent.hub import get_hub
from pymongo.errors import AutoReconnect, OperationFailure, WaitQueueTimeoutError

from greenmongo._core.options import ClientOptions
from greenmongo._core.pool_rules import PendingConnection, PoolCleared, PoolClosed, PoolLimits
from greenmongo._core.types import Document
from greenmongo._net.connection import Connection
from greenmongo._net.deadlock import break_deadlock
from greenmongo._net.observers.publisher import Publisher
from greenmongo._net.pool import Pool
from greenmongo._net.stream import Stream
from tests.spec.pool_log import PoolLog

__all__ = ["PoolRun"]

ADDRESS = ("pool.example", 27017)


class PoolRun:
    """One pool, kept tidy in the background, and the log of its events."""

    def __init__(self, options: Document, fail_point: Document | None) -> None:
        interval = options.get("backgroundThreadIntervalMS", 50)
        known = {k: v for k, v in options.items() if k != "backgroundThreadIntervalMS"}
        self.log = PoolLog()
        self.greenlets: list[gevent.Greenlet[..., object]] = []
        self._fail_point = _FailPoint(fail_point or {"mode": "off", "data": {}})
        self._sockets: list[socket.socket] = []
        self.pool = Pool(
            get_hub(),
            ADDRESS,
            PoolLimits.of(ClientOptions.build(**known)),
            connect=self._connect,
            on_connect_error=lambda error, _: self.pool.clear(error),
            drain=lambda pool, connection: pool.drained(connection),
            break_deadlock=break_deadlock,
            publisher=Publisher([self.log]),
        )
        # Less than nothing: never.
        if interval >= 0:
            self.start(self._tidy_up, max(interval, 1) / 1000)

    def start(self, fn: Any, *args: Any) -> gevent.Greenlet[..., object]:
        """Run a function beside the test, until the end of it at most."""
        greenlet = gevent.spawn(fn, *args)
        self.greenlets.append(greenlet)
        return greenlet

    def close(self) -> None:
        """End everything."""
        gevent.killall(self.greenlets)
        self.pool.close()
        for sock in self._sockets:
            sock.close()

    @staticmethod
    def name_of(error: Exception) -> str:
        """Return the specification's name for what a caller met."""
        if isinstance(error, WaitQueueTimeoutError):
            return "WaitQueueTimeoutError"
        if isinstance(error, PoolClosed):
            return "PoolClosedError"
        return "PoolClearedError" if isinstance(error, PoolCleared) else type(error).__name__

    def _connect(self, pending: PendingConnection) -> Connection:
        self._fail_point.meet()
        ours, theirs = socket.socketpair()
        self._sockets.append(theirs)
        ours.setblocking(False)
        stream = Stream(get_hub(), ours, ADDRESS)
        return Connection(stream, pending.number, pending.generation, None)

    def _tidy_up(self, interval: float) -> None:
        while True:
            self.pool.tidy_up()
            gevent.sleep(interval)


class _FailPoint:
    """A `failCommand` of handshakes."""

    def __init__(self, command: Document) -> None:
        mode, self._data = command["mode"], command["data"]
        self._times = mode["times"] if isinstance(mode, dict) else 0
        self._always = mode == "alwaysOn"

    def meet(self) -> None:
        """Do to a handshake what the server would do."""
        if not self._always:
            if not self._times:
                return
            self._times -= 1
        if self._data.get("blockConnection"):
            gevent.sleep(self._data["blockTimeMS"] / 1000)
        if self._data.get("closeConnection"):
            raise AutoReconnect("the handshake's connection was closed")
        if "errorCode" in self._data:
            raise OperationFailure("the handshake failed", self._data["errorCode"])
