"""What an executor does with sessions: they begin and end where callers are."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

import gevent
from pymongo.errors import InvalidOperation

from greenmongo._core.sessions.client_session import SessionState, require_session
from greenmongo._core.sessions.server_session import ServerSession
from greenmongo._hub.errors import MisuseError
from greenmongo._hub.process_state import process_generation
from greenmongo._net.environment import new_session_id
from greenmongo._net.holder import Holder
from greenmongo._net.session_limit import refuse_another_limit
from greenmongo._net.session_use import refuse_if_in_use

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenmongo._core.sessions.client_session import SessionLike, SessionOptions
    from greenmongo._hub.thread import HubThread
    from greenmongo._net.engine import Engine
    from greenmongo._net.observers.tracing import Tracing

__all__ = ["SessionExecutor"]


class SessionExecutor:
    """Begins and ends sessions for one client, from anywhere."""

    _engine: Engine | None
    _is_closed: bool
    tracing: Tracing | None
    """What makes spans of the operations; None: nothing does."""

    if TYPE_CHECKING:

        @property
        def thread(self) -> HubThread: ...

        def open(self) -> Engine: ...

        def _usable_engine(self) -> Engine | None: ...

    def new_session(self, options: SessionOptions) -> SessionState:
        """Return a session. Any side; neither crosses nor waits."""
        engine = self._usable_engine()
        server_session = (
            ServerSession(new_session_id(), monotonic())
            if engine is None
            else engine.sessions.take()
        )
        return SessionState.of_explicit(
            server_session, options, owner=self, process=process_generation()
        )

    def _require_own(self, session: SessionLike) -> None:
        state = require_session(session)
        if state.has_ended:
            # Driver Sessions, "endSession".
            raise InvalidOperation("Cannot use ended session")
        if state.owner is not self:
            # Driver Sessions, "Drivers MUST report an error ...".
            raise MisuseError(
                "Can only use session with the MongoClient that started it",
                "start another one with start_session() of this client",
            )
        if state.limit is not None:
            refuse_another_limit(state)

    def make_own(self, state: SessionState) -> None:
        """See to it that a session is this process's. Only after a fork this crosses, and waits.

        Raises:
            InvalidOperation: it is in a transaction, which is the parent's.
        """
        if state.process != process_generation():
            self.open().sessions.make_own(state)

    def has_home_of(self, state: SessionState) -> bool:
        """Tell whether a session's server session was taken from this client as it is now."""
        return self._usable_engine() is not None and state.process == process_generation()

    def end_session(self, state: SessionState) -> None:
        """Take a session back that has ended. Any side; neither crosses nor waits."""
        engine = self._usable_engine()
        if engine is None or state.process != process_generation():
            return
        transaction = state.transaction
        if transaction is not None:
            # Its commit may have failed, and nobody will try once more.
            engine.sessions.transaction_ended(transaction)
            unpinned = transaction.unpin()
            if isinstance(unpinned, Holder):
                engine.thread.try_submit(unpinned.release)
        engine.sessions.release(state)

    def leave_session(self, state: SessionState) -> None:
        """End a session that nobody ends any more. Any side; neither blocks nor raises."""
        engine = self._engine
        if engine is not None:
            # No global name: it may be called while the interpreter takes its modules apart.
            engine.thread.try_submit(lambda: engine.leave_session(state))

    def leave_transaction(self, state: SessionState) -> None:
        """Have the transaction of a session aborted. Any side; neither blocks nor raises."""
        engine, left = self._engine, state.leave_transaction()
        if left is not None and left.trace is not None:
            left.trace.end()
        if engine is not None and left is not None:
            engine.thread.try_submit(lambda: engine.roll_back(state, left))

    def is_in_use(self, state: SessionState) -> bool:
        """Tell whether an operation of a session is under way that somebody waits for.

        Crosses, and so comes behind the news that a caller has left.
        """
        return bool(self.thread.call(lambda: state.use is not None))

    def refuse_if_in_use(self, state: SessionState) -> None:
        """Object to a session that is in use.

        Raises:
            ConcurrentSessionUse: it is.
        """
        if state.use is not None:
            self.thread.call(refuse_if_in_use, state)

    def do_afterwards(self, state: SessionState, fn: Callable[[], object], failure: str) -> None:
        """Call `fn` on the hub when nothing runs in a session. Any side; never blocks or raises."""
        engine = self._engine
        # In a forked child it is the parent's business, who may not have left at all.
        if engine is None or self._is_closed or state.process != process_generation():
            return
        # Behind the call that was left, if one was.
        engine.thread.try_submit(lambda: engine.afterwards.add(state, fn, failure))

    def pause(self, seconds: float) -> None:
        """Wait, in whatever way the caller waits."""
        self.thread.call(gevent.sleep, seconds)
