"""Measures the way to a server and back, while its hellos are streamed and tell nothing of it."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

import gevent
from pymongo.errors import PyMongoError

from greenmongo._core.hello import build_hello
from greenmongo._core.reply import check_reply
from greenmongo._hub.upcall import spawn

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenmongo._core.options import ClientOptions
    from greenmongo._core.types import Address
    from greenmongo._net.connection import Connection
    from greenmongo._net.connector import Connector

__all__ = ["RttMonitor"]


class RttMonitor:
    """Says hello once per heartbeat, over a connection of its own. Hub side only.

    Its failures say nothing of the server: that is for the other monitor to find out.

    Args:
        take: given the seconds that each hello took.
    """

    def __init__(
        self,
        address: Address,
        connector: Connector,
        options: ClientOptions,
        *,
        take: Callable[[float], object],
    ) -> None:
        self._address = address
        self._connector = connector
        self._options = options
        self._take = take
        self._connection: Connection | None = None
        self._hello_ok = False
        self._greenlet = spawn(self._run)

    def stop(self) -> None:
        """End the greenlet and close the connection. Does not wait."""
        self._greenlet.kill(block=False)

    def abandon_after_fork(self) -> None:
        """Close this process's copy of the parent's socket."""
        if self._connection is not None:
            self._connection.stream.abandon_after_fork()

    def _run(self) -> None:
        try:
            while True:
                try:
                    self._take(self._measure())
                except PyMongoError:
                    # Server Monitoring, "Measuring RTT": errors must not update the topology.
                    self._disconnect()
                gevent.sleep(self._options.heartbeat_interval)
        finally:
            self._disconnect()

    def _measure(self) -> float:
        if self._connection is None:
            self._connection, reply, duration = self._connector.open_monitor(self._address)
            self._hello_ok = bool(reply.get("helloOk"))
            return duration
        document = build_hello(hello_ok=self._hello_ok, server_api=self._options.server_api)
        started = monotonic()
        reply = self._connection.command(document)
        duration = monotonic() - started
        check_reply(reply)
        return duration

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
