"""A bulk write under way, of documents or operations that come one after another.

A list is taken as a whole: everything in it is encoded before anything is sent. Of anything else a
*window* at a time is taken, encoded and sent, so that no more than that is ever held.

Whoever iterates over the source does it in his own place, never on the hub thread. Here it is the
thread or greenlet that calls `run`; a task of `bridge` calls `add`, `send` and `finish` itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Sequence, Sized
from contextlib import nullcontext
from functools import partial
from time import time_ns
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Generic,
    Protocol,
    TypeAlias,
    TypeVar,
)

from pymongo.errors import InvalidOperation, OperationFailure

from greenmongo._api.in_place import encode_in_place
from greenmongo._core.bulk.partial import remember_progress
from greenmongo._core.bulk.progress import BulkProgress, UnacknowledgedProgress
from greenmongo._core.cursors.undecoded_batch import (
    DECODE_CHUNK,
    DECODE_CHUNK_DOCUMENTS,
    ENCODE_OVERHEAD,
)
from greenmongo._hub.checkpoint import checkpoint
from greenmongo._hub.upcall import may_ask, upcall

if TYPE_CHECKING:
    from pymongo.write_concern import WriteConcern

    from greenmongo._api.configured import CommandExecutor
    from greenmongo._core.bulk.batches import WriteLimits
    from greenmongo._core.command import Command
    from greenmongo._core.namespace import Namespace
    from greenmongo._core.sessions.client_session import SessionLike
    from greenmongo._core.tracing import OperationFacts
    from greenmongo._core.types import Document
    from greenmongo._net.observers.tracing import OperationTrace

__all__ = [
    "AnyIterable",
    "BulkLoad",
    "OnProgress",
    "is_iterable",
    "new_progress",
]

T = TypeVar("T")
BatchT = TypeVar("BatchT")
ResultT = TypeVar("ResultT")

AnyIterable: TypeAlias = Iterable[T] | AsyncIterable[T]
"""What a bulk write takes; of blocking code, no async one."""

OnProgress: TypeAlias = Callable[[int, int | None], object]
"""Called with how many operations are done, and how many there are, if that is known."""

_ALONE = nullcontext()
"""Around what is one command."""

WINDOW_COUNT = 10_000
WINDOW_SIZE = 8 * 1024 * 1024
"""Operations, and bytes of them, that are held of a source which is no list."""


class Progress(Protocol):
    """What a load asks of a result that is being added up."""

    @property
    def done(self) -> int:
        """How many operations have been dealt with."""
        ...

    @property
    def is_halted(self) -> bool:
        """Whether nothing more is to be sent."""
        ...

    @property
    def result(self) -> Document | None:
        """What is added up so far, None if nothing can be known."""
        ...

    def record_failure(self, error: OperationFailure) -> None:
        """Add that a whole message failed, or raise it."""
        ...

    def conclude(self) -> Document:
        """Return the result, or raise what went wrong."""
        ...


class BulkLoad(ABC, Generic[BatchT, ResultT]):
    """One bulk write. Made in the caller's place; it does no I/O until it is run.

    Args:
        executor: what runs the commands.
        source: the documents or operations, in an iterable, which may be an async one.
        session: the session to run in.
        on_progress: told after each message, in the caller's place.
        progress: adds the replies up.
    """

    _namespace: Namespace
    """What it writes to, with the options for it."""

    _has_cursors: ClassVar[bool] = False
    """A message is not all: its results are read from a cursor."""

    def __init__(
        self,
        executor: CommandExecutor,
        source: Any,
        session: SessionLike | None,
        on_progress: OnProgress | None,
        progress: Progress,
    ) -> None:
        self._executor = executor
        self._session = session
        self._on_progress = on_progress
        self.progress = progress
        self.is_whole = isinstance(source, (list, tuple))
        """The source is a list, all of which is encoded before anything is sent."""
        # A copy, as the caller's may change meanwhile.
        self.source: Any = list(source) if self.is_whole else source
        """None once somebody iterates over it."""
        self._total = len(source) if isinstance(source, Sized) else None
        self._first = 0
        """The index of the window's first operation."""
        self._count = 0
        self._size = 0
        """Of the window: operations and bytes."""
        self._operation_id: int | None = None
        self._began_at = time_ns()
        self._trace: OperationTrace | None = None
        """The span around those of all its commands, from the first one on."""
        self._sent: Sequence[object] = ()

    # ---- what a kind of bulk write says ------------------------------------------------------

    @abstractmethod
    def _prepare(self, item: Any) -> bytes:
        """Check and encode one operation, and add it to the window. In the caller's place."""

    @abstractmethod
    def _take_batches(self, limits: WriteLimits) -> Sequence[BatchT]:
        """Take everything out of the window, as messages. Any side, others run meanwhile."""

    @abstractmethod
    def _build(self, batch: BatchT, operation_id: int, *, is_last: bool) -> Command:
        """Return the command for a batch; `is_last` if nothing follows it."""

    @abstractmethod
    def _facts(self, batches: Sequence[BatchT]) -> OperationFacts:
        """Return what its span says, given the first messages."""

    @abstractmethod
    def _execute(self, command: Command, batch: BatchT) -> None:
        """Run a command and record what comes of it."""

    @abstractmethod
    def _result(self, document: Document) -> ResultT:
        """Make the method's result of what has been added up."""

    # ---- for the calling thread or greenlet ----------------------------------------------------

    def run(self) -> ResultT:
        """Take, encode and send everything, and return the result.

        Raises:
            PyMongoError: what went wrong.
        """
        try:
            if self.is_whole:
                with self._executor.as_one_operation():
                    self._take_whole(self.take_source())
                    return self.finish()
            else:
                items = iterator_of(self.take_source())
                while upcall(lambda: self._fill(items)):
                    self.send()
                    self.release()
            return self.finish()
        except BaseException as error:
            self.remember(error)
            raise

    def _take_whole(self, items: list[Any]) -> None:
        options = self._namespace.codec_options
        # Otherwise this is the caller's place.
        asks = may_ask()
        # As `with_checkpoints`, without its calls for each of a few.
        done = 0
        for item in items:
            if asks:
                size = len(encode_in_place(partial(self._prepare, item), item, options))
            else:
                size = len(self._prepare(item))
            done += size + ENCODE_OVERHEAD
            if done >= DECODE_CHUNK:
                done = 0
                checkpoint()
        self._count = len(items)

    def _fill(self, items: Iterator[Any]) -> bool:
        """Fill the window; False when the source is exhausted, or nothing more is wanted."""
        if self.progress.is_halted:
            return False
        next_checkpoint = DECODE_CHUNK_DOCUMENTS
        for item in items:
            if self.add(item):
                return True
            if self._count >= next_checkpoint:
                next_checkpoint += DECODE_CHUNK_DOCUMENTS
                # Of the caller's own hub, if he is a greenlet.
                checkpoint()
        return False

    # ---- for who iterates himself --------------------------------------------------------------

    def take_source(self) -> Any:
        """Return what is to be iterated over, and forget it.

        Python closes a generator where the last reference to it is dropped, and that is to be in
        the caller's place, whatever the hub still holds of this.
        """
        source, self.source = self.source, None
        return source

    def add(self, item: Any) -> bool:
        """Take one operation, in the caller's place; return whether it is time to send."""
        self._size += len(self._prepare(item))
        self._count += 1
        return self.is_full

    @property
    def is_full(self) -> bool:
        """Whether it is time to send what is in the window."""
        if self.is_whole:
            return False
        return self._count >= WINDOW_COUNT or self._size >= WINDOW_SIZE

    def send(self) -> None:
        """Send what is in the window. Any side."""
        self._send_all()

    def release(self) -> None:
        """Let go of what has been sent. In the caller's place: it may be much, and the user's."""
        self._sent = ()

    def finish(self) -> ResultT:
        """Send the rest, or all of a list, and return the result. Any side.

        Raises:
            InvalidOperation: there was nothing at all.
            BulkWriteError: some of it failed.
        """
        if not self._first and not self._count:
            raise InvalidOperation("No operations to execute")
        if self._count and not self.progress.is_halted:
            # CSOT, "Operations": one limit for all messages. A stream has one for each, since
            # the time that its source takes is the caller's.
            with self._executor.as_one_operation() if self.is_whole else _ALONE:
                self._send_all(are_last=True)
        result = self._result(self.progress.conclude())
        if self._trace is not None:
            self._trace.end(None)
        return result

    def remember(self, error: BaseException) -> None:
        """Keep with an error that ends this what had been written before."""
        if self._trace is not None:
            self._trace.end(error)
        remember_progress(error, self.progress.result)

    def _send_all(self, *, are_last: bool = False) -> None:
        progress, batches = self.progress, self._take_batches(self._executor.limits())
        # With what they were made of.
        self._sent = (*self._sent, *batches)
        last = batches[-1] if are_last else None
        # Command Logging and Monitoring, CommandStartedEvent: operationId links the events of a
        # bulk write.
        if self._operation_id is None:
            self._operation_id = self._executor.new_operation_id()
        tracing, session = self._executor.tracing, self._session
        if tracing is not None and self._trace is None:
            state = None if session is None else session._state
            self._trace = tracing.operation(self._facts(batches), state, at=self._began_at)
        # CSOT, "Bulk Writes": of a list the time is for all messages together. How long another
        # source takes is not ours, so that each window of it has the whole time.
        several = len(batches) > 1 or self._has_cursors
        limit = self._executor.as_one_operation() if several else _ALONE
        for batch in batches:
            try:
                command = self._build(batch, self._operation_id, is_last=batch is last)
                if self._trace is not None:
                    command = command._replace(trace=self._trace)
                with limit:
                    self._execute(command, batch)
            except OperationFailure as error:
                progress.record_failure(error)
            if self._on_progress is not None:
                self._tell(self._on_progress)
            if progress.is_halted:
                break
        self._first += self._count
        self._count = self._size = 0

    def _tell(self, on_progress: OnProgress) -> None:
        done, total = self.progress.done, self._total
        upcall(lambda: on_progress(done, total))


def iterator_of(source: object) -> Iterator[Any]:
    """Return an iterator, for blocking callers.

    Raises:
        TypeError: it takes `async for`.
    """
    if not isinstance(source, Iterable):
        raise TypeError(f"{source!r} can be iterated over by async code only")
    return upcall(lambda: iter(source))


def is_iterable(source: object) -> bool:
    """Tell whether something can be iterated over, by `for` or by `async for`."""
    return isinstance(source, (Iterable, AsyncIterable))


def new_progress(write_concern: WriteConcern, *, ordered: bool) -> Any:
    """Return what adds up the replies to a collection's bulk write."""
    return BulkProgress(ordered) if write_concern.acknowledged else UnacknowledgedProgress()
