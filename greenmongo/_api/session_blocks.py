"""The `with` blocks of a session: a transaction, and operations that run in it unsaid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenmongo._net.bound_session import BOUND_SESSION

if TYPE_CHECKING:
    from contextvars import Token
    from types import TracebackType

    from typing_extensions import Self

    from greenmongo._api.client_session import ClientSession
    from greenmongo._core.sessions.client_session import SessionLike

__all__ = ["BoundSession", "TransactionBlock", "is_leaving"]


def is_leaving(error: BaseException | None) -> bool:
    """Tell whether a block is left by who may wait for nothing: cancelled, killed, interrupted."""
    return error is not None and not isinstance(error, Exception)


class TransactionBlock:
    """What `start_transaction` returns: a `with` block that commits, or aborts after an error.

    Left because its caller was killed or interrupted, it aborts without keeping him waiting.
    """

    def __init__(self, session: ClientSession) -> None:
        self._session = session

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        session = self._session
        try:
            if is_leaving(exc) or not session.in_transaction:
                return
            if exc is None:
                session.commit_transaction()
            else:
                session.abort_transaction()
        finally:
            # Of who was killed before, or now.
            session._leave_transaction()


class BoundSession:
    """What `bind` returns: a `with` block whose operations run in the session unless they say.

    Attributes:
        ends_session: whether the session ends with the block.
    """

    def __init__(self, session: ClientSession, *, ends_session: bool) -> None:
        self._session = session
        self._token: Token[SessionLike | None] | None = None
        self.ends_session = ends_session

    def __enter__(self) -> ClientSession:
        self._token = BOUND_SESSION.set(self._session)
        return self._session

    def unbind(self) -> None:
        """Have operations run in no session, or in that of the block around this one."""
        token, self._token = self._token, None
        if token is not None:
            BOUND_SESSION.reset(token)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.unbind()
        if self.ends_session:
            self._session.__exit__(exc_type, exc, traceback)
