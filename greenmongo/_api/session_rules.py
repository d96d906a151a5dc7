"""What a session means to the commands that are built for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymongo.errors import ConfigurationError
from pymongo.write_concern import WriteConcern

from greenmongo._net.bound_session import BOUND_SESSION

if TYPE_CHECKING:
    from greenmongo._core.namespace import Namespace
    from greenmongo._core.sessions.client_session import SessionLike

__all__ = ["check_session", "is_in_transaction", "namespace_in"]


def is_in_transaction(session: SessionLike | None) -> bool:
    """Tell whether an operation is part of a transaction, of the session given or a bound one."""
    session = session or BOUND_SESSION.get()
    state = getattr(session, "_state", None)
    return state is not None and bool(state.is_in_transaction)


def namespace_in(session: SessionLike | None, namespace: Namespace) -> Namespace:
    """Return what a command inherits from its collection.

    Transactions, "writeConcern": that of a collection is of no account in one, be it w=0.
    """
    if namespace.write_concern.acknowledged or not is_in_transaction(session):
        return namespace
    return namespace._replace(write_concern=WriteConcern())


def check_session(session: SessionLike | None, write_concern: WriteConcern) -> None:
    """Refuse an unacknowledged write in a session: its place in the order would be unknown."""
    if session is not None and not write_concern.acknowledged:
        raise ConfigurationError(
            "Explicit sessions are incompatible with unacknowledged write concern: "
            f"{write_concern!r}"
        )
