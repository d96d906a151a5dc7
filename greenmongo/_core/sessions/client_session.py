"""A session as operations and callers see it (Driver Sessions, "ClientSession")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from greenmongo._core.sessions.server_session import ServerSession

__all__ = ["SessionLike", "SessionState", "require_session"]


class SessionLike(Protocol):
    """Anything that carries a session: the blocking and the async session classes."""

    @property
    def state(self) -> SessionState:
        """The session's state machine and identity."""
        ...


@dataclass(slots=True)
class SessionState:
    """A session as an operation sees it."""

    server_session: ServerSession
    is_implicit: bool = True
    """Started by the driver for one operation, or for one cursor."""
    is_kept: bool = False
    """An open cursor needs it: it goes back to the pool only with the cursor."""


def require_session(session: object) -> None:
    """Refuse what was given as a session and is none.

    Raises:
        ValueError: it is something else, another driver's session for instance.
    """
    if not isinstance(getattr(session, "state", None), SessionState):
        raise ValueError(f"'session' argument must be a ClientSession or None, not {type(session)}")
