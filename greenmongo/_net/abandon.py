"""What becomes of an exchange whose caller has left: nothing is thrown away, nothing runs on.

The late reply is read and dropped, and the connection goes back to its pool. If it does not come
within a short grace, the operation is ended on the server, over a connection of its own, by the
session it runs in; then the reply (an error, now) comes. Only if it still does not, the
connection is given up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import gevent
from pymongo.errors import AutoReconnect, NetworkTimeout, ProtocolError, PyMongoError

if TYPE_CHECKING:
    from greenmongo._core.types import Address, Document
    from greenmongo._net.connection import Connection
    from greenmongo._net.connector import Connector
    from greenmongo._net.pool import Pool

__all__ = ["Abandoned"]

GRACE = 0.1
"""Seconds that an operation may go on after its caller has left."""

LAST_WAIT = 5.0
"""Seconds to wait for the reply of an operation the server was told to end."""


class Abandoned:
    """The exchanges of one client that nobody waits for. Hub side only."""

    def __init__(self, connector: Connector) -> None:
        self._connector = connector
        self._draining: set[gevent.Greenlet[[Pool, Connection], None]] = set()
        self._to_end: dict[Address, list[Document]] = {}

    def __len__(self) -> int:
        return len(self._draining)

    def adopt(self, pool: Pool, connection: Connection) -> None:
        """See a connection's outstanding reply through. Does not wait."""
        greenlet = gevent.spawn(self._drain, pool, connection)
        self._draining.add(greenlet)
        greenlet.rawlink(self._draining.discard)

    def close(self) -> None:
        """Stop draining; the pools close the connections."""
        for greenlet in list(self._draining):
            greenlet.kill(block=False)

    def _drain(self, pool: Pool, connection: Connection) -> None:
        try:
            try:
                connection.finish(GRACE)
            except NetworkTimeout:
                self._end_on_server(connection)
                connection.finish(LAST_WAIT)
        except (AutoReconnect, ProtocolError):
            connection.close()
        finally:
            if connection.pending is not None:
                connection.close()
            pool.drained(connection)

    def _end_on_server(self, connection: Connection) -> None:
        """Have the operation ended by its session, together with others on the same server."""
        exchange = connection.pending
        if exchange is None or exchange.lsid is None or not exchange.is_exclusive:
            return
        waiting = self._to_end.get(connection.address)
        if waiting is None:
            self._to_end[connection.address] = [exchange.lsid]
            gevent.spawn(self._end_sessions, connection.address)
        else:
            waiting.append(exchange.lsid)

    def _end_sessions(self, address: Address) -> None:
        try:
            connection = self._connector.open_data(address, 0, 0)
            try:
                while sessions := self._to_end[address]:
                    self._to_end[address] = []
                    connection.command({"killSessions": sessions})
            finally:
                connection.close()
        except PyMongoError:
            # The server is in trouble; the drains give their connections up in time.
            return
        finally:
            del self._to_end[address]
