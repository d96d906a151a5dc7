"""Behind a load balancer a cursor keeps the connection it was opened on, or nobody would find it.

Another connection may lead to another server. So the id of an open cursor, by which its next
batch is asked for, knows the connection. The connection is free again when the cursor is exhausted
or closed, when it fails, or when nobody has the id any more: an answer whose caller has left
keeps nothing. Cursors opened in a request use its connection, and are of no use after its end.

Hub side only, but for the end of an id.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

from bson.int64 import Int64
from pymongo.errors import OperationFailure

from greenmongo._core.server_codes import CURSOR_GONE_CODES
from greenmongo._net.holder import CursorHolder

if TYPE_CHECKING:
    from greenmongo._core.command import Command
    from greenmongo._core.types import Document
    from greenmongo._hub.thread import HubThread
    from greenmongo._net.connection import Connection
    from greenmongo._net.pool import Pool

__all__ = ["CursorPins", "PinnedId"]


class PinnedId(Int64):
    """The id of a cursor that is open on a connection of its own. Nobody else sees a difference."""

    holder: CursorHolder
    thread: HubThread

    def __del__(self) -> None:
        holder = self.__dict__.get("holder")
        if holder is not None and holder.bound:
            self.thread.submit_quietly(holder.release)


class CursorPins:
    """Pins the cursors of one client."""

    def __init__(self, thread: HubThread) -> None:
        self._thread = thread

    @staticmethod
    def of(command: Command) -> PinnedId | None:
        """Return the pinned cursor that a command reads on or closes, if it is such a command."""
        body = command.body
        pin = body["cursors"][0] if command.name == "killCursors" else body.get("getMore")
        return pin if isinstance(pin, PinnedId) else None

    def follow(
        self, pin: PinnedId | None, document: Document, pool: Pool, connection: Connection
    ) -> Document:
        """Take in a reply: its cursor may be open, still or for the first time, or at its end.

        Args:
            pin: the cursor that was read on.
            document: the reply. If its cursor is open it is returned with an id that knows the
                connection, as a copy: a listener may keep the original.
            pool: where the connection is from.
            connection: it has just brought the reply.
        """
        cursor = document.get("cursor")
        if not isinstance(cursor, dict) or not cursor.get("id"):
            if pin is not None:
                pin.holder.release()
            return document
        if pin is None:
            if connection.holder is not None:
                # In a request all goes over one connection anyway, as long as the request lasts.
                return document
            pin = PinnedId(cursor["id"])
            pin.holder, pin.thread = CursorHolder(pool, connection), self._thread
        changed, opened = copy(document), copy(cursor)
        changed["cursor"], opened["id"] = opened, pin
        return changed

    @staticmethod
    def failed(pin: PinnedId, error: Exception) -> None:
        """Take in an error: the cursor is lost, unless it is still to be closed on its server."""
        if not isinstance(error, OperationFailure) or error.code in CURSOR_GONE_CODES:
            pin.holder.release()
