"""A session is used by one operation at a time: who comes second is refused, or has to wait.

The second is refused while the operation of another caller is under way. He waits where the caller
of the operation before has left, for as long as it may still run on the server. Hub side only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gevent.hub import getcurrent

from greenmongo._hub.errors import MisuseError, find_call_site
from greenmongo._hub.upcall import place_of, upcall
from greenmongo._net.leftover import wait_for_leftover

if TYPE_CHECKING:
    from greenmongo._core.sessions.client_session import SessionState

__all__ = ["ConcurrentSessionUse", "claim", "refuse_if_in_use", "release", "used_at_once"]


class ConcurrentSessionUse(MisuseError):
    """A session was used by two tasks, greenlets or threads at once. Nothing was sent.

    Attributes:
        other_site: the line of yours that was using it, as `file:line in function`; None if it
            could not be found.
    """

    def __init__(
        self,
        problem: str,
        remedy: str,
        call_site: str | None = None,
        other_site: str | None = None,
    ) -> None:
        self.other_site = other_site
        super().__init__(problem, remedy, call_site)

    def __reduce__(self) -> tuple[type[MisuseError], tuple[str | None, ...]]:
        return type(self), (self.problem, self.remedy, self.call_site, self.other_site)


def claim(state: SessionState, timeout: float | None) -> None:
    """Take a session for an operation; whoever does gives it back with `release`.

    Args:
        state: the session.
        timeout: the seconds there are to wait for what an operation left behind.

    Raises:
        ConcurrentSessionUse: another operation is under way in it.
        NetworkTimeout: what was left behind took too long.
    """
    refuse_if_in_use(state)
    state.use = getcurrent()
    if state.leftover is not None:
        try:
            wait_for_leftover(state, timeout)
        except BaseException:
            state.use = None
            raise


def release(state: SessionState) -> None:
    """Give a session back after an operation."""
    state.use = None


def refuse_if_in_use(state: SessionState) -> None:
    """Object to a session that is in use.

    Raises:
        ConcurrentSessionUse: it is.
    """
    user = state.use
    if user is None:
        return
    # Only now, so that it costs nothing as long as all is well.
    raise used_at_once(upcall(find_call_site), place_of(user))


def used_at_once(own: str | None = None, other: str | None = None) -> ConcurrentSessionUse:
    """Return what is raised for a session that is in use.

    Args:
        own: the line that is refused, None for that of the caller.
        other: the line that uses it, if that is known.
    """
    by = "another operation" if other is None else f"the operation at {other}"
    return ConcurrentSessionUse(
        f"the session is in use by {by}",
        "one session serves one task, greenlet or thread at a time; start another one",
        own,
        other,
    )
