"""The transaction of a session: its states as a table, and what it remembers.

Transactions, "ClientSession changes", has the states and the arrows between them as a picture;
`TRANSITIONS` is that picture. Where the picture has "error" the table has the error's text, and
the state stays as it is.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from pymongo.errors import ConfigurationError, InvalidOperation

if TYPE_CHECKING:
    from pymongo.read_concern import ReadConcern
    from pymongo.write_concern import WriteConcern

    from greenmongo._core.types import Address, Document, ReadMode

__all__ = [
    "TRANSITIONS",
    "Transaction",
    "TransactionEvent",
    "TransactionOptions",
    "TransactionState",
    "resolve_options",
]

_COMMIT_RETRY_WTIMEOUT = 10_000
"""Milliseconds; Transactions, "writeConcern for commitTransaction attempts"."""


class TransactionState(enum.Enum):
    """Where a transaction is."""

    NONE = "no transaction"
    STARTING = "starting transaction"
    """Begun by the caller; the server has not heard of it."""
    IN_PROGRESS = "transaction in progress"
    COMMITTED = "transaction committed"
    COMMITTED_EMPTY = "transaction committed, without a command"
    """The specification has one state for both; a commit that is repeated has to tell them apart:
    nothing was sent, and nothing is to be sent."""
    ABORTED = "transaction aborted"


class TransactionEvent(enum.Enum):
    """What happens to a transaction."""

    START = "startTransaction"
    OPERATION = "an operation in the session begins"
    """Any but those that end the transaction."""
    COMPLETED = "a command of an operation was completed, be it with an error"
    COMMIT = "commitTransaction"
    ABORT = "abortTransaction"


_S, _E = TransactionState, TransactionEvent
_IN_PROGRESS_ALREADY = "Transaction already in progress"
_NOT_STARTED = "No transaction started"
_ABORT_AFTER_COMMIT = "Cannot call abortTransaction after calling commitTransaction"

TRANSITIONS: Mapping[TransactionState, Mapping[TransactionEvent, TransactionState | str]] = {
    _S.NONE: {
        _E.START: _S.STARTING,
        _E.OPERATION: _S.NONE,
        _E.COMPLETED: _S.NONE,
        _E.COMMIT: _NOT_STARTED,
        _E.ABORT: _NOT_STARTED,
    },
    _S.STARTING: {
        _E.START: _IN_PROGRESS_ALREADY,
        # Errors of the driver's own leave it here: only a command that was completed begins it.
        _E.OPERATION: _S.STARTING,
        _E.COMPLETED: _S.IN_PROGRESS,
        _E.COMMIT: _S.COMMITTED_EMPTY,
        _E.ABORT: _S.ABORTED,
    },
    _S.IN_PROGRESS: {
        _E.START: _IN_PROGRESS_ALREADY,
        _E.OPERATION: _S.IN_PROGRESS,
        _E.COMPLETED: _S.IN_PROGRESS,
        _E.COMMIT: _S.COMMITTED,
        _E.ABORT: _S.ABORTED,
    },
    _S.COMMITTED: {
        _E.START: _S.STARTING,
        _E.OPERATION: _S.NONE,
        _E.COMPLETED: _S.COMMITTED,
        _E.COMMIT: _S.COMMITTED,
        _E.ABORT: _ABORT_AFTER_COMMIT,
    },
    _S.COMMITTED_EMPTY: {
        _E.START: _S.STARTING,
        _E.OPERATION: _S.NONE,
        _E.COMPLETED: _S.COMMITTED_EMPTY,
        _E.COMMIT: _S.COMMITTED_EMPTY,
        _E.ABORT: _ABORT_AFTER_COMMIT,
    },
    _S.ABORTED: {
        _E.START: _S.STARTING,
        _E.OPERATION: _S.NONE,
        _E.COMPLETED: _S.ABORTED,
        _E.COMMIT: "Cannot call commitTransaction after calling abortTransaction",
        _E.ABORT: "Cannot call abortTransaction twice",
    },
}

_SENT_TO_SERVER = {
    _E.COMMIT: frozenset({_S.IN_PROGRESS, _S.COMMITTED}),
    _E.ABORT: frozenset({_S.IN_PROGRESS}),
}
"""The states in which the server knows of the transaction, so that its end is told to it."""


@dataclass(frozen=True, slots=True)
class TransactionOptions:
    """How a transaction reads and commits (Transactions, "TransactionOptions").

    Raises:
        ConfigurationError: the write concern is unacknowledged.
    """

    read_concern: ReadConcern | None = None
    """For the first command."""
    write_concern: WriteConcern | None = None
    """For commitTransaction and abortTransaction."""
    read_preference: ReadMode | None = None
    max_commit_time_ms: int | None = None

    def __post_init__(self) -> None:
        """Refuse what no transaction may have."""
        if self.write_concern is not None and not self.write_concern.acknowledged:
            raise ConfigurationError(
                f"transactions do not support unacknowledged write concerns: {self.write_concern!r}"
            )


def resolve_options(
    given: TransactionOptions, defaults: TransactionOptions | None, client: TransactionOptions
) -> TransactionOptions:
    """Return the options of a transaction that begins.

    Args:
        given: to startTransaction.
        defaults: the session's default transaction options.
        client: what the client's own concerns and read preference come to.
    """
    resolved = client
    for options in (defaults, given):
        if options is not None:
            said = {each.name: getattr(options, each.name) for each in fields(options)}
            resolved = replace(resolved, **{k: v for k, v in said.items() if v is not None})
    return resolved


@dataclass(slots=True)
class Transaction:
    """The transaction of one explicit session: the one after the other."""

    state: TransactionState = TransactionState.NONE
    options: TransactionOptions = TransactionOptions()
    number: int = 0
    """Its `txnNumber`."""
    pinned_address: Address | None = None
    """The mongos that has it (Transactions, "Mongos Pinning")."""
    pinned_holder: object | None = None
    """What keeps the connection that it runs on, behind a load balancer."""
    recovery_token: Document | None = None
    """By which any mongos finds out how it ended (Transactions, "recoveryToken field")."""
    is_commit_retry: bool = False
    """A commitTransaction may have come to a server already."""
    is_left: bool = False
    """Nobody ends it any more, and it is being aborted."""
    trace: Any = None
    """Its span, if the client traces; kept behind its end, as a commit may be repeated."""

    @property
    def is_active(self) -> bool:
        """Whether operations of the session are part of it."""
        return self.state in {TransactionState.STARTING, TransactionState.IN_PROGRESS}

    @property
    def is_ending(self) -> bool:
        """Whether a command in the session now is the one that ends it."""
        # Any other operation would have begun by leaving these states.
        return self.state in {TransactionState.COMMITTED, TransactionState.ABORTED}

    def must_tell(self, event: TransactionEvent) -> bool:
        """Tell whether the server, which knows of the transaction, must be told of an event."""
        return self.state in _SENT_TO_SERVER.get(event, ())

    def apply(self, event: TransactionEvent) -> bool:
        """Go on to the next state.

        Returns:
            Whether the server must be told, by a command of the event's name.

        Raises:
            InvalidOperation: this cannot happen in this state, which stays as it is.
        """
        target = TRANSITIONS[self.state][event]
        if isinstance(target, str):
            raise InvalidOperation(target)
        is_sent = self.must_tell(event)
        if target is not self.state and target in {
            TransactionState.NONE,
            TransactionState.STARTING,
        }:
            # "recoveryToken field": it is cleared on the way into these two states.
            self.recovery_token = None
            self.is_commit_retry = self.is_left = False
        self.state = target
        return is_sent

    def unpin(self) -> object | None:
        """Leave the server; return what keeps a connection, which is to be released.

        Transactions, "When to unpin": when it is aborted, after the errors of
        `command_fields.unpins`, when another transaction or another operation begins, and when
        the session ends.
        """
        holder, self.pinned_holder, self.pinned_address = self.pinned_holder, None, None
        return holder

    def write_concern(self) -> Document:
        """Return the write concern of a command that ends it; empty is the server's default.

        Transactions, "writeConcern for commitTransaction attempts": one that may have been
        committed already must not wait for less than a majority, nor for ever.
        """
        concern = self.options.write_concern
        document: Document = {} if concern is None else dict(concern.document)
        if self.state is TransactionState.COMMITTED and self.is_commit_retry:
            document["w"] = "majority"
            document.setdefault("wtimeout", _COMMIT_RETRY_WTIMEOUT)
        return document
