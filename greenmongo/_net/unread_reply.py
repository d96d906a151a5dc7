"""What becomes of a cursor whose first reply has come, but was not read to its end: it is closed.

Its caller left while the reply was taken apart, which lets others have their turn and may run code
of the user's. So nobody knows of the cursor yet, and nobody else would close it. Hub side only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenmongo._core.command import Command

if TYPE_CHECKING:
    from greenmongo._core.types import Address, Document, ReadMode
    from greenmongo._net.connection import Connection
    from greenmongo._net.operation_context import OperationContext

__all__ = ["close_unread", "kill_cursors"]


def kill_cursors(
    opened: tuple[str, Document], preference: ReadMode | None, address: Address
) -> Command:
    """Return the command that closes a cursor on its server.

    Args:
        opened: the database, and the body.
        preference: that of the command which has opened it.
        address: of the server.
    """
    db, body = opened
    return Command(
        "killCursors", body, db, read_preference=preference, address=address, closes_cursor=True
    )


def close_unread(
    context: OperationContext,
    connection: Connection,
    command: Command,
    opened: tuple[str, Document] | None,
) -> None:
    """Close what a reply has opened, in the background, as its caller has left.

    Args:
        context: the client.
        connection: where the reply came from.
        command: what it answers.
        opened: the database and the command that close the cursor; None if there is none.
    """
    if opened is not None and command.opens_cursor:
        context.execute_later(kill_cursors(opened, command.read_preference, connection.address))
