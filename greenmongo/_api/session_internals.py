"""What the async half of a session needs to do that the public session does not offer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager

    from greenmongo._api.client_session import ClientSession

__all__ = [
    "ends_at_once",
    "leave_session",
    "leave_transaction",
    "limit_of_transaction",
    "transaction_steps",
]


def ends_at_once(session: ClientSession) -> bool:
    """Tell whether to end a session is nothing to wait for. Any side."""
    return session._ends_at_once


def leave_session(session: ClientSession) -> None:
    """End a session without waiting for the server. Any side; neither blocks nor raises."""
    session._leave()


def leave_transaction(session: ClientSession) -> None:
    """Abort a session's transaction without waiting. Any side; neither blocks nor raises."""
    session._leave_transaction()


def transaction_steps(
    session: ClientSession, *options: Any
) -> Generator[Callable[[], object] | None, Any, Any]:
    """Return what `with_transaction` does: functions that block, and None for the callback."""
    return session._transaction_steps(*options)


def limit_of_transaction(session: ClientSession) -> AbstractContextManager[None]:
    """Return the block in which all steps of `transaction_steps` are taken."""
    return session._limit_of_whole()
