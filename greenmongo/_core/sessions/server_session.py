"""What the server knows as a session (Driver Sessions, "ServerSession")."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bson.binary import Binary

    from greenmongo._core.types import Document

__all__ = ["ServerSession"]


@dataclass(slots=True)
class ServerSession:
    """An id under which a server keeps a session. Reused by one session after another."""

    id: Binary
    last_use: float
    """On the monotonic clock, in seconds."""
    txn_number: int = 0
    """Of the last retryable write or transaction. Never begins anew: Transactions, "Transactions
    Wire Protocol"."""
    is_dirty: bool = False
    """A network error hit a command of this session: it must not be pooled again."""
    lsid: Document = field(init=False)

    def __post_init__(self) -> None:
        """Build the `lsid` document once; every command of the session carries it."""
        self.lsid = {"id": self.id}

    def next_txn_number(self) -> int:
        """Return the number of the next retryable write or transaction.

        Retryable Writes, "Generating Transaction IDs": larger than any used before.
        """
        self.txn_number += 1
        return self.txn_number
