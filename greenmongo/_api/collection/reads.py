"""A collection's reads."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any, Generic, cast

from pymongo.errors import OperationFailure, ProtocolError

from greenmongo._api.collection.base import CollectionBase
from greenmongo._api.command_cursor import CommandCursor
from greenmongo._api.cursor import Cursor
from greenmongo._api.open_cursor import open_aggregation
from greenmongo._api.raw_batches import RawBatchCommandCursor, RawBatchCursor, undecoded
from greenmongo._core.commands.aggregate import (
    aggregate,
    count_matching,
    distinct,
    estimated_count,
)
from greenmongo._core.commands.arguments import Bounds, CollationIn, IndexKeys, Pipeline, Projection
from greenmongo._core.commands.find import find_first
from greenmongo._core.constants import CursorType
from greenmongo._core.server_codes import NAMESPACE_NOT_FOUND
from greenmongo._core.types import DocT

if TYPE_CHECKING:
    from greenmongo._api.collection import Collection
    from greenmongo._core.cursors.time_limit import TimeoutMode
    from greenmongo._core.sessions.client_session import SessionLike

__all__ = ["Reads"]

NO_OPTIONS = (Cursor.__init__.__defaults__ or ())[1:]
"""What a cursor is given by a plain `find_one(filter)`: its own defaults, but for the filter."""


class Reads(CollectionBase[DocT], Generic[DocT]):
    """find, count, distinct and aggregate."""

    def find_one(
        self,
        filter: Any | None = None,
        projection: Projection | None = None,
        skip: int = 0,
        limit: int = 0,
        no_cursor_timeout: bool = False,
        cursor_type: int = CursorType.NON_TAILABLE,
        sort: IndexKeys | None = None,
        allow_partial_results: bool = False,
        oplog_replay: bool = False,
        batch_size: int = 0,
        collation: CollationIn | None = None,
        hint: IndexKeys | None = None,
        max_scan: int | None = None,
        max_time_ms: int | None = None,
        max: Bounds | None = None,
        min: Bounds | None = None,
        return_key: bool | None = None,
        show_record_id: bool | None = None,
        snapshot: bool | None = None,
        comment: Any | None = None,
        session: SessionLike | None = None,
        allow_disk_use: bool | None = None,
        let: Mapping[str, Any] | None = None,
    ) -> DocT | None:
        """Return the first document that matches, or None.

        Args:
            filter: a query document; anything else is taken for the value of `_id`.

        Raises:
            ExecutionTimeout: `max_time_ms` elapsed on the server.
        """
        if filter is None:
            filter = {}
        elif not isinstance(filter, Mapping):
            filter = {"_id": filter}
        # The cursor's arguments in its order, so that one comparison finds the plain call, which
        # needs no cursor. The limit is not the caller's: one document is all there is to return.
        options = (
            projection,
            skip,
            0,
            no_cursor_timeout,
            cursor_type,
            sort,
            allow_partial_results,
            oplog_replay,
            batch_size,
            collation,
            hint,
            max_scan,
            max_time_ms,
            max,
            min,
            return_key,
            show_record_id,
            snapshot,
            comment,
            session,
            allow_disk_use,
            let,
        )
        if options != NO_OPTIONS or "$query" in filter:
            return next(Cursor(self._whole(), filter, *options).limit(-1), None)
        reply = self._executor.execute(find_first(self._namespace, filter))
        batch = reply.document["cursor"]["firstBatch"]
        return next(iter(batch), None)

    def find(
        self,
        filter: Mapping[str, Any] | None = None,
        projection: Projection | None = None,
        skip: int = 0,
        limit: int = 0,
        no_cursor_timeout: bool = False,
        cursor_type: int = CursorType.NON_TAILABLE,
        sort: IndexKeys | None = None,
        allow_partial_results: bool = False,
        oplog_replay: bool = False,
        batch_size: int = 0,
        collation: CollationIn | None = None,
        hint: IndexKeys | None = None,
        max_scan: int | None = None,
        max_time_ms: int | None = None,
        max: Bounds | None = None,
        min: Bounds | None = None,
        return_key: bool | None = None,
        show_record_id: bool | None = None,
        snapshot: bool | None = None,
        comment: Any | None = None,
        session: SessionLike | None = None,
        allow_disk_use: bool | None = None,
        let: Mapping[str, Any] | None = None,
        *,
        timeout_mode: TimeoutMode | None = None,
    ) -> Cursor[DocT]:
        """Return a cursor over the documents that match; nothing is sent yet.

        Args:
            filter: a query document; None matches every document.
            projection: the fields to return: a list of names, or a document.
            skip: how many documents to leave out at the start.
            limit: how many documents to return at most; 0 is no limit.
            no_cursor_timeout: keep the cursor on the server however long it idles.
            cursor_type: a value of `CursorType`.
            sort: the order, as a list of (key, direction) pairs.
            allow_partial_results: accept that shards are missing.
            oplog_replay: has no effect since MongoDB 4.4.
            batch_size: how many documents to fetch per round trip.
            collation: the language's rules to compare strings by.
            hint: the index to use, by name or keys.
            max_scan: refused by servers since 4.2.
            max_time_ms: give up on the server side after this many milliseconds.
            max: the upper bound of the index, exclusive.
            min: the lower bound of the index, inclusive.
            return_key: return the index's keys alone.
            show_record_id: add the storage engine's record id.
            snapshot: refused by servers since 4.0.
            comment: shown in the server's logs and profiles.
            session: the session to run in.
            allow_disk_use: let the server sort with temporary files.
            let: variables for `$expr`.
            timeout_mode: what the timeout that there is now goes for: `"cursorLifetime"`, for all
                that is done for the cursor together, or `"iteration"`, for each call by itself.
                Without it each batch has the timeout that there is when it is fetched.

        Raises:
            TypeError: an argument has the wrong type.
            ConfigurationError: `timeout_mode` without a timeout, or one that does not suit a
                tailable cursor.
        """
        return Cursor(
            self._whole(),
            filter,
            projection,
            skip,
            limit,
            no_cursor_timeout,
            cursor_type,
            sort,
            allow_partial_results,
            oplog_replay,
            batch_size,
            collation,
            hint,
            max_scan,
            max_time_ms,
            max,
            min,
            return_key,
            show_record_id,
            snapshot,
            comment,
            session,
            allow_disk_use,
            let,
            timeout_mode=timeout_mode,
        )

    def _whole(self) -> Collection[DocT]:
        """Return this object as what it is: reads only ever exist as part of a collection."""
        return cast("Collection[DocT]", self)

    def aggregate(
        self,
        /,
        pipeline: Pipeline,
        session: SessionLike | None = None,
        let: Mapping[str, Any] | None = None,
        comment: Any | None = None,
        *,
        timeout_mode: TimeoutMode | None = None,
        **kwargs: Any,
    ) -> CommandCursor[DocT]:
        """Run an aggregation pipeline and return a cursor over its results.

        Args:
            pipeline: a list of stages.
            session: the session to run in.
            let: variables for `$expr`.
            comment: shown in the server's logs and profiles.
            timeout_mode: as that of `find`.
            **kwargs: other options of the aggregate command: `allowDiskUse`, `batchSize`, ...

        Raises:
            ConfigurationError: a keyword would change what the command is, or `timeout_mode` does
                not suit it.
        """
        plan = aggregate(self._namespace, pipeline, let=let, comment=comment, options=kwargs)
        return open_aggregation(self, plan, session, CommandCursor, timeout_mode)

    def find_raw_batches(self, *args: Any, **kwargs: Any) -> RawBatchCursor:
        """Return a cursor over batches of BSON, not decoded; the arguments are those of `find`."""
        return RawBatchCursor(undecoded(self._whole()), *args, **kwargs)

    def aggregate_raw_batches(
        self,
        /,
        pipeline: Pipeline,
        session: SessionLike | None = None,
        comment: Any | None = None,
        *,
        timeout_mode: TimeoutMode | None = None,
        **kwargs: Any,
    ) -> RawBatchCommandCursor:
        """Run an aggregation pipeline and return a cursor over batches of BSON, not decoded.

        Args:
            pipeline: a list of stages.
            session: the session to run in.
            comment: shown in the server's logs and profiles.
            timeout_mode: as that of `find`.
            **kwargs: options of the aggregate command, `let` among them.

        Raises:
            ConfigurationError: a keyword would change what the command is.
        """
        raw = undecoded(self._whole())
        plan = aggregate(raw._namespace, pipeline, comment=comment, options=kwargs)
        return open_aggregation(raw, plan, session, RawBatchCommandCursor, timeout_mode)

    def count_documents(
        self,
        /,
        filter: Mapping[str, Any],
        session: SessionLike | None = None,
        comment: Any | None = None,
        **kwargs: Any,
    ) -> int:
        """Count the documents that match, exactly.

        Args:
            filter: a query document; `{}` counts them all, by reading them all.
            session: the session to run in.
            comment: shown in the server's logs and profiles.
            **kwargs: `skip`, `limit`, `maxTimeMS`, `hint`, `collation`.
        """
        command = count_matching(self._namespace, filter, comment=comment, options=kwargs)
        try:
            reply = self._executor.execute(command, session)
        except OperationFailure as error:
            if error.code == NAMESPACE_NOT_FOUND:
                return 0
            raise
        batch = reply.document["cursor"]["firstBatch"]
        if not batch:
            return 0
        count = batch[0].get("n")
        if not isinstance(count, (int, float)) or not isfinite(count):
            raise ProtocolError(f"n in a reply cannot be {count!r:.100}")
        return int(count)

    def estimated_document_count(self, /, comment: Any | None = None, **kwargs: Any) -> int:
        """Return the collection's size by its metadata: fast, but not always exact.

        Args:
            comment: shown in the server's logs and profiles.
            **kwargs: `maxTimeMS`.

        Raises:
            ConfigurationError: a session was passed; the count command takes none.
        """
        command = estimated_count(self._namespace, comment=comment, options=kwargs)
        return int(self._executor.execute(command).document["n"])

    def distinct(
        self,
        /,
        key: str,
        filter: Mapping[str, Any] | None = None,
        session: SessionLike | None = None,
        comment: Any | None = None,
        hint: IndexKeys | None = None,
        **kwargs: Any,
    ) -> list[Any]:
        """Return the different values of one field.

        Args:
            key: the field.
            filter: only among the documents that match this query.
            session: the session to run in.
            comment: shown in the server's logs and profiles.
            hint: the index to use, by name or keys.
            **kwargs: `maxTimeMS`, `collation`.

        Raises:
            TypeError: `key` is not a string.
        """
        command = distinct(self._namespace, key, filter, comment=comment, hint=hint, options=kwargs)
        values: list[Any] = self._executor.execute(command, session).document["values"]
        return values
