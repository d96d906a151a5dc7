"""The commands that end a transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenmongo._core.command import Command, Retryability
from greenmongo._core.sessions.transaction import TransactionEvent

if TYPE_CHECKING:
    from greenmongo._core.types import Document

__all__ = ["end_transaction"]


def end_transaction(event: TransactionEvent, *, max_commit_time_ms: int | None = None) -> Command:
    """Return commitTransaction or abortTransaction; the session adds the rest.

    Args:
        event: which of them.
        max_commit_time_ms: the milliseconds that the server may take for a commit.
    """
    body: Document = {event.value: 1}
    if event is TransactionEvent.COMMIT and max_commit_time_ms is not None:
        # Transactions, "maxCommitTimeMS": only if the caller said so.
        body["maxTimeMS"] = max_commit_time_ms
    return Command(event.value, body, "admin", is_write=True, retry=Retryability.ALWAYS, ends=event)
