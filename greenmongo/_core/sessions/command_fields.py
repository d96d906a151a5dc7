"""What a session adds to a command, takes from a reply, and what an error does to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bson.int64 import Int64
from pymongo.errors import (
    ConnectionFailure,
    InvalidOperation,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
)

from greenmongo._core.command import Retryability
from greenmongo._core.error_labels import (
    RETRYABLE_ERROR,
    RETRYABLE_WRITE_ERROR,
    SYSTEM_OVERLOADED_ERROR,
    TRANSIENT_TRANSACTION_ERROR,
    UNKNOWN_TRANSACTION_COMMIT_RESULT,
    with_labels,
)
from greenmongo._core.read_modes import PRIMARY
from greenmongo._core.server_codes import (
    MAX_TIME_MS_EXPIRED,
    RETRYABLE_CODES,
    UNKNOWN_REPL_WRITE_CONCERN,
    UNSATISFIABLE_WRITE_CONCERN,
)
from greenmongo._core.sessions.client_session import newest
from greenmongo._core.sessions.transaction import TransactionEvent, TransactionState

if TYPE_CHECKING:
    from greenmongo._core.command import Command
    from greenmongo._core.sessions.client_session import ClusterTime, SessionState
    from greenmongo._core.sessions.transaction import Transaction
    from greenmongo._core.types import Document

__all__ = [
    "absorb_abandonment",
    "absorb_error",
    "absorb_reply",
    "add_session_fields",
    "check_in_transaction",
    "in_transaction",
    "label_transaction_error",
    "unpins",
]

_REJECTED_UNSTARTED = frozenset({SYSTEM_OVERLOADED_ERROR, RETRYABLE_ERROR})

# ---- commands -----------------------------------------------------------------------------------


def add_session_fields(
    body: Document,
    command: Command,
    session: SessionState,
    *,
    txn_number: int | None,
    cluster_time: ClusterTime | None,
) -> None:
    """Add to a command what its session says.

    Args:
        body: the document that goes on the wire, changed here. What it holds is not.
        command: what it was made of.
        session: what it runs in.
        txn_number: of a retryable write.
        cluster_time: the highest that the client has seen.
    """
    # Driver Sessions, "Sending the session ID to the server on all commands".
    body["lsid"] = session.server_session.lsid
    if txn_number is not None:
        body["txnNumber"] = Int64(txn_number)
    if session.cluster_time is not None:
        cluster_time = newest(session.cluster_time, cluster_time)
    if cluster_time is not None:
        body["$clusterTime"] = cluster_time
    if session.is_implicit:
        return
    transaction = session.transaction
    if transaction is not None and (transaction.is_active or transaction.is_ending):
        _add_transaction(body, session, transaction)
    elif session.options.snapshot:
        _add_snapshot(body, command, session)
    elif command.reads_after:
        _add_after_cluster_time(body, session)


def _add_transaction(body: Document, session: SessionState, transaction: Transaction) -> None:
    # Transactions, "Constructing commands within a transaction".
    body["txnNumber"] = Int64(transaction.number)
    body["autocommit"] = False
    # Concerns are the transaction's: a read concern for the first command, a write concern for
    # the last. What database and collection would have is of no account.
    body.pop("readConcern", None)
    body.pop("writeConcern", None)
    if transaction.state is TransactionState.STARTING:
        body["startTransaction"] = True
        concern = transaction.options.read_concern
        if concern is not None and concern.document:
            body["readConcern"] = concern.document
        # "Interaction with Causal Consistency": even if it is a write.
        _add_after_cluster_time(body, session)
    elif transaction.is_ending:
        concern_of_end = transaction.write_concern()
        if concern_of_end:
            body["writeConcern"] = concern_of_end
        if transaction.recovery_token is not None:
            body["recoveryToken"] = transaction.recovery_token


def _add_after_cluster_time(body: Document, session: SessionState) -> None:
    if not session.options.causal_consistency or session.operation_time is None:
        return
    if "$clusterTime" not in body:
        # The deployment has no cluster times, and would not know the field.
        return
    body["readConcern"] = {
        **body.get("readConcern", {}),
        "afterClusterTime": session.operation_time,
    }


def _add_snapshot(body: Document, command: Command, session: SessionState) -> None:
    # Snapshot Reads, "Sending readConcern to the server on all commands": on those too that
    # cannot have it, so that the server refuses them. A cursor reads on as it has begun.
    if command.address is not None:
        return
    concern = {**body.get("readConcern", {}), "level": "snapshot"}
    if session.snapshot_time is not None:
        concern["atClusterTime"] = session.snapshot_time
    body["readConcern"] = concern


def check_in_transaction(command: Command, session: SessionState) -> None:
    """Refuse what no operation in a transaction may ask for.

    Raises:
        InvalidOperation: a read preference other than primary, or a concern of its own.
    """
    if session.transaction is None or not session.transaction.is_active:
        return
    # Transactions, "readPreference": the transaction's comes before all others but that which the
    # operation itself was given, as runCommand may be. Reads alone.
    own, given = session.transaction.options.read_preference, command.read_preference
    if given is not None and not command.is_write:
        is_callers = command.retry is Retryability.UNKNOWN and given.mode != PRIMARY
        mode = given if is_callers else own or given
        if mode.mode != PRIMARY:
            raise InvalidOperation(
                f"read preference in a transaction must be primary, not: {mode!r}"
            )
    # Transactions, "Generic RunCommand helper within a transaction".
    if command.retry is Retryability.UNKNOWN and "readConcern" in command.body:
        raise InvalidOperation("Cannot set read concern after starting a transaction")


def in_transaction(command: Command, transaction: Transaction) -> Command:
    """Return a command as it is sent in a transaction, but for its fields."""
    preference = command.read_preference
    if preference is not None:
        preference = transaction.options.read_preference or preference
    # "Interaction with Retryable Reads" and "... Retryable Writes": neither is retried. And
    # "writeConcern": that of a collection is of no account.
    return command._replace(retry=Retryability.NEVER, acknowledged=True, read_preference=preference)


# ---- replies ------------------------------------------------------------------------------------


def absorb_reply(session: SessionState, reply: Document) -> None:
    """Keep what a reply says to its explicit session, be it of a success or not."""
    cluster_time = reply.get("$clusterTime")
    if cluster_time is not None:
        session.advance_cluster_time(cluster_time)
    # Causal Consistency, "Server Command Responses": after errors too.
    operation_time = reply.get("operationTime")
    if operation_time is not None:
        session.advance_operation_time(operation_time)
    if session.options.snapshot and session.snapshot_time is None:
        # Snapshot Reads, "Server Command Responses".
        cursor = reply.get("cursor")
        place = cursor if isinstance(cursor, dict) else reply
        session.snapshot_time = place.get("atClusterTime")
    transaction = session.transaction
    if transaction is None:
        return
    # Transactions, "recoveryToken field": in every successful reply of a sharded transaction.
    if reply.get("ok") and "recoveryToken" in reply:
        transaction.recovery_token = reply["recoveryToken"]
    if not _REJECTED_UNSTARTED.issubset(reply.get("errorLabels") or ()):
        # Otherwise, "Interaction with Client Backpressure", the next attempt is the first.
        _completed(transaction)


def _completed(transaction: Transaction) -> None:
    transaction.apply(TransactionEvent.COMPLETED)
    if transaction.state is TransactionState.COMMITTED:
        transaction.is_commit_retry = True


# ---- errors -------------------------------------------------------------------------------------


def absorb_error(session: SessionState, error: PyMongoError) -> None:
    """Keep what it means for a session that a command was sent and no reply came."""
    # Driver Sessions, "Server Session Pool": the server may still run something in it. As in
    # PyMongo, so it is with a server that is no primary any more.
    if isinstance(error, ConnectionFailure):
        session.server_session.is_dirty = True
    if session.transaction is not None and _is_network_error(error):
        _completed(session.transaction)


def absorb_abandonment(session: SessionState) -> None:
    """Keep that the caller has left while a command was under way."""
    session.server_session.is_dirty = True
    if session.transaction is not None:
        _completed(session.transaction)


def label_transaction_error(session: SessionState, error: PyMongoError) -> PyMongoError:
    """Return the error of a command in a transaction with the labels that the driver adds.

    Args:
        session: what the command ran in.
        error: of the command, or of the selection of a server or the checkout of a connection
            for it.
    """
    transaction = session.transaction
    if transaction is None:
        return error
    if transaction.state is TransactionState.COMMITTED and _is_commit_unknown(error):
        # Transactions, "UnknownTransactionCommitResult".
        return with_labels(error, UNKNOWN_TRANSACTION_COMMIT_RESULT)
    if transaction.is_active and _is_network_error(error):
        # Transactions, "Transient Transaction Error".
        return with_labels(error, TRANSIENT_TRANSACTION_ERROR)
    return error


def unpins(session: SessionState, error: PyMongoError) -> bool:
    """Tell whether a transaction leaves its server after an error, labels included.

    Transactions, "When to unpin", 1 to 3.
    """
    transaction = session.transaction
    if transaction is None:
        return False
    if transaction.state is TransactionState.ABORTED:
        return True
    return error.has_error_label(TRANSIENT_TRANSACTION_ERROR) or error.has_error_label(
        UNKNOWN_TRANSACTION_COMMIT_RESULT
    )


def _is_network_error(error: BaseException) -> bool:
    """Tell whether an error came without a server's reply; selection and checkout count too."""
    return isinstance(error, ConnectionFailure) and not isinstance(error, NotPrimaryError)


def _is_commit_unknown(error: PyMongoError) -> bool:
    if isinstance(error, WriteConcernError):
        return error.code not in {UNSATISFIABLE_WRITE_CONCERN, UNKNOWN_REPL_WRITE_CONCERN}
    if isinstance(error, ConnectionFailure) or error.has_error_label(RETRYABLE_WRITE_ERROR):
        return True
    return isinstance(error, OperationFailure) and (
        error.code == MAX_TIME_MS_EXPIRED or error.code in RETRYABLE_CODES
    )
