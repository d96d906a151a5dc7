"""What becomes of an exchange whose caller has left: nothing is thrown away, nothing runs on.

The late reply is read, what it owns is freed on the server (a cursor that it opened: nobody
could close it), and the connection goes back to its pool. If the reply does not come within
a short grace, the operation is ended on the server, over a connection of its own: found by the
session it runs in, killed by its number; then the reply (an error, now) comes. Only if it still
does not, the connection is given up. `killSessions` would be one command instead of two, but
it waits until the session is free, and two of them can wait for each other.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

import gevent
from pymongo.errors import AutoReconnect, NetworkTimeout, ProtocolError, PyMongoError

from greenmongo._core.cursors.opened import opened_cursor
from greenmongo._core.pool_rules import PendingConnection
from greenmongo._core.reply import check_reply
from greenmongo._core.server_api import add_server_api
from greenmongo._core.types import format_address
from greenmongo._hub.upcall import notify_caller, spawn
from greenmongo._net.observers.publisher import log

if TYPE_CHECKING:
    from collections.abc import Callable

    from bson.binary import Binary

    from greenmongo._core.types import Address, Document
    from greenmongo._net.connection import Connection
    from greenmongo._net.connector import Connector
    from greenmongo._net.pool import Pool

__all__ = ["Abandoned"]

logger = logging.getLogger("greenmongo")

ABANDON_GRACE = 0.1


class Abandoned:
    """The exchanges of one client that nobody waits for. Hub side only.

    Args:
        connector: opens the connections over which operations are ended.
        grace: seconds that an operation may go on after its caller has left.
        attempts: how often the server is told to end an operation.
        attempt_wait: seconds to wait each time for the reply.
        command_timeout: seconds that each command of ending operations may take.
    """

    def __init__(
        self,
        connector: Connector,
        *,
        grace: float = ABANDON_GRACE,
        attempts: int = 5,
        attempt_wait: float = 1.0,
        command_timeout: float = 2.0,
    ) -> None:
        self._connector = connector
        self._grace = grace
        self._attempts = attempts
        self._attempt_wait = attempt_wait
        self._command_timeout = command_timeout
        self._draining: set[gevent.Greenlet[[Pool, Connection], None]] = set()
        self._to_end: dict[Address, dict[Binary, bool]] = {}
        """The sessions whose operations are to be ended, and whether their cursors are."""
        self._when_ended: dict[Address, list[Callable[[], object]]] = {}

    def __len__(self) -> int:
        return len(self._draining)

    def adopt(self, pool: Pool, connection: Connection) -> None:
        """See a connection's outstanding reply through. Does not wait."""
        exchange = connection.pending
        greenlet = spawn(self._drain, pool, connection)
        self._draining.add(greenlet)
        greenlet.rawlink(self._draining.discard)
        if exchange is not None and exchange.on_over is not None:
            on_over, address = exchange.on_over, connection.address
            # Also if it is ended before it has begun.
            greenlet.rawlink(lambda _: self._call_when_ended(address, on_over))

    def _call_when_ended(self, address: Address, fn: Callable[[], object]) -> None:
        """Call `fn` when nothing is ended on a server: it might hit what is sent next."""
        if address in self._to_end:
            self._when_ended[address].append(fn)
        else:
            fn()

    def close(self) -> None:
        """Stop draining; the pools close the connections."""
        for greenlet in list(self._draining):
            greenlet.kill(block=False)

    def _drain(self, pool: Pool, connection: Connection) -> None:
        try:
            body = self._late_reply(connection)
            if body is not None:
                self._free(connection, body)
        except (AutoReconnect, ProtocolError):
            connection.close()
        finally:
            if connection.pending is not None:
                connection.close()
            pool.drained(connection)

    def _late_reply(self, connection: Connection) -> bytes | memoryview | None:
        """Wait for the outstanding reply; None if it does not come."""
        if connection.pending is not None and connection.pending.streams:
            # It may go on for as long as there are documents.
            self.end_on_server(connection)
        grace = self._grace
        if connection.awaits is not None:
            # It ends by itself. Servers do not end a wait for news early, whatever they are told.
            grace += connection.awaits.seconds
        body, is_here = _finish(connection, grace)
        # Again and again: the server may not even have begun it the first time.
        for _ in range(self._attempts):
            if is_here:
                break
            self.end_on_server(connection)
            body, is_here = _finish(connection, self._attempt_wait)
        return body

    def _free(self, connection: Connection, body: bytes | memoryview) -> None:
        """Close the cursor that a reply has opened, over the connection that it came over."""
        opened = opened_cursor(body)
        if opened is None:
            return
        db, command = opened
        server_api = self._connector.options.server_api
        if server_api is not None:
            add_server_api(command, server_api)
        usual, connection.timeout = connection.timeout, self._command_timeout
        try:
            connection.command(command, db=db)
        finally:
            connection.timeout = usual

    def end_on_server(
        self, connection: Connection, when_ended: Callable[[], object] | None = None
    ) -> None:
        """Have an operation and what it leaves ended on the server. Does not wait.

        Several on one server are ended together.

        Args:
            connection: what it was sent on.
            when_ended: called when nothing will be ended any more, at once if there is nothing.
        """
        exchange, address = connection.pending, connection.address
        if exchange is None or exchange.lsid is None:
            if when_ended is not None:
                when_ended()
            return
        waiting = self._to_end.get(address)
        if waiting is None:
            waiting = self._to_end[address] = {}
            self._when_ended[address] = []
            spawn(self._end_operations, address)
        waiting[exchange.lsid["id"]] = exchange.is_exclusive
        if when_ended is not None:
            self._when_ended[address].append(when_ended)

    def _end_operations(self, address: Address) -> None:
        try:
            # Not for ever: an operation may wait for this.
            with gevent.Timeout(self._command_timeout, NetworkTimeout("no connection in time")):
                connection = self._connector.connect(address, PendingConnection(0, 0))
            connection.timeout = self._command_timeout
            # As of checks of the deployment, listeners are not told: no caller has asked for it.
            connection.monitoring = None
            try:
                while sessions := self._to_end[address]:
                    self._to_end[address] = {}
                    reply = connection.command(operations_of(list(sessions)))
                    check_reply(reply)
                    for found in found_of(reply):
                        _end(connection, found, sessions)
            finally:
                connection.close()
        except PyMongoError as error:
            # The drains give their connections up in time; what runs on the server runs on.
            text, place = "could not end operations on %s: %s", format_address(address)
            notify_caller(partial(log, logger, logging.WARNING, text, place, error))
        finally:
            del self._to_end[address]
            for tell in self._when_ended.pop(address):
                tell()


def _finish(connection: Connection, timeout: float) -> tuple[bytes | memoryview | None, bool]:
    """Return the outstanding reply, and whether it has come in time."""
    try:
        return connection.finish(timeout), True
    except NetworkTimeout:
        return None, False


def _end(connection: Connection, found: Document, sessions: dict[Binary, bool]) -> None:
    """End an operation or a cursor that `operations_of` has found.

    The cursors that are open in a caller's session are others, which he still reads.
    """
    cursor, lsid = found.get("cursor"), found.get("lsid")
    session: Any = lsid.get("id") if isinstance(lsid, dict) else None
    if found.get("type") != "idleCursor":
        if "opid" in found:
            connection.command({"killOp": 1, "op": found["opid"]})
    elif not sessions.get(session, True):
        return
    elif isinstance(cursor, dict) and "cursorId" in cursor:
        db, _, collection = str(found.get("ns")).partition(".")
        kill = {"killCursors": collection, "cursors": [cursor["cursorId"]]}
        connection.command(kill, db=db)


def found_of(reply: Document) -> list[Document]:
    """Return what a server has found, as far as it makes sense."""
    cursor = reply.get("cursor")
    batch = cursor.get("firstBatch") if isinstance(cursor, dict) else None
    return [each for each in batch if isinstance(each, dict)] if isinstance(batch, list) else []


def operations_of(sessions: list[Binary]) -> Document:
    """Return the command that lists what runs, or waits to be read, in these sessions."""
    return {
        "aggregate": 1,
        "pipeline": [
            {"$currentOp": {"idleCursors": True}},
            {"$match": {"lsid.id": {"$in": sessions}}},
            {"$project": {"opid": 1, "type": 1, "ns": 1, "cursor.cursorId": 1, "lsid": 1}},
        ],
        "cursor": {"batchSize": 10_000},
        # A secondary would refuse otherwise.
        "$readPreference": {"mode": "primaryPreferred"},
    }
