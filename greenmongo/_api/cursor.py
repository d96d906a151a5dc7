"""Cursor: what `find` returns. Nothing is sent before the first document is asked for."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, overload

from bson.code import Code
from pymongo.collation import validate_collation_or_none
from pymongo.errors import InvalidOperation

from greenmongo._api.buffered import BufferedCursor
from greenmongo._api.redecode import redecode
from greenmongo._core.commands.arguments import (
    Bounds,
    CollationIn,
    IndexKeys,
    Projection,
    hint_value,
    index_document,
    index_pairs,
    projection_document,
)
from greenmongo._core.commands.find import FindSpec, explain
from greenmongo._core.commands.find_arguments import (
    check_find,
    find_flags,
    require_batch_size,
    require_milliseconds,
)
from greenmongo._core.constants import CursorType, QueryFlag
from greenmongo._core.cursors.plan import CursorPlan
from greenmongo._core.cursors.time_limit import CursorTimeLimit, check_await_time
from greenmongo._core.types import DocT

if TYPE_CHECKING:
    from typing_extensions import Self

    from greenmongo._api.collection import Collection
    from greenmongo._core.command import Command
    from greenmongo._core.cursors.time_limit import TimeoutMode
    from greenmongo._core.sessions.client_session import SessionLike

__all__ = ["Cursor"]


class Cursor(BufferedCursor[DocT], Generic[DocT]):
    """The documents of one query, fetched in batches as they are needed.

    Created by `Collection.find`. The methods that set options return the cursor itself and are
    refused once the query has been sent; `rewind` makes it new again.
    """

    def __init__(
        self,
        collection: Collection[DocT],
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
    ) -> None:
        query: Mapping[str, Any] = {} if filter is None else filter or {}
        flags = find_flags(cursor_type, no_cursor_timeout, allow_partial_results, oplog_replay)
        check_find(query, skip, limit, batch_size, flags, allow_disk_use, let)
        self._spec = FindSpec(
            query,
            None if projection is None else projection_document(projection),
            skip,
            limit,
            batch_size,
            flags,
            index_document(sort) if sort else None,
            None if hint is None else hint_value(hint),
            let,
            comment,
            max_time_ms,
            None,
            validate_collation_or_none(collation),
            dict(max) if max else None,
            dict(min) if min else None,
            max_scan,
            return_key,
            show_record_id,
            snapshot,
            allow_disk_use,
        )
        self._collection = collection
        namespace = collection._namespace
        plan = CursorPlan(
            namespace.db, namespace.collection, namespace.codec_options, namespace.read_preference
        )
        super().__init__(collection._executor, plan, session)
        if timeout_mode is not None:
            self._limit = CursorTimeLimit(timeout_mode, self._executor.timeout_of_caller())
            self._limit.check(is_tailable=self._spec.is_tailable)

    @property
    def collection(self) -> Collection[DocT]:
        """The collection that is searched."""
        return self._collection

    @property
    def retrieved(self) -> int:
        """How many documents have arrived so far."""
        return self._plan.retrieved

    # Fetching

    def _next_command(self) -> Command:
        if self._plan.cursor_id is not None:
            return super()._next_command()
        spec, namespace = self._spec, self._collection._namespace
        if (spec.min or spec.max) and not spec.hint:
            raise InvalidOperation(
                "Passing a 'hint' is required when using the min/max query option "
                "to ensure the query utilizes the correct index"
            )
        limit = self._limit
        if spec.max_await_time_ms is not None:
            seconds = self._executor.timeout_of_caller() if limit is None else limit.seconds
            check_await_time(spec.max_await_time_ms, seconds)
        self._plan = CursorPlan.of_find(namespace, spec)
        command = self._plan.first_command(namespace, spec)
        if limit is None:
            return command
        limit.check(is_tailable=spec.is_tailable)
        return limit.first(command, monotonic(), awaits_data=spec.awaits_data)

    def _waits_for_more(self) -> bool:
        return self._spec.is_tailable

    def _refill(self) -> bool:
        if self._spec.empty:
            return False
        return super()._refill()

    def rewind(self) -> Self:
        """Return this cursor to the state it had before its first document was read."""
        self.close()
        self._buffer.clear()
        self._undecoded = None
        namespace = self._collection._namespace
        self._plan = CursorPlan.of_find(namespace, self._spec)
        self._killed = self._has_lost_batch = False
        return self

    def clone(self) -> Self:
        """Return an unread cursor with the same options."""
        return self._clone(copy.deepcopy(self._spec))

    def _clone(self, spec: FindSpec) -> Self:
        clone = type(self)(self._collection, session=self._session)
        clone._spec = spec
        clone._limit = None if self._limit is None else self._limit.anew()
        return clone

    def __copy__(self) -> Self:
        return self._clone(dataclasses.replace(self._spec))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self._clone(copy.deepcopy(self._spec, memo))

    @overload
    def __getitem__(self, index: int) -> DocT: ...

    @overload
    def __getitem__(self, index: slice) -> Self: ...

    def __getitem__(self, index: int | slice) -> DocT | Self:
        """Return one document by its position, or limit this cursor to a slice."""
        spec = self._unsent()
        if isinstance(index, slice):
            spec.skip, spec.limit = bounds(index)
            spec.empty = index.stop is not None and spec.limit == 0
            return self
        if not isinstance(index, int):
            raise TypeError(f"index {index!r} cannot be applied to Cursor instances")
        if index < 0:
            raise IndexError("Cursor instances do not support negative indices")
        spec.empty = False
        clone = self.clone()
        clone._spec.skip += index
        # Negative: one batch, and no cursor left on the server.
        clone._spec.limit = -1
        clone._spec.flags &= ~CursorType.TAILABLE_AWAIT
        for document in clone:
            return document
        raise IndexError("no such item for Cursor instance")

    def distinct(self, key: str) -> list[Any]:
        """Return the different values of `key` among the documents of this query.

        Raises:
            TypeError: `key` is not a string.
        """
        spec = self._spec
        options: dict[str, Any] = {}
        if spec.filter:
            options["query"] = spec.filter
        if spec.max_time_ms is not None:
            options["maxTimeMS"] = spec.max_time_ms
        if spec.collation is not None:
            options["collation"] = spec.collation
        return self._collection.distinct(
            key, session=self._session, comment=spec.comment, **options
        )

    def explain(self) -> DocT:
        """Return how the server would run this query."""
        # An explain never leaves a cursor behind, so a limit is a hard one.
        spec = dataclasses.replace(self._spec, limit=-abs(self._spec.limit))
        namespace = self._collection._namespace
        reply = self._executor.execute(explain(namespace, spec), self._session)
        document: DocT = redecode(reply.document, namespace.codec_options)
        return document

    # Options

    def _unsent(self) -> FindSpec:
        """Return the options for a change, unless the query is already under way."""
        if self._plan.cursor_id is not None:
            raise InvalidOperation("cannot set options after executing query")
        return self._spec

    def add_option(self, mask: int) -> Self:
        """Set query flags by their bits."""
        if not isinstance(mask, int):
            raise TypeError(f"mask must be an int, not {type(mask)}")
        spec = self._unsent()
        if mask & QueryFlag.EXHAUST and spec.limit:
            raise InvalidOperation("Can't use limit and exhaust together.")
        spec.flags |= mask
        return self

    def remove_option(self, mask: int) -> Self:
        """Clear query flags by their bits."""
        if not isinstance(mask, int):
            raise TypeError(f"mask must be an int, not {type(mask)}")
        self._unsent().flags &= ~mask
        return self

    def allow_disk_use(self, allow_disk_use: bool) -> Self:
        """Let the server sort with temporary files, or not."""
        if not isinstance(allow_disk_use, bool):
            raise TypeError(f"allow_disk_use must be a bool, not {type(allow_disk_use)}")
        self._unsent().allow_disk_use = allow_disk_use
        return self

    def limit(self, limit: int) -> Self:
        """Return at most this many documents; 0 is no limit."""
        if not isinstance(limit, int):
            raise TypeError(f"limit must be an integer, not {type(limit)}")
        if self._spec.flags & QueryFlag.EXHAUST:
            raise InvalidOperation("Can't use limit and exhaust together.")
        spec = self._unsent()
        spec.empty = False
        spec.limit = limit
        return self

    def batch_size(self, batch_size: int) -> Self:
        """Fetch this many documents per round trip; 0 leaves it to the server."""
        require_batch_size(batch_size)
        self._unsent().batch_size = batch_size
        return self

    def skip(self, skip: int) -> Self:
        """Skip the first documents."""
        if not isinstance(skip, int):
            raise TypeError(f"skip must be an integer, not {type(skip)}")
        if skip < 0:
            raise ValueError("skip must be >= 0")
        self._unsent().skip = skip
        return self

    def max_time_ms(self, max_time_ms: int | None) -> Self:
        """Give the server this many milliseconds for the query."""
        require_milliseconds("max_time_ms", max_time_ms)
        self._unsent().max_time_ms = max_time_ms
        return self

    def max_await_time_ms(self, max_await_time_ms: int | None) -> Self:
        """Let a tailable-await cursor wait this long for new documents; ignored for others."""
        require_milliseconds("max_await_time_ms", max_await_time_ms)
        spec = self._unsent()
        if spec.flags & CursorType.TAILABLE_AWAIT:
            spec.max_await_time_ms = max_await_time_ms
        return self

    def max_scan(self, max_scan: int | None) -> Self:
        """Set an option that servers since 4.2 refuse."""
        self._unsent().max_scan = max_scan
        return self

    def max(self, spec: Sequence[tuple[str, Any]]) -> Self:
        """Bound the index from above, exclusively; needs a hint."""
        self._unsent().max = pairs_document(spec)
        return self

    def min(self, spec: Sequence[tuple[str, Any]]) -> Self:
        """Bound the index from below, inclusively; needs a hint."""
        self._unsent().min = pairs_document(spec)
        return self

    def sort(self, key_or_list: IndexKeys, direction: int | str | None = None) -> Self:
        """Order the documents by one key, or by a list of (key, direction) pairs."""
        spec = self._unsent()
        spec.sort = index_document(index_pairs(key_or_list, direction))
        return self

    def hint(self, index: IndexKeys | None) -> Self:
        """Tell the server which index to use, by name or keys; None takes it back."""
        spec = self._unsent()
        spec.hint = None if index is None else hint_value(index)
        return self

    def comment(self, comment: Any) -> Self:
        """Attach a comment, to be seen in the server's logs and profiles."""
        self._unsent().comment = comment
        return self

    def where(self, code: str | Code) -> Self:
        """Filter by a JavaScript expression as well."""
        spec = self._unsent()
        where = code if isinstance(code, Code) else Code(code)
        # A copy: the filter belongs to the caller.
        spec.filter = {**spec.filter, "$where": where}
        return self

    def collation(self, collation: CollationIn | None) -> Self:
        """Compare strings by the rules of a language."""
        self._unsent().collation = validate_collation_or_none(collation)
        return self


def pairs_document(spec: object) -> dict[str, Any]:
    """Return index bounds, given as (field, value) pairs, as a document."""
    if not isinstance(spec, (list, tuple)):
        raise TypeError(f"spec must be an instance of list or tuple, not {type(spec)}")
    return dict(spec)


def bounds(index: slice) -> tuple[int, int]:
    """Return a slice as skip and limit."""
    if index.step is not None:
        raise IndexError("Cursor instances do not support slice steps")
    skip: int = 0 if index.start is None else index.start
    if skip < 0:
        raise IndexError("Cursor instances do not support negative indices")
    limit: int = 0 if index.stop is None else index.stop - skip
    if limit < 0:
        raise IndexError(f"stop index must be greater than start index for slice {index!r}")
    return skip, limit
