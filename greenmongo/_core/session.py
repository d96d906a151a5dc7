"""A logical session: its identity and what it has seen (Driver Sessions specification)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bson.binary import Binary

    from greenmongo._core.types import Document

__all__ = ["ServerSession", "SessionState", "require_session"]


@dataclass(slots=True)
class ServerSession:
    """What the server knows as a session. Reused by one operation after another."""

    id: Binary
    last_use: float
    """On the monotonic clock, in seconds."""
    txn_number: int = 0
    is_dirty: bool = False
    """A network error hit a command of this session: it must not be pooled again."""
    lsid: Document = field(init=False)

    def __post_init__(self) -> None:
        """Build the `lsid` document once; every command of the session carries it."""
        self.lsid = {"id": self.id}

    def next_txn_number(self) -> int:
        """Return the number of the next retryable write."""
        self.txn_number += 1
        return self.txn_number


@dataclass(slots=True)
class SessionState:
    """A session as an operation sees it."""

    server_session: ServerSession
    is_implicit: bool = True
    is_kept: bool = False
    """An open cursor needs it: it goes back to the pool only with the cursor."""


def require_session(session: object) -> None:
    """Refuse what was given as a session and is none.

    Raises:
        ValueError: it is something else, another driver's session for instance.
    """
    if not isinstance(getattr(session, "state", None), SessionState):
        raise ValueError(f"'session' argument must be a ClientSession or None, not {type(session)}")
