"""The session that a block of operations runs in, in the caller's context variables."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from greenmongo._core.sessions.client_session import SessionLike

__all__ = ["BOUND_SESSION"]

BOUND_SESSION: ContextVar[SessionLike | None] = ContextVar("greenmongo_session", default=None)
"""What operations run in that are given no session; None outside of such blocks."""
