"""The way of a command that waits for news to its connection: through its turn. Hub side only."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from greenmongo._core.await_rules import ROUND_MS
from greenmongo._net.awaiting import Await

if TYPE_CHECKING:
    from greenmongo._core.command import Command
    from greenmongo._net.connection import Connection
    from greenmongo._net.holder import Holder
    from greenmongo._net.pool import Pool

__all__ = ["checkout_to_await"]


def checkout_to_await(
    pool: Pool, command: Command, holder: Holder | None, timeout: float | None
) -> tuple[Connection, Command]:
    """Return a connection to wait on, when it is the caller's turn, and what to send over it.

    Args:
        pool: of the server that holds the cursor.
        command: the `getMore`.
        holder: what keeps the connection already, None if nothing does.
        timeout: the seconds that the caller has.

    Raises:
        NetworkTimeout: the turn did not come in time.
        PyMongoError: as `Pool.checkout`.
    """
    asked: int | None = command.body.get("maxTimeMS")
    if holder is not None:
        connection = pool.checkout(holder, timeout)
        connection.awaits = Await(_seconds(asked), None)
        return connection, command
    turns, began = pool.await_turns, monotonic()
    turns.take(timeout)
    try:
        left = None if timeout is None else max(timeout - (monotonic() - began), 0.0)
        connection = pool.checkout(None, left)
    except BaseException:
        turns.give_back()
        raise
    milliseconds = turns.await_time_ms(asked)
    connection.awaits = Await(_seconds(milliseconds), turns)
    if milliseconds != asked:
        command = command._replace(body={**command.body, "maxTimeMS": milliseconds})
    return connection, command


def _seconds(milliseconds: int | None) -> float:
    return (ROUND_MS if milliseconds is None else milliseconds) / 1000
