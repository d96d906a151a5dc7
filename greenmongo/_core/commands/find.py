"""find, getMore and killCursors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pymongo.errors import ConfigurationError

from greenmongo._core.command import Command, ReplyShape, Retryability
from greenmongo._core.constants import QueryFlag

if TYPE_CHECKING:
    from bson.codec_options import CodecOptions

    from greenmongo._core.command import Lease
    from greenmongo._core.namespace import Namespace
    from greenmongo._core.types import Address, Document, ReadMode

__all__ = ["FindSpec", "explain", "find", "find_first", "get_more", "kill_cursor"]

_READ, _FIRST_BATCH = Retryability.READ, ReplyShape.FIRST_BATCH

FLAG_NAMES = (
    (QueryFlag.TAILABLE, "tailable"),
    (QueryFlag.OPLOG_REPLAY, "oplogReplay"),
    (QueryFlag.NO_TIMEOUT, "noCursorTimeout"),
    (QueryFlag.AWAIT_DATA, "awaitData"),
    (QueryFlag.PARTIAL, "allowPartialResults"),
)

WRAPPED = {
    "$query": "filter",
    "$orderby": "sort",
    "$hint": "hint",
    "$comment": "comment",
    "$maxScan": "maxScan",
    "$maxTimeMS": "maxTimeMS",
    "$max": "max",
    "$min": "min",
    "$returnKey": "returnKey",
    "$showRecordId": "showRecordId",
    "$showDiskLoc": "showRecordId",
    "$snapshot": "snapshot",
}
"""What stood beside `$query` before there was a find command, and what it is in one."""


@dataclass(slots=True)
class FindSpec:
    """Everything a user may ask of one find; a cursor edits it until the first batch."""

    filter: Mapping[str, Any] = field(default_factory=dict)
    projection: Mapping[str, Any] | None = None
    skip: int = 0
    limit: int = 0
    batch_size: int = 0
    flags: int = 0
    sort: dict[str, Any] | None = None
    hint: str | dict[str, Any] | None = None
    let: Mapping[str, Any] | None = None
    comment: Any = None
    max_time_ms: int | None = None
    max_await_time_ms: int | None = None
    collation: Mapping[str, Any] | None = None
    max: Any = None
    min: Any = None
    max_scan: int | None = None
    return_key: bool | None = None
    show_record_id: bool | None = None
    snapshot: bool | None = None
    allow_disk_use: bool | None = None
    empty: bool = False
    """Sliced to nothing: there is no find that returns no document."""

    @property
    def is_tailable(self) -> bool:
        """Whether an empty batch does not mean the end."""
        return bool(self.flags & QueryFlag.TAILABLE)

    @property
    def awaits_data(self) -> bool:
        """Whether the server waits for documents before it says that there are none."""
        return bool(self.flags & QueryFlag.AWAIT_DATA)


def find_first(namespace: Namespace, query: Mapping[str, Any]) -> Command:
    """Find one document by nothing but a filter: the driver's most travelled path."""
    body: Document = {
        "find": namespace.collection,
        "filter": query,
        "limit": 1,
        "singleBatch": True,
    }
    if namespace.read_concern.level:
        body["readConcern"] = namespace.read_concern.document
    # Positional, because keywords cost a third of a microsecond here: is_write=False,
    # user_documents=True, reads_after=True. With a single batch no cursor is left open.
    return Command(
        "find",
        body,
        namespace.db,
        namespace.codec_options,
        namespace.read_preference,
        False,
        _READ,
        _FIRST_BATCH,
        True,
        True,
    )


def find(namespace: Namespace, spec: FindSpec) -> Command:
    """Open a cursor."""
    body: Document = {"find": namespace.collection}
    if "$query" in spec.filter:
        body.update(unwrapped(spec.filter))
    else:
        body["filter"] = spec.filter
    add_modifiers(body, spec)
    add_size(body, spec)
    if namespace.read_concern.level:
        body["readConcern"] = namespace.read_concern.document
    if spec.collation:
        body["collation"] = spec.collation
    if spec.allow_disk_use is not None:
        body["allowDiskUse"] = spec.allow_disk_use
    for flag, name in FLAG_NAMES if spec.flags else ():
        if spec.flags & flag:
            body[name] = True
    return Command(
        "find",
        body,
        namespace.db,
        namespace.codec_options,
        namespace.read_preference,
        retry=_READ,
        shape=_FIRST_BATCH,
        user_documents=True,
        reads_after=True,
        opens_cursor=True,
        # The server would take it for the whole life of a cursor that has no end.
        takes_max_time=not spec.is_tailable or spec.awaits_data,
    )


def explain(namespace: Namespace, spec: FindSpec) -> Command:
    """Have the server tell how it would run a find."""
    return Command(
        "explain",
        {"explain": find(namespace, spec).body},
        namespace.db,
        namespace.codec_options,
        namespace.read_preference,
        retry=_READ,
    )


def unwrapped(wrapper: Mapping[str, Any]) -> Document:
    """Return the fields of a find command that a filter of the old form, `{"$query": ...}`, is.

    Raises:
        ConfigurationError: it asks for an explanation, which is not a cursor's document.
    """
    if "$explain" in wrapper:
        raise ConfigurationError("$explain beside $query is not supported: call Cursor.explain()")
    return {
        WRAPPED.get(name, name): value
        for name, value in wrapper.items()
        if name != "$readPreference"
    }


def add_modifiers(body: Document, spec: FindSpec) -> None:
    """Add what changes which documents are found, in which order and how."""
    if spec.sort:
        body["sort"] = spec.sort
    if spec.hint:
        body["hint"] = spec.hint
    if spec.let:
        body["let"] = spec.let
    for name, value in (
        ("comment", spec.comment),
        ("maxScan", spec.max_scan),
        ("maxTimeMS", spec.max_time_ms),
        ("max", spec.max),
        ("min", spec.min),
        ("returnKey", spec.return_key),
        ("showRecordId", spec.show_record_id),
        ("snapshot", spec.snapshot),
    ):
        if value is not None:
            body[name] = value


def add_size(body: Document, spec: FindSpec) -> None:
    """Add how much is wanted: fields, documents, batches."""
    if spec.projection:
        body["projection"] = spec.projection
    if spec.skip:
        body["skip"] = spec.skip
    if spec.limit:
        body["limit"] = abs(spec.limit)
        if spec.limit < 0:
            body["singleBatch"] = True
    if spec.batch_size:
        # One more than the limit lets the server see the end, and close the cursor itself.
        body["batchSize"] = spec.batch_size + (spec.batch_size == spec.limit)


def get_more(
    db: str,
    collection: str,
    cursor_id: int,
    *,
    address: Address | None,
    lease: Lease | None,
    codec_options: CodecOptions[Any],
    read_preference: ReadMode,
    batch_size: int = 0,
    max_await_time_ms: int | None = None,
    awaits_data: bool = False,
    comment: Any = None,
    streams: bool = False,
) -> Command:
    """Fetch a cursor's next batch, or all that follow, from the server that holds it."""
    body: Document = {"getMore": cursor_id, "collection": collection}
    if batch_size:
        body["batchSize"] = batch_size
    if max_await_time_ms is not None:
        body["maxTimeMS"] = max_await_time_ms
    if comment is not None:
        body["comment"] = comment
    return Command(
        "getMore",
        body,
        db,
        codec_options,
        read_preference,
        shape=ReplyShape.NEXT_BATCH,
        user_documents=True,
        address=address,
        lease=lease,
        awaits_data=awaits_data,
        takes_max_time=False,
        streams=streams,
    )


def kill_cursor(
    db: str,
    collection: str,
    cursor_id: int,
    *,
    address: Address | None,
    lease: Lease | None,
    read_preference: ReadMode,
) -> Command:
    """Close a cursor on the server that holds it."""
    return Command(
        "killCursors",
        {"killCursors": collection, "cursors": [cursor_id]},
        db,
        read_preference=read_preference,
        address=address,
        lease=lease,
        closes_cursor=True,
    )
