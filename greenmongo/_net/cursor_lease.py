"""What an open cursor lives on: its session and, behind a load balancer, its connection.

A reply that leaves a cursor open brings a lease. The cursor keeps it and gives it to each command
that reads on or closes, so that these run in the same session, on the same connection. The lease
ends when the cursor is exhausted or closed, when it fails for good, or when nobody has it any
more: a reply whose caller has left, or a cursor that is dropped, keeps nothing. Nor does it leave
anything: a cursor that nobody has closed is closed on the server.

Hub side only, but for the end of a lease that nobody has any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymongo.errors import OperationFailure

from greenmongo._core.server_codes import CURSOR_GONE_CODES
from greenmongo._hub.process_state import process_generation

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenmongo._core.sessions.client_session import SessionLike, SessionState
    from greenmongo._hub.thread import HubThread
    from greenmongo._net.holder import CursorHolder
    from greenmongo._net.sessions import Sessions

__all__ = ["CursorLease", "SessionKeeper", "ends_cursor"]


class SessionKeeper:
    """The implicit session of a change stream, which all its cursors run in, one after another.

    Change Streams, "Resume Process": a stream is resumed in the session that it was opened in. Goes
    along with the command that opens a cursor, in a lease's place. The stream has it, and so has
    each lease; the session goes back when none of them does any more.
    """

    __slots__ = ("_process", "_session", "_sessions", "_thread")

    explicit: SessionLike | None = None
    """It is for streams without one."""

    def __init__(self) -> None:
        self._session: SessionState | None = None
        self._process = 0

    @property
    def session(self) -> SessionState | None:
        """None before the stream is open; and in a forked child, as it is the parent's."""
        return self._session if self._process == process_generation() else None

    def take(self, session: SessionState | None, sessions: Sessions, thread: HubThread) -> None:
        """Keep the session that a cursor was opened in. Hub side.

        Args:
            session: which one.
            sessions: where it goes back to.
            thread: where it does.
        """
        self._sessions, self._thread = sessions, thread
        self._session, self._process = session, process_generation()

    def __del__(self) -> None:
        # No global name: it may be called while the interpreter takes its modules apart.
        session = self._session
        if session is not None:
            sessions = self._sessions
            self._thread.try_submit(lambda: sessions.release(session))


class CursorLease:
    """The session and the connection of one open cursor, for as long as it is open.

    Args:
        sessions: where the session goes back to.
        thread: where it does.
        session: the implicit session that the cursor was opened in. Driver Sessions, "Sessions
            and cursors": `getMore` must run in it, and it goes back when the cursor ends.
        holder: keeps the connection, if it must be kept. Load Balancers, "Connection Pinning".
        kill: closes the cursor with this lease, when nobody else will. Does not wait.
        explicit: the caller's session, if the cursor was opened in one.
        keeper: to whom `session` belongs, if not to the cursor alone.
    """

    __slots__ = ("_keeper", "_kill", "_sessions", "_thread", "explicit", "holder", "session")

    def __init__(
        self,
        sessions: Sessions,
        thread: HubThread,
        session: SessionState | None,
        holder: CursorHolder | None,
        kill: Callable[[CursorLease], object] | None = None,
        explicit: SessionLike | None = None,
        keeper: SessionKeeper | None = None,
    ) -> None:
        self._sessions = sessions
        self._keeper = keeper
        self._thread = thread
        self._kill = kill
        self.explicit = explicit
        """It is the caller's: nobody gives it back."""
        self.session = session
        """None if it is the caller's own, or given back."""
        self.holder = holder
        """None if the cursor can be read on over any connection, or over that of a request."""

    def end(self) -> None:
        """Give session and connection back: now, or when the operation that has it is done."""
        self._kill = None
        session, self.session = self.session, None
        keeper, self._keeper = self._keeper, None
        if session is not None and keeper is None:
            self._sessions.release(session)
        if self.holder is not None:
            # It stays: without its connection there is no other for this cursor.
            self.holder.release()

    def __del__(self) -> None:
        # No global name: it may be called while the interpreter takes its modules apart.
        kill, self._kill = self._kill, None
        if kill is not None:
            # It lives on, for the command that closes the cursor and then ends it.
            self._thread.try_submit(lambda: kill(self))
            return
        session, holder, sessions = self.session, self.holder, self._sessions
        if session is not None and self._keeper is None:
            self._thread.try_submit(lambda: sessions.release(session))
        if holder is not None and holder.bound:
            self._thread.try_submit(holder.release)


def ends_cursor(error: Exception) -> bool:
    """Tell whether a cursor is lost after an error, rather than still to be closed by us."""
    return not isinstance(error, OperationFailure) or error.code in CURSOR_GONE_CODES
