"""ChangeStream: what changes in a collection, a database or a deployment, as it happens."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Generic

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.raw_bson import RawBSONDocument
from pymongo.errors import InvalidOperation, PyMongoError

from greenmongo._api.command_cursor import CommandCursor
from greenmongo._api.open_cursor import open_aggregation
from greenmongo._api.session_blocks import is_leaving
from greenmongo._core.change_stream_plan import ChangeStreamPlan, is_resumable
from greenmongo._core.cursors.time_limit import check_await_time
from greenmongo._core.types import DocT
from greenmongo._core.user_code import codecs_are_users
from greenmongo._hub.native import RLock
from greenmongo._hub.turn import Turn
from greenmongo._hub.upcall import upcall
from greenmongo._net.cursor_lease import SessionKeeper
from greenmongo._net.time_limit import deadline_of_caller

if TYPE_CHECKING:
    from types import TracebackType

    from bson.timestamp import Timestamp
    from typing_extensions import Self

    from greenmongo._api.watching import Watching
    from greenmongo._core.change_stream_plan import ResumeToken
    from greenmongo._core.commands.arguments import CollationIn, Pipeline
    from greenmongo._core.sessions.client_session import SessionLike

__all__ = [
    "ChangeStream",
    "ClusterChangeStream",
    "CollectionChangeStream",
    "DatabaseChangeStream",
    "abandon_changes",
    "look_for_change",
    "take_change",
    "wait_for_change",
]


_LENIENT: CodecOptions[Any] = CodecOptions(
    document_class=RawBSONDocument,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
    unicode_decode_error_handler="replace",
)
"""To find a token beside values that may be anything."""


class ChangeStream(Generic[DocT]):
    """Changes, one after another, for as long as it is open: iterate over it.

    Made by `watch`. After an error from which it can recover it is resumed by itself, behind the
    last change that it returned: none is lost, none comes twice. That goes for a call that was
    cancelled, killed or interrupted, too.

    Several threads, greenlets or tasks may take from one stream; each change goes to one of them.
    """

    _whole_cluster: ClassVar[bool] = False

    def __init__(
        self,
        target: Watching[Any],
        pipeline: Pipeline | None,
        full_document: str | None,
        resume_after: ResumeToken | None,
        max_await_time_ms: int | None,
        batch_size: int | None,
        collation: CollationIn | None,
        start_at_operation_time: Timestamp | None,
        session: SessionLike | None,
        start_after: ResumeToken | None,
        comment: Any | None = None,
        full_document_before_change: str | None = None,
        show_expanded_events: bool | None = None,
    ) -> None:
        """Prepare to watch; use the method `watch` of what is to be watched."""
        self._is_closed = True
        # To copy what somebody else may change runs code of its classes.
        pipeline, resume_after, start_after = upcall(
            partial(deepcopy, (pipeline, resume_after, start_after))
        )
        self._plan = ChangeStreamPlan.build(
            pipeline,
            full_document=full_document,
            full_document_before_change=full_document_before_change,
            show_expanded_events=show_expanded_events,
            resume_after=resume_after,
            start_after=start_after,
            start_at_operation_time=start_at_operation_time,
            max_await_time_ms=max_await_time_ms,
            batch_size=batch_size,
            collation=collation,
            comment=comment,
            whole_cluster=self._whole_cluster,
        )
        self._session = session
        self._keeper = SessionKeeper()
        """Of the session that it has while it is open, if it was given none."""
        self._codec_options: CodecOptions[Any] | None = None
        """How the changes are decoded, if not by the cursor: where the user's own code decodes,
        the token must be found before, and in spite of it."""
        options = target.codec_options
        if codecs_are_users(options):
            self._codec_options = options
            # The rest of the options stays: they encode the pipeline.
            options = options.with_options(document_class=RawBSONDocument)
        self._collection, self._namespace = target._watched(options)
        self._executor = self._collection._executor
        self._turn = Turn("a change stream was asked for its next change")
        self._lock = RLock()
        """Whoever takes a change also says where the stream goes on, in the same step."""
        self._cursor: CommandCursor[Any] | None = None
        self._is_closed = False

    # ---- opening ----------------------------------------------------------------------------

    def _open(self) -> Self:
        """Open the stream, or open it again where it was."""
        with self._executor.as_one_operation():
            if self._cursor is None:
                deadline = deadline_of_caller(None)
                limit = None if deadline is None else deadline.limit
                check_await_time(self._plan.options.get("maxAwaitTimeMS"), limit)
            plan = self._plan.command(self._namespace)
            if self._session is None:
                plan = replace(plan, command=plan.command._replace(lease=self._keeper))
            cursor: CommandCursor[Any] = open_aggregation(
                self._collection, plan, self._session, CommandCursor
            )
        if not _holds_documents(cursor):
            self._plan.opened(cursor._plan.post_batch_resume_token, cursor._plan.operation_time)
        self._cursor = cursor
        if self._is_closed:
            # While it was being opened.
            cursor._abandon()
        return self

    # ---- taking -----------------------------------------------------------------------------

    def _take(self) -> DocT | None:
        """Return the next change if it is here; None if not. Any side; never waits."""
        with self._lock:
            cursor = self._cursor
            if cursor is None or self._is_closed or not cursor._buffer:
                return None
            change = cursor._buffer.popleft()
            before = self._plan.resume_token
            token = _token_of(change, is_raw=self._codec_options is not None)
            if token is None:
                self._abandon()
                raise InvalidOperation(
                    "Cannot provide resume functionality when the resume token is missing."
                )
            if not _holds_documents(cursor):
                token = cursor._plan.post_batch_resume_token or token
                self._is_closed = cursor._plan.is_exhausted
            self._plan.returned(token)
        document: DocT = change
        if self._codec_options is not None:
            try:
                document = bson.decode(change.raw, self._codec_options)
            except BaseException:
                # The change was not returned; who looks at the token finds it still to come.
                self._plan.resume_token = before
                self._abandon()
                raise
        return document

    def _refill(self) -> bool:
        """Wait until there is a change to take; False if there will be none.

        Another reader of this stream may have taken it by the time that this returns.
        """
        with self._executor.as_one_operation():
            return self._turn.run(self._fill)

    def _fill(self) -> bool:
        while not self._is_closed:
            if self._cursor is not None and self._cursor._buffer:
                return True
            self._fill_once()
        return False

    def _fill_once(self) -> None:
        """Look for changes with one getMore, and resume once before or after it if need be."""
        cursor = self._cursor
        if cursor is None or _needs_resuming(cursor):
            self._resume()
            cursor = self._cursor
            if cursor is None or _holds_documents(cursor) or self._is_closed:
                return
        try:
            self._advance(cursor)
        except PyMongoError as error:
            if self._is_closed:
                # Whoever has closed the stream has ended on the server what was under way.
                return
            if not is_resumable(error):
                self._close_after(error)
                raise
            self._resume()
        except Exception:
            # A change that cannot be decoded, for instance.
            self.close()
            raise

    def _resume(self) -> None:
        try:
            self._open()
        except PyMongoError as error:
            if not is_resumable(error):
                self._close_after(error)
            # Otherwise the next call tries again.
            raise

    def _close_after(self, error: PyMongoError) -> None:
        # CSOT, "Change Streams": after a timeout the next call resumes it.
        if not error.timeout:
            self.close()

    def _advance(self, cursor: CommandCursor[Any]) -> None:
        cursor._fill_once()
        if not _holds_documents(cursor):
            self._plan.emptied(cursor._plan.post_batch_resume_token)
            self._is_closed = self._is_closed or cursor._plan.is_exhausted

    def next(self) -> DocT:
        """Return the next change; wait for it.

        Raises:
            StopIteration: the stream is closed, or what it watched is gone.
            PyMongoError: it could not be resumed. It may be tried again if it is still `alive`.
            InvalidBSON: the next change cannot be decoded; or what a decoder of your own raises.
                The stream is closed then, and `resume_token` says where: before that change.
        """
        while (change := self._take()) is None:
            if not self._refill():
                raise StopIteration
        return change

    __next__ = next

    def __iter__(self) -> Self:
        return self

    def try_next(self) -> DocT | None:
        """Return the next change, or None if one round trip brings none.

        Look at `resume_token` afterwards even so: it moves on while nothing changes.
        """
        change = self._take()
        if change is None and not self._is_closed:
            self._look()
            change = self._take()
        return change

    def _look(self) -> None:
        """Look for changes once."""
        with self._executor.as_one_operation():
            self._turn.run(self._fill_if_empty)

    def _fill_if_empty(self) -> None:
        if self._cursor is None or not self._cursor._buffer:
            self._fill_once()

    # ---- what is known of it ----------------------------------------------------------------

    @property
    def alive(self) -> bool:
        """Whether there may be further changes."""
        return not self._is_closed

    @property
    def resume_token(self) -> ResumeToken | None:
        """Where to go on behind the last change that was returned: `resume_after` of `watch`."""
        return deepcopy(self._plan.resume_token)

    # ---- the end ----------------------------------------------------------------------------

    def close(self) -> None:
        """Close this stream, on the server as well. Whoever waits for a change gets none."""
        self._is_closed = True
        if self._cursor is not None:
            self._cursor.close()
        self._keeper = SessionKeeper()

    def _abandon(self) -> None:
        """Close this stream without waiting for the server. Any side; never blocks."""
        self._is_closed = True
        if self._cursor is not None:
            self._cursor._abandon()
        self._keeper = SessionKeeper()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if is_leaving(exc):
            self._abandon()
        else:
            self.close()


class CollectionChangeStream(ChangeStream[DocT]):
    """The changes of one collection. Made by `Collection.watch`."""


class DatabaseChangeStream(ChangeStream[DocT]):
    """The changes of all collections of one database. Made by `Database.watch`."""


class ClusterChangeStream(DatabaseChangeStream[DocT]):
    """The changes of all databases of a deployment. Made by `MongoClient.watch`."""

    _whole_cluster = True


def _holds_documents(cursor: CommandCursor[Any]) -> bool:
    return bool(cursor._buffer) or bool(cursor._undecoded)


def _token_of(change: Any, *, is_raw: bool) -> Any:
    """Return the `_id` of a change; None if it has none. Runs no code of the user's."""
    if not is_raw:
        return change.get("_id")
    token = RawBSONDocument(change.raw, _LENIENT).get("_id")
    return bson.decode(token.raw) if isinstance(token, RawBSONDocument) else token


def _needs_resuming(cursor: CommandCursor[Any]) -> bool:
    """Tell whether a cursor is over, though its server had not said that it is."""
    return not cursor.alive and not cursor._plan.is_exhausted


# For the async face, which takes what is here without crossing to the hub.


def take_change(stream: ChangeStream[DocT]) -> DocT | None:
    """Return the next change if it is here; None if not. Any side; never waits."""
    return stream._take()


def wait_for_change(stream: ChangeStream[Any]) -> bool:
    """Wait until there is a change to take; False if there will be none."""
    return stream._refill()


def look_for_change(stream: ChangeStream[Any]) -> None:
    """Look for changes with one round trip, or two if the stream has to be resumed."""
    stream._look()


def abandon_changes(stream: ChangeStream[Any]) -> None:
    """Close a stream without waiting for the server. Any side; never blocks."""
    stream._abandon()
