"""The cursor that a reply has opened, for when nobody will read the reply."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bson.errors import BSONError
from bson.int64 import Int64

from greenmongo._core.damaged_reply import decode_own
from greenmongo._wire.cursor_batch import take_batch

if TYPE_CHECKING:
    from greenmongo._core.types import Document

__all__ = ["kill_command_for", "opened_cursor"]


def opened_cursor(body: bytes | memoryview) -> tuple[str, Document] | None:
    """Return the database and the command that close what a reply has opened, if it has.

    A later batch opens nothing: whoever read the cursor sees to it. Its documents are not decoded.
    """
    taken = take_batch(body)
    if taken is None or taken[1] != "firstBatch":
        return None
    try:
        reply = decode_own(taken[0])
    except BSONError:
        return None
    return kill_command_for(reply["cursor"]) if reply.get("ok") else None


def kill_command_for(cursor: Any) -> tuple[str, Document] | None:
    """Return the database and the command that close the cursor of a reply, if it is open."""
    if not isinstance(cursor, dict):
        return None
    number, namespace = cursor.get("id"), cursor.get("ns")
    if not number or not isinstance(number, int) or not isinstance(namespace, str):
        return None
    db, _, collection = namespace.partition(".")
    return db, {"killCursors": collection, "cursors": [Int64(number)]}
