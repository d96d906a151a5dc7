"""ClientSession: operations in an order of their own, and transactions."""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from bson.timestamp import Timestamp
from pymongo.errors import InvalidOperation

from greenmongo._api.session_blocks import BoundSession, TransactionBlock, is_leaving
from greenmongo._core.commands.transaction import end_transaction
from greenmongo._core.sessions import transaction as core
from greenmongo._core.sessions.client_session import SessionOptions as StateOptions
from greenmongo._core.sessions.convenient import Pause, Step, with_transaction_steps
from greenmongo._core.sessions.options import SessionOptions, TransactionOptions
from greenmongo._core.sessions.transaction import TransactionEvent
from greenmongo._net.session_limit import LimitOfTransaction, limited
from greenmongo._net.session_use import used_at_once
from greenmongo._net.time_limit import deadline_of_caller

if TYPE_CHECKING:
    from types import TracebackType

    from pymongo.read_concern import ReadConcern
    from pymongo.write_concern import WriteConcern
    from typing_extensions import Self

    from greenmongo._api.client import MongoClient
    from greenmongo._core.sessions.client_session import ClusterTime, SessionState
    from greenmongo._core.types import ReadMode
    from greenmongo._net.executor import Executor

__all__ = ["ClientSession"]

T = TypeVar("T")


class ClientSession:
    """A session of one client, for one operation after another. `start_session` makes it.

    It serves one thread, greenlet or task at a time: a second one that uses it meanwhile gets a
    `ConcurrentSessionUse`, which names both places. Leave its `with` block, or call `end_session`.
    """

    def __init__(
        self,
        client: MongoClient[Any],
        executor: Executor,
        options: SessionOptions,
        *,
        snapshot_time: Timestamp | None = None,
        timeout: float | None = None,
    ) -> None:
        self._client = client
        self._executor = executor
        self._options = options
        self._timeout = timeout
        """The seconds that it has for what it does by itself; None: as the client's."""
        defaults = options.default_transaction_options
        self._state: SessionState = executor.new_session(
            StateOptions.of_explicit(
                causal_consistency=options.causal_consistency,
                snapshot=bool(options.snapshot),
                snapshot_time=snapshot_time,
                default_transaction_options=None if defaults is None else _for_core(defaults),
            )
        )

    # What it is

    @property
    def client(self) -> MongoClient[Any]:
        """The client that this session was started by."""
        return self._client

    @property
    def options(self) -> SessionOptions:
        """The options that this session was started with."""
        return self._options

    @property
    def session_id(self) -> Mapping[str, Any]:
        """The id by which the server knows this session, as a document.

        Raises:
            InvalidOperation: the session has ended.
        """
        self._check_ended()
        self._executor.make_own(self._state)
        return self._state.server_session.lsid

    @property
    def cluster_time(self) -> ClusterTime | None:
        """The cluster's time as of the last operation in this session."""
        return self._state.cluster_time

    @property
    def operation_time(self) -> Timestamp | None:
        """The time of the last operation in this session."""
        return self._state.operation_time

    @property
    def snapshot_time(self) -> Timestamp | None:
        """As of when a snapshot session reads; None before its first read.

        Another session that is started with it reads the same.

        Raises:
            InvalidOperation: it is no snapshot session.
        """
        if not self._state.options.snapshot:
            raise InvalidOperation("only a snapshot session has a snapshot_time")
        return self._state.snapshot_time

    @property
    def has_ended(self) -> bool:
        """Whether this session is over."""
        return self._state.has_ended

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction was started in this session, and not ended."""
        return self._state.is_in_transaction

    def advance_cluster_time(self, cluster_time: Mapping[str, Any]) -> None:
        """Go on with a later time of the cluster, such as another session's `cluster_time`.

        Raises:
            TypeError: it is no cluster time.
        """
        if not isinstance(cluster_time, Mapping):
            raise TypeError(
                f"cluster_time must be a subclass of collections.Mapping, not {type(cluster_time)}"
            )
        if not isinstance(cluster_time.get("clusterTime"), Timestamp):
            raise TypeError("Invalid cluster_time")
        self._state.advance_cluster_time(cluster_time)

    def advance_operation_time(self, operation_time: Timestamp) -> None:
        """Read what was there at this time at least, such as another session's `operation_time`.

        Raises:
            TypeError: it is no timestamp.
        """
        if not isinstance(operation_time, Timestamp):
            raise TypeError(
                "operation_time must be an instance of bson.timestamp.Timestamp, not "
                f"{type(operation_time)}"
            )
        self._state.advance_operation_time(operation_time)

    def bind(self, end_session: bool = True) -> BoundSession:
        """Run all operations of a `with` block in this session that are given none.

        Args:
            end_session: end this session with the block.
        """
        return BoundSession(self, ends_session=end_session)

    # Transactions

    def start_transaction(
        self,
        read_concern: ReadConcern | None = None,
        write_concern: WriteConcern | None = None,
        read_preference: ReadMode | None = None,
        max_commit_time_ms: int | None = None,
    ) -> TransactionBlock:
        """Start a transaction. As a `with` block it is committed at the end, aborted by an error.

        The server hears of it with the first operation. Options that are not given are those of
        the session, or else the client's.

        Args:
            read_concern: which data it sees.
            write_concern: when it counts as committed.
            read_preference: which servers may answer reads; only a primary may.
            max_commit_time_ms: the milliseconds that the server may take to commit it.

        Raises:
            InvalidOperation: there is one already, or this session has ended or is a snapshot.
            ConfigurationError: the write concern is unacknowledged.
        """
        self._check_ended()
        if self._is_in_use():
            raise used_at_once()
        options = TransactionOptions(
            read_concern, write_concern, read_preference, max_commit_time_ms
        )
        self._executor.make_own(self._state)
        self._state.start_transaction(self._resolved(options))
        tracing, transaction = self._executor.tracing, self._state.transaction
        if tracing is not None and transaction is not None:
            transaction.trace = tracing.transaction()
        return TransactionBlock(self)

    def _resolved(self, given: TransactionOptions) -> core.TransactionOptions:
        """Return the options of a transaction: given, or the session's, or the client's."""
        client, defaults = self._client, self._state.options.default_transaction_options
        concern = given.write_concern or (defaults and defaults.write_concern)
        inherited = core.TransactionOptions(
            client.read_concern, concern or client.write_concern, client.read_preference
        )
        return core.resolve_options(_for_core(given), defaults, inherited)

    def commit_transaction(self) -> None:
        """Commit the transaction. Repeated, it asks once more whether it is committed.

        Raises:
            InvalidOperation: there is none, or it was aborted.
            PyMongoError: it is not committed; or, if the error has the label
                `UnknownTransactionCommitResult`, it may be.
        """
        transaction = self._state.transaction
        limit = None if transaction is None else transaction.options.max_commit_time_ms
        self._end_transaction(TransactionEvent.COMMIT, limit)

    def abort_transaction(self) -> None:
        """Abort the transaction: nothing of it has happened. Errors of the server are ignored.

        Raises:
            InvalidOperation: there is none, or it has ended.
        """
        self._end_transaction(TransactionEvent.ABORT)

    def _end_transaction(self, event: TransactionEvent, limit: int | None = None) -> None:
        self._check_ended()
        # First of all: what an operation that was left has begun is known only behind its end.
        is_in_use = self._is_in_use()
        transaction = self._state.transaction
        if transaction is not None and not transaction.must_tell(event):
            if is_in_use:
                raise used_at_once()
            transaction.apply(event)
            if transaction.trace is not None:
                transaction.trace.end()
            return
        try:
            with limited(self._timeout):
                self._executor.execute(end_transaction(event, max_commit_time_ms=limit), self)
        except Exception:
            raise
        except BaseException:
            # Killed or interrupted, perhaps before it had begun.
            self._leave_transaction()
            raise
        finally:
            if transaction is not None and transaction.trace is not None:
                transaction.trace.end()

    def _is_in_use(self) -> bool:
        """Tell whether an operation is under way; of one whose caller has just left, see its end.

        Who it is the hub would have to ask him, and an event loop must not wait for that.
        """
        return self._state.use is not None and self._executor.is_in_use(self._state)

    def with_transaction(
        self,
        callback: Callable[[ClientSession], T],
        read_concern: ReadConcern | None = None,
        write_concern: WriteConcern | None = None,
        read_preference: ReadMode | None = None,
        max_commit_time_ms: int | None = None,
    ) -> T:
        """Run a function in a transaction, again and again until it is committed, and commit it.

        It is called with this session, which it must pass to its operations, and is called again
        after errors that may pass: it should have no other effects than those on the database. It
        must not catch the errors of operations without raising them again. Where it has ended the
        transaction itself nothing more is done. All that may take 120 seconds, or as long as the
        session's, the client's or a `timeout` around it says; with such a limit its operations may
        have no `timeout` of their own.

        Args:
            callback: the function.
            read_concern: which data it sees.
            write_concern: when it counts as committed.
            read_preference: which servers may answer reads; only a primary may.
            max_commit_time_ms: the milliseconds that the server may take to commit it.

        Returns:
            What the function returned the last time.

        Raises:
            PyMongoError: what cannot pass, or did not in time.
            MisuseError: an operation has a time limit of its own.
        """
        steps = self._transaction_steps(
            read_concern, write_concern, read_preference, max_commit_time_ms
        )
        try:
            with self._limit_of_whole():
                step = next(steps)
                while True:
                    try:
                        result = callback(self) if step is None else step()
                    except Exception as error:
                        step = steps.throw(error)
                    else:
                        step = steps.send(result)
        except StopIteration as end:
            value: T = end.value
            return value
        finally:
            # Of who was killed or interrupted.
            self._leave_transaction()

    def _limit_of_whole(self) -> AbstractContextManager[None]:
        """Return the block in which `with_transaction` does all that it does."""
        return LimitOfTransaction(self._state, self._limit)

    @property
    def _limit(self) -> float | None:
        """The seconds that a transaction may take; 0.0 is for ever, None is no timeout."""
        return self._client.options.timeout if self._timeout is None else self._timeout

    def _transaction_steps(self, *options: Any) -> Generator[Callable[[], object] | None, Any, Any]:
        """Yield what `with_transaction` does: functions that block, and None for the callback.

        Is sent what came of each, or has its error thrown in; returns the callback's value.
        """
        deadline = deadline_of_caller(self._limit)
        steps = with_transaction_steps(
            self._state, deadline=deadline, clock=monotonic, jitter=random.random
        )
        perform = {
            Step.START: partial(self.start_transaction, *options),
            Step.CALL: None,
            Step.COMMIT: self.commit_transaction,
            Step.ABORT: self.abort_transaction,
        }
        try:
            step = next(steps)
            while True:
                try:
                    result = yield (
                        partial(self._executor.pause, step)
                        if isinstance(step, Pause)
                        else perform[step]
                    )
                except Exception as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(result)
        except StopIteration as end:
            return end.value

    # The end

    def end_session(self) -> None:
        """End this session; a transaction that has not ended is aborted. Idempotent."""
        state = self._state
        if state.has_ended:
            return
        self._executor.refuse_if_in_use(state)
        try:
            if not self._executor.has_home_of(state):
                # Closed, or forked: there is nobody who could be told.
                state.leave_transaction()
            elif state.is_in_transaction:
                self.abort_transaction()
        finally:
            if not state.has_ended:
                state.has_ended = True
                self._executor.end_session(state)

    @property
    def _ends_at_once(self) -> bool:
        """Whether to end this session is nothing to wait for."""
        return self._state.use is None and not self.in_transaction

    def _leave(self) -> None:
        """End this session without waiting for the server. Any side; neither blocks nor raises."""
        if not self._state.has_ended:
            self._state.has_ended = True
            self._executor.leave_session(self._state)

    def _leave_transaction(self) -> None:
        """Abort the transaction without waiting. Any side; neither blocks nor raises."""
        self._executor.leave_transaction(self._state)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if is_leaving(exc):
            self._leave()
        else:
            self.end_session()

    def __del__(self) -> None:
        # The constructor may have failed.
        if "_state" in self.__dict__:
            self._leave()

    def _check_ended(self) -> None:
        if self._state.has_ended:
            raise InvalidOperation("Cannot use ended session")

    def __copy__(self) -> NoReturn:
        raise TypeError(f"A {type(self).__name__} cannot be copied, create a new session instead")


def _for_core(options: TransactionOptions) -> core.TransactionOptions:
    # Checked by PyMongo; its type for it is one of the inside.
    read_preference: Any = options.read_preference
    return core.TransactionOptions(
        options.read_concern,
        options.write_concern,
        read_preference,
        options.max_commit_time_ms,
    )
