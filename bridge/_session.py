"""AsyncClientSession: the async face of a session, and of its blocks."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from bridge._delegate import (
    Facade,
    Pending,
    awaits,
    mirrors_property,
    optionally_awaited,
    wraps_result,
)
from greenmongo import ClientSession
from greenmongo.lowlevel import (
    ends_at_once,
    is_leaving,
    is_open,
    leave_session,
    leave_transaction,
    limit_of_transaction,
    transaction_steps,
)

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import TracebackType

    from bson.timestamp import Timestamp
    from pymongo.read_concern import ReadConcern
    from pymongo.write_concern import WriteConcern
    from typing_extensions import Self

    from bridge._client import AsyncMongoClient
    from greenmongo.lowlevel import BoundSession, ReadMode, SessionOptions, TransactionBlock

__all__ = ["AsyncBoundSession", "AsyncClientSession", "AsyncTransactionBlock"]

R = TypeVar("R")
T = TypeVar("T")


class AsyncTransactionBlock(Pending["AsyncTransactionBlock"]):
    """What `start_transaction` returns: an `async with` block that commits, or aborts.

    It may be awaited first. Left because its task was cancelled it aborts, and keeps nobody
    waiting.
    """

    def __init__(self, session: AsyncClientSession, block: TransactionBlock) -> None:
        self._session = session

    async def _when_awaited(self) -> AsyncTransactionBlock:
        return self

    def close(self) -> None:
        """End the coroutine that this passes for; the transaction goes on."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
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
                await session.commit_transaction()
            else:
                await session.abort_transaction()
        finally:
            # Cancelled before, or now: then it is still open.
            leave_transaction(session._sync)


class AsyncBoundSession:
    """What `bind` returns: an `async with` block whose operations run in the session."""

    def __init__(self, session: AsyncClientSession, bound: BoundSession) -> None:
        self._session = session
        self._bound = bound

    async def __aenter__(self) -> AsyncClientSession:
        self._bound.__enter__()
        return self._session

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bound.unbind()
        if self._bound.ends_session:
            await self._session.__aexit__(exc_type, exc, traceback)


def _itself(face: object, result: R) -> R:
    return result


class AsyncClientSession(Facade[ClientSession]):
    """A session of one client, for one operation after another. `start_session` makes it.

    It serves one task at a time: a second one that uses it meanwhile gets a
    `ConcurrentSessionUse`, which names both places. Leave its `async with` block, or await
    `end_session`. The session itself may be awaited, too, as Motor has it.
    """

    if TYPE_CHECKING:

        @classmethod
        def _wrap(cls, parent: Facade[Any], sync: ClientSession) -> AsyncClientSession: ...

    @property
    def _state(self) -> Any:
        """What makes it a session for operations."""
        return self._sync._state

    @property
    def client(self) -> AsyncMongoClient[Any]:
        """The client that this session was started by."""
        client: AsyncMongoClient[Any] = self._parent
        return client

    options: SessionOptions = mirrors_property(ClientSession, "options")
    session_id: Mapping[str, Any] = mirrors_property(ClientSession, "session_id")
    cluster_time: Mapping[str, Any] | None = mirrors_property(ClientSession, "cluster_time")
    operation_time: Timestamp | None = mirrors_property(ClientSession, "operation_time")
    snapshot_time: Timestamp | None = mirrors_property(ClientSession, "snapshot_time")
    has_ended: bool = mirrors_property(ClientSession, "has_ended")
    in_transaction: bool = mirrors_property(ClientSession, "in_transaction")

    advance_cluster_time = wraps_result(_itself)(ClientSession.advance_cluster_time)
    advance_operation_time = wraps_result(_itself)(ClientSession.advance_operation_time)
    bind = wraps_result(AsyncBoundSession)(ClientSession.bind)
    start_transaction = optionally_awaited(
        wraps_result(AsyncTransactionBlock)(ClientSession.start_transaction)
    )
    commit_transaction = awaits(ClientSession.commit_transaction)
    abort_transaction = awaits(ClientSession.abort_transaction)

    async def end_session(self) -> None:
        """End this session; a transaction that has not ended is aborted. Idempotent."""
        if ends_at_once(self._sync) or not is_open(self._sync.client):
            self._sync.end_session()
        else:
            await self._dispatcher.call(self._sync.end_session)

    async def with_transaction(
        self,
        callback: Callable[[AsyncClientSession], Coroutine[Any, Any, T]],
        read_concern: ReadConcern | None = None,
        write_concern: WriteConcern | None = None,
        read_preference: ReadMode | None = None,
        max_commit_time_ms: int | None = None,
    ) -> T:
        """Run a coroutine function in a transaction until it is committed, and commit it.

        It is called with this session, which it must pass to its operations, and is called again
        after errors that may pass: it should have no other effects than those on the database. It
        must not catch the errors of operations without raising them again. Where it has ended the
        transaction itself nothing more is done. All that may take 120 seconds, or as long as the
        session's, the client's or a `timeout` around it says; with such a limit its operations may
        have no `timeout` of their own.

        Args:
            callback: the coroutine function.
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
        options = (read_concern, write_concern, read_preference, max_commit_time_ms)
        steps = transaction_steps(self._sync, *options)
        try:
            with limit_of_transaction(self._sync):
                step = next(steps)
                while True:
                    try:
                        if step is None:
                            result: Any = await callback(self)
                        else:
                            result = await self._dispatcher.call(step)
                    except Exception as error:
                        step = steps.throw(error)
                    else:
                        step = steps.send(result)
        except StopIteration as end:
            value: T = end.value
            return value
        finally:
            # Of who was cancelled.
            leave_transaction(self._sync)

    async def _when_awaited(self) -> Self:
        return self

    def __await__(self) -> Generator[Any, Any, Self]:
        return self._when_awaited().__await__()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if not is_leaving(exc):
                await self.end_session()
        finally:
            leave_session(self._sync)

    def __copy__(self) -> NoReturn:
        raise TypeError(f"A {type(self).__name__} cannot be copied, create a new session instead")
