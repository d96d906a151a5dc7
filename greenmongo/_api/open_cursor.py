"""Open a cursor: run the command that answers with one, and make the object that reads it.

What returns a `CommandCursor` comes through here: `aggregate` of collections and databases, raw
batches, `cursor_command`, and the lists of collections and indexes.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from greenmongo._api.checked import run_checked
from greenmongo._api.command_cursor import CommandCursor
from greenmongo._core.cursors.time_limit import CursorTimeLimit, check_await_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from greenmongo._api.collection.base import CollectionBase
    from greenmongo._core.command import Command, Reply
    from greenmongo._core.commands.aggregate import Aggregation
    from greenmongo._core.cursors.time_limit import TimeoutMode
    from greenmongo._core.sessions.client_session import SessionLike

__all__ = ["cursor_of", "empty_cursor", "open_aggregation", "open_cursor", "time_limit"]

CursorT = TypeVar("CursorT", bound=CommandCursor[Any])

NO_DOCUMENTS: Mapping[str, Any] = {"id": 0, "firstBatch": []}


def open_aggregation(
    collection: CollectionBase[Any],
    plan: Aggregation,
    session: SessionLike | None,
    cursor_class: type[CursorT],
    timeout_mode: TimeoutMode | None = None,
) -> CursorT:
    """Run a pipeline and return a cursor over its results.

    Raises:
        WriteConcernError: the pipeline wrote, and the write concern was not met.
        ConfigurationError: the options do not suit the timeout.
    """
    limit = time_limit(collection, timeout_mode)
    if limit is not None:
        limit.check(writes=plan.writes)
    if not plan.awaits_data:
        # A change stream looks for itself, and is not to fail when it is opened again.
        check_await_time(plan.max_await_time_ms, collection._executor.timeout_of_caller())
    cursor = open_cursor(
        collection,
        plan.command,
        session,
        cursor_class,
        limit,
        batch_size=plan.batch_size,
        max_await_time_ms=plan.max_await_time_ms,
        comment=plan.comment,
    )
    cursor._plan.awaits_data = cursor._plan.awaits_data or plan.awaits_data
    return cursor


def open_cursor(
    collection: CollectionBase[Any],
    command: Command,
    session: SessionLike | None,
    cursor_class: type[CursorT],
    limit: CursorTimeLimit | None = None,
    **options: Any,
) -> CursorT:
    """Run a command and return the cursor that it answers with.

    Args:
        collection: what the cursor reads; its options decode the documents.
        command: the command.
        session: the session to run in, now and for the batches that follow.
        cursor_class: what to make of it.
        limit: of all that is done for the cursor.
        **options: `batch_size`, `max_await_time_ms` and `comment` of the batches that follow.

    Raises:
        WriteConcernError: the command wrote, and the write concern was not met.
    """
    if limit is not None:
        command = limit.first(command, monotonic())
    reply = run_checked(collection._executor, command, session)
    cursor = cursor_of(collection, reply, session, cursor_class, **options)
    cursor._limit = limit
    return cursor


def time_limit(collection: CollectionBase[Any], mode: TimeoutMode | None) -> CursorTimeLimit | None:
    """Return the limit of a cursor that is opened now; None if its batches have none in common.

    Raises:
        ConfigurationError: there is a mode, and no timeout.
    """
    if mode is None:
        return None
    return CursorTimeLimit(mode, collection._executor.timeout_of_caller())


def cursor_of(
    collection: CollectionBase[Any],
    reply: Reply,
    session: SessionLike | None,
    cursor_class: type[CursorT],
    **options: Any,
) -> CursorT:
    """Return the cursor of a reply. An unacknowledged `$out` has none: that one is empty."""
    found = reply.document.get("cursor") or NO_DOCUMENTS
    cursor = cursor_class(collection, found, reply.address, session=session, **options)
    cursor._plan.keep(reply)
    return cursor


def empty_cursor(
    collection: CollectionBase[Any],
    session: SessionLike | None,
    cursor_class: type[CursorT],
    **options: Any,
) -> CursorT:
    """Return a cursor over nothing, which no server holds."""
    return cursor_class(collection, NO_DOCUMENTS, None, session=session, **options)
