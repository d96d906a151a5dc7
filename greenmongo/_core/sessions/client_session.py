"""A session as operations and callers see it (Driver Sessions, "ClientSession").

Explicit sessions are started by callers, implicit ones by the driver for one operation or for one
cursor. Implicit ones carry an id and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from pymongo.errors import ConfigurationError, InvalidOperation

from greenmongo._core.server_codes import SERVER_5_0_WIRE_VERSION
from greenmongo._core.sessions.transaction import (
    Transaction,
    TransactionEvent,
    TransactionState,
)

if TYPE_CHECKING:
    from bson.timestamp import Timestamp

    from greenmongo._core.sessions.server_session import ServerSession
    from greenmongo._core.sessions.transaction import TransactionOptions

__all__ = [
    "ClusterTime",
    "SessionLike",
    "SessionOptions",
    "SessionState",
    "newest",
    "require_session",
]

ClusterTime: TypeAlias = Mapping[str, Any]
"""A `$clusterTime` as servers send it: `clusterTime` and a signature."""


class SessionLike(Protocol):
    """Anything that carries a session: the blocking and the async session classes."""

    @property
    def _state(self) -> SessionState:
        """The session's state machine and identity."""
        ...


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """How a session behaves. It cannot be changed later: Driver Sessions, "startSession"."""

    causal_consistency: bool = False
    snapshot: bool = False
    snapshot_time: Timestamp | None = None
    """Read as of then; None: as of the session's first read."""
    default_transaction_options: TransactionOptions | None = None

    @classmethod
    def of_explicit(
        cls,
        *,
        causal_consistency: bool | None = None,
        snapshot: bool = False,
        snapshot_time: Timestamp | None = None,
        default_transaction_options: TransactionOptions | None = None,
    ) -> SessionOptions:
        """Return the options of a session that a caller starts.

        Causal Consistency, "causalConsistency": on unless it is said otherwise. Snapshot Reads,
        "snapshot": off with snapshot reads.

        Raises:
            ConfigurationError: the options exclude each other.
        """
        if snapshot and causal_consistency:
            raise ConfigurationError("snapshot reads do not support causal_consistency=True")
        if snapshot_time is not None and not snapshot:
            raise ConfigurationError("snapshot_time needs snapshot=True")
        if causal_consistency is None:
            causal_consistency = not snapshot
        return cls(causal_consistency, snapshot, snapshot_time, default_transaction_options)


_OF_IMPLICIT = SessionOptions()
"""Causal Consistency, "causalConsistency": an implicit session is never causally consistent."""


@dataclass(slots=True)
class SessionState:
    """What a session is and has seen. One operation at a time uses it."""

    server_session: ServerSession
    is_implicit: bool = True
    """Started by the driver for one operation, or for one cursor."""
    options: SessionOptions = _OF_IMPLICIT
    cluster_time: ClusterTime | None = None
    """The highest seen in this session, or handed to it; the client's may be higher."""
    operation_time: Timestamp | None = None
    """Of the last operation: what the next one reads is to be at least as new."""
    snapshot_time: Timestamp | None = None
    """As of when all reads of a snapshot session read; None before the first."""
    transaction: Transaction | None = None
    """None: an implicit session, which never has one."""
    has_ended: bool = False
    owner: object = None
    """Whose session it is: of an explicit one, what runs the commands of its client."""
    process: int = 0
    """Where the server session is used: a forked child must take another one."""
    use: object = None
    """The operation under way in it, if it is an explicit one. One at a time."""
    limit: object = None
    """The time limit of `with_transaction`, while it is under way and has one."""
    leftover: object = None
    """What an operation that was left still does on the server, and the next one waits for."""

    @classmethod
    def of_explicit(
        cls,
        server_session: ServerSession,
        options: SessionOptions,
        *,
        owner: object = None,
        process: int = 0,
    ) -> SessionState:
        """Return a session that a caller has started."""
        return cls(
            server_session,
            is_implicit=False,
            options=options,
            snapshot_time=options.snapshot_time,
            transaction=Transaction(),
            owner=owner,
            process=process,
        )

    @property
    def is_in_transaction(self) -> bool:
        """Whether operations in the session are part of a transaction."""
        return self.transaction is not None and self.transaction.is_active

    def advance_cluster_time(self, cluster_time: ClusterTime) -> None:
        """Go on with a higher cluster time (Driver Sessions, "advanceClusterTime")."""
        self.cluster_time = newest(self.cluster_time, cluster_time)

    def advance_operation_time(self, operation_time: Timestamp) -> None:
        """Go on with a later operation time (Causal Consistency, "advanceOperationTime")."""
        known = self.operation_time
        if known is None or operation_time > known:
            self.operation_time = operation_time

    def start_transaction(self, options: TransactionOptions) -> None:
        """Begin a transaction; the server hears of it with the first command.

        Raises:
            InvalidOperation: there is one already, or the session reads from a snapshot.
        """
        # Snapshot Reads, "ClientSession changes".
        if self.transaction is None or self.options.snapshot:
            raise InvalidOperation("Transactions are not supported in snapshot sessions")
        self.transaction.apply(TransactionEvent.START)
        self.transaction.options = options
        # Transactions, "startTransaction": the number goes up, and then stays.
        self.transaction.number = self.server_session.next_txn_number()

    def leave_transaction(self) -> Transaction | None:
        """Have the transaction count as aborted, and return it for the server to be told.

        The operation that its caller has left may still be changing it: so there is another one
        from now on.

        Returns:
            None if there is none that is neither committed nor aborted.
        """
        left = self.transaction
        if left is None or not left.is_active:
            return None
        self.transaction = Transaction(TransactionState.ABORTED, left.options, left.number)
        return left

    def require_usable(self, *, has_sessions: bool, max_wire_version: int) -> None:
        """Refuse an explicit session that a server cannot use, or that has ended.

        Args:
            has_sessions: the server has told how long its sessions live.
            max_wire_version: the server's.

        Raises:
            InvalidOperation: it has ended (Driver Sessions, "endSession").
            ConfigurationError: the server has no sessions (Driver Sessions, "How to Tell Whether
                a Connection Supports Sessions"), or cannot read from a snapshot.
        """
        if self.has_ended:
            raise InvalidOperation("Cannot use ended session")
        if not has_sessions:
            raise ConfigurationError("Sessions are not supported by this MongoDB deployment")
        if self.options.snapshot and max_wire_version < SERVER_5_0_WIRE_VERSION:
            # Snapshot Reads, "Requires MongoDB 5.0+".
            raise ConfigurationError("Snapshot reads require MongoDB 5.0 or later")


def newest(one: ClusterTime | None, other: ClusterTime | None) -> ClusterTime | None:
    """Return the higher of two cluster times, either of which may be unknown.

    Driver Sessions, "Receiving the current cluster time": the signature does not count.
    """
    if one is None or other is None:
        return one or other
    return other if other["clusterTime"] > one["clusterTime"] else one


def require_session(session: object) -> SessionState:
    """Return the state of a session; refuse what was given as one and is none.

    Raises:
        ValueError: it is something else, another driver's session for instance.
    """
    state = getattr(session, "_state", None)
    if not isinstance(state, SessionState):
        raise ValueError(f"'session' argument must be a ClientSession or None, not {type(session)}")
    return state
