"""What both kinds of cursor share: a buffer, and the round trips that fill it."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from itertools import repeat, starmap
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic

from pymongo.errors import ConnectionFailure, NetworkTimeout, OperationFailure, PyMongoError

from greenmongo._core.cursors.plan import CursorPlan
from greenmongo._core.cursors.undecoded_batch import UndecodedBatch
from greenmongo._core.server_codes import CURSOR_GONE_CODES
from greenmongo._core.types import DocT
from greenmongo._hub.checkpoint import Pace
from greenmongo._hub.errors import MisuseError
from greenmongo._hub.turn import Turn
from greenmongo._net.time_limit import is_limited

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from typing_extensions import Self

    from greenmongo._api.configured import CommandExecutor
    from greenmongo._core.command import Command, Reply
    from greenmongo._core.cursors.time_limit import CursorTimeLimit
    from greenmongo._core.sessions.client_session import SessionLike
    from greenmongo._core.types import Address

__all__ = ["BufferedCursor", "take_into"]


def take_into(result: list[Any], buffer: deque[Any], length: int | None) -> None:
    """Move documents from a cursor's buffer to the end of a list, up to a length of that."""
    wanted = len(buffer) if length is None else min(len(buffer), length - len(result))
    # Another reader may be quicker; what was taken is in the list.
    with suppress(IndexError):
        result.extend(starmap(buffer.popleft, repeat((), wanted)))


class BufferedCursor(Generic[DocT]):
    """Documents already here in `_buffer`; `_refill` gets more, and is all that blocks.

    Those of a large batch wait in `_undecoded` until the buffer is empty, and are decoded where
    they are read. An async cursor pops `_buffer` itself, has `_undecoded` decoded in its task, and
    crosses to the hub only to fetch more.

    Several threads, greenlets or tasks may read one cursor: whoever takes a document pops it, and
    is not surprised if another was quicker; one at a time refills.
    """

    _executor: CommandExecutor
    _plan: CursorPlan
    _session: SessionLike | None = None
    # True until the constructor has succeeded, so that __del__ has nothing to do before.
    _killed: bool = True
    _has_lost_batch = False
    """Whether a batch was asked for, and nobody waited for it."""
    _limit: CursorTimeLimit | None = None
    """Its own timeout, if it was created with a `timeout_mode`."""

    def __init__(
        self, executor: CommandExecutor, plan: CursorPlan, session: SessionLike | None
    ) -> None:
        self._buffer: deque[Any] = deque()
        self._undecoded: UndecodedBatch | None = None
        self._pace: Callable[[], object] | None = None
        """Of the decoding of that."""
        self._executor = executor
        self._plan = plan
        self._session = session
        self._turn = Turn("a cursor was asked for its next batch")
        self._killed = False

    def __del__(self) -> None:
        self._abandon()

    @property
    def alive(self) -> bool:
        """Whether this cursor may still return documents."""
        # The hub may be at work for a call that was left: it decodes before it says that there is
        # nothing more to decode, and keeps what came last before it says that it was the last.
        return not self._killed or bool(self._undecoded) or bool(self._buffer)

    @property
    def _is_complete(self) -> bool:
        """Whether all documents are here, and decoded."""
        return self._killed and not self._undecoded

    @property
    def cursor_id(self) -> int | None:
        """The server's id of this cursor; None before the first batch, 0 after the last."""
        return self._plan.cursor_id

    @property
    def address(self) -> Address | None:
        """The server that holds this cursor, or None before the first batch."""
        return self._plan.address

    @property
    def session(self) -> SessionLike | None:
        """The session that was passed when this cursor was created, or None."""
        return self._session

    def close(self) -> None:
        """Close this cursor, on the server as well."""
        was_killed, self._killed = self._killed, True
        plan = self._plan
        if was_killed or not plan.must_kill:
            return
        try:
            # CSOT, "Cursors": a limit that is given for this call takes the place of the cursor's.
            command = plan.kill_command() if is_limited() else self._kill_command(plan)
            self._executor.execute(command, self._session)
        except PyMongoError:
            self._kill_later()
        except BaseException:
            # The caller is leaving; it may not even have been sent.
            self._kill_later()
            raise

    def _close_before_raising(self, error: Exception) -> None:
        """Close this cursor, so that the server holds nothing for a reader who got an error.

        A caller whose time is over does not wait for it.
        """
        if isinstance(error, PyMongoError) and error.timeout:
            self._abandon()
        else:
            self.close()

    def _abandon(self) -> None:
        """Forget this cursor without waiting for the server to know."""
        if not self._killed:
            self._killed = True
            self._kill_later()

    def _give_up(self) -> None:
        """End this cursor, as a document was lost that could not be decoded.

        To go on behind it would be to lose it without a word for whoever did not see the error,
        or collects documents in a list.
        """
        self._undecoded = None
        self.close()

    def _kill_later(self) -> None:
        if self._plan.must_kill:
            self._executor.kill_cursor_later(self._kill_command(self._plan))

    def _kill_command(self, plan: CursorPlan) -> Command:
        command = plan.kill_command()
        return command if self._limit is None else self._limit.last(command, monotonic())

    def _waits_for_more(self) -> bool:
        """Tell whether an empty batch is an answer, rather than a reason to ask again."""
        return False

    def _next_command(self) -> Command:
        command = self._plan.next_command()
        return command if self._limit is None else self._limit.further(command, monotonic())

    def _begin_call(self) -> None:
        """Give a call that is made now its time, if this cursor has a limit for each."""
        if self._limit is not None:
            self._limit.begin_call(monotonic())

    def _refill(self) -> bool:
        """Fetch or decode something; False at the end, or when a tail has nothing new.

        After True it may have to be called again: what was fetched may have to be decoded, and
        another reader of this cursor may have taken what was.
        """
        return not self._is_over() and self._turn.run(self._fill)

    def _fill(self) -> bool:
        self._begin_call()
        while not self._buffer:
            if self._is_over():
                return False
            self._advance()
            if self._undecoded:
                return True
            if self._waits_for_more():
                return bool(self._buffer)
        return True

    def _decode_here(self) -> bool:
        """Decode some of what is here, unless another reader is at it. Any side; never waits.

        Returns:
            Whether it did, or had no need to, as there is a document.
        """
        return (
            bool(self._undecoded)
            and self._decodes_anywhere
            and self._turn.run_at_once(self._decode_some)
        )

    @property
    def _decodes_anywhere(self) -> bool:
        """Whether to decode does nothing that waits."""
        return True

    def _decode_some(self) -> None:
        if self._buffer or not self._undecoded:
            return
        try:
            self._undecoded.decode_some(self._receive)
        except Exception:
            # As `_give_up`, without waiting for the server.
            self._undecoded = None
            self._abandon()
            raise

    def _is_over(self) -> bool:
        """Tell whether there is nothing more to take. Never waits.

        Raises:
            MisuseError: this is not the end: documents were lost.
        """
        # In this order: they go from the batch into the buffer.
        if not self._is_complete or self._buffer:
            return False
        self._check_whole()
        return True

    def _refill_list(self) -> bool:
        """Fetch for `to_list`; False when it has all it can get."""
        return self._refill()

    def _check_whole(self) -> None:
        """Refuse to call it the end, when whoever asked for a batch has not waited for it.

        Raises:
            MisuseError: that is so.
        """
        if self._has_lost_batch:
            raise MisuseError(
                "this cursor has lost documents, as whoever asked for them was cancelled, killed "
                "or interrupted before they came",
                "begin again with another cursor, or with rewind()",
            )

    def _advance(self) -> None:
        """Decode some more of what is here, or else fetch one batch."""
        if self._undecoded:
            try:
                self._undecoded.decode_some(self._receive)
            except Exception:
                self._give_up()
                raise
            if self._pace is not None:
                # Other callers, before the next chunk; nothing is lost if this one leaves here.
                self._pace()
        else:
            self._round_trip()

    def _receive(self, documents: list[Any] | UndecodedBatch) -> None:
        """Keep documents that have arrived, or have been decoded, to be handed out."""
        if isinstance(documents, UndecodedBatch):
            self._pace = Pace()
            self._undecoded = documents
        else:
            self._buffer.extend(documents)

    def _round_trip(self) -> None:
        """Fetch one batch."""
        command = self._next_command()
        # Read only now: the first command comes with a new plan.
        plan = self._plan
        reply = self._reply_to(command)
        if reply is None:
            return
        documents = plan.absorb(reply)
        if plan is not self._plan or self._killed:
            # It was rewound or closed meanwhile.
            if plan.must_kill:
                self._executor.kill_cursor_later(self._kill_command(plan))
            return
        try:
            self._receive(documents)
        except Exception:
            self._give_up()
            raise
        if plan.is_exhausted:
            self._killed = True
        elif plan.is_satisfied:
            self._abandon()

    def _reply_to(self, command: Command) -> Reply | None:
        """Run a command; return the reply, or None if it says that the end is reached."""
        try:
            return self._executor.execute(command, self._session)
        except OperationFailure as error:
            if error.code in CURSOR_GONE_CODES or self._plan.streams:
                self._killed = True
                if self._waits_for_more():
                    # The capped collection overtook its reader: the end, not a failure.
                    return None
            self._close_before_raising(error)
            raise
        except NetworkTimeout:
            # The server may be well, and answer too late.
            self._abandon()
            raise
        except ConnectionFailure:
            # No server is left that could be told to kill the cursor.
            self._killed = True
            raise
        except Exception as error:
            self._close_before_raising(error)
            raise
        except BaseException:
            # The caller is leaving, and waits for nothing.
            if not self._killed:
                self._has_lost_batch = True
            self._abandon()
            raise

    def next(self) -> DocT:
        """Return the next document.

        Raises:
            StopIteration: there is none.
            InvalidBSON: the next document cannot be decoded; or what a decoder of your own
                raises. All before it were returned, and the cursor is over.
            MisuseError: documents were lost, as whoever asked for them did not wait for them.
        """
        buffer = self._buffer
        while buffer or self._refill():
            try:
                document: DocT = buffer.popleft()
            except IndexError:  # another reader was quicker
                continue
            return document
        raise StopIteration

    __next__ = next

    def __iter__(self) -> Self:
        return self

    def to_list(self, length: int | None = None) -> list[DocT]:
        """Return the next `length` documents, or all the rest.

        Raises:
            ValueError: `length` is less than 1.
        """
        if length is not None and length < 1:
            raise ValueError("to_list() length must be greater than 0")
        result: list[DocT] = []
        buffer = self._buffer
        while buffer or self._refill_list():
            take_into(result, buffer, length)
            if len(result) == length:
                break
        return result

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
