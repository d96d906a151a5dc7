"""Whether a reply is made of what replies are made of.

A document can be flawless BSON and still make no sense. What the driver reads of replies itself is
checked here, once, so that nothing else has to expect a number where a list should be.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, isfinite
from typing import TYPE_CHECKING, Any

from bson.timestamp import Timestamp

from greenmongo._core.command import ReplyShape
from greenmongo._core.cursors.undecoded_batch import UndecodedBatch

if TYPE_CHECKING:
    from greenmongo._core.types import Document

__all__ = ["ShapeError", "check_reply_shape", "check_topology_version"]


class ShapeError(ValueError):
    """A reply holds what no server would say. `_net` turns this into the public `ProtocolError`."""


_Kinds = type | tuple[type, ...]

_NUMBER = (int, float)
_OF_FAILURES: Mapping[str, _Kinds] = {
    "code": _NUMBER,
    "codeName": str,
    "errmsg": str,
    "errorLabels": list,
    "topologyVersion": Mapping,
}
_OF_WRITES: Mapping[str, _Kinds] = {
    "errorLabels": list,
    "writeConcernError": Mapping,
    "writeErrors": list,
}
_OF_WRITE_ERRORS: Mapping[str, _Kinds] = {
    "code": _NUMBER,
    "errInfo": Mapping,
    "errmsg": str,
    "index": _NUMBER,
}
_WRITES_FIELDS = frozenset(_OF_WRITES)
_WRITTEN: Mapping[str, _Kinds] = {"n": _NUMBER, "nModified": _NUMBER, "upserted": list}
_BULK_WRITTEN: Mapping[str, _Kinds] = dict.fromkeys(
    ("nErrors", "nInserted", "nUpserted", "nMatched", "nModified", "nDeleted"), _NUMBER
)

# Looked up once: members of an enum are found slowly, and this is asked for every reply.
_NOTHING = ReplyShape.NOTHING
_FIRST_BATCH, _NEXT_BATCH = ReplyShape.FIRST_BATCH, ReplyShape.NEXT_BATCH
_CURSOR_IF_ANY, _WRITE = ReplyShape.CURSOR_IF_ANY, ReplyShape.WRITE
_BULK_WRITE = ReplyShape.BULK_WRITE
_RESULTS: Mapping[ReplyShape, tuple[str, _Kinds]] = {
    ReplyShape.COUNT: ("n", _NUMBER),
    ReplyShape.VALUES: ("values", list),
    ReplyShape.DATABASES: ("databases", list),
}


def check_reply_shape(shape: ReplyShape, reply: Document, statements: int | None = None) -> None:
    """Check what the driver reads of the reply to a command.

    Args:
        shape: what is read of it.
        reply: the decoded reply.
        statements: how many documents a write sent along.

    Raises:
        ShapeError: a field cannot be what it should be.
    """
    cluster_time = reply.get("$clusterTime")
    if cluster_time is not None and not (
        isinstance(cluster_time, dict) and isinstance(cluster_time.get("clusterTime"), Timestamp)
    ):
        raise _senseless("$clusterTime", cluster_time)
    if not reply.get("ok"):
        _check(reply, _OF_FAILURES)
        check_topology_version(reply.get("topologyVersion"))
    elif shape is _FIRST_BATCH:
        _check_cursor("firstBatch", reply.get("cursor"))
    elif shape is _NEXT_BATCH:
        _check_cursor("nextBatch", reply.get("cursor"))
    elif shape is not _NOTHING:
        _check_result(shape, reply, statements)
    if not _WRITES_FIELDS.isdisjoint(reply):
        _check_errors(reply, statements)


def _check_result(shape: ReplyShape, reply: Document, statements: int | None) -> None:
    if shape is _CURSOR_IF_ANY or shape is _BULK_WRITE:
        if shape is _BULK_WRITE:
            _check_counts(reply, _BULK_WRITTEN)
        if reply.get("cursor"):
            _check_cursor("firstBatch", reply["cursor"])
    elif shape is _WRITE:
        for field, kind in _WRITTEN.items():
            # As `_check_counts`, without the call.
            value = reply.get(field)
            if value is None or (type(value) is int and kind is _NUMBER):
                continue
            if not isinstance(value, kind) or value != value:
                raise _senseless(field, value)
        for upserted in reply.get("upserted") or ():
            if not (isinstance(upserted, Mapping) and "_id" in upserted):
                raise _senseless("upserted", upserted)
            _check_index("upserted.index", upserted.get("index"), statements)
    elif shape in _RESULTS:
        wanted, of_kind = _RESULTS[shape]
        found: Any = reply.get(wanted)
        if not isinstance(found, of_kind) or (isinstance(found, float) and not isfinite(found)):
            raise _senseless(wanted, found)
        if shape is ReplyShape.DATABASES:
            for database in reply[wanted]:
                if not isinstance(database, Mapping) or not isinstance(database.get("name"), str):
                    raise _senseless(wanted, database)


def _check_counts(reply: Document, kinds: Mapping[str, _Kinds]) -> None:
    for field, kind in kinds.items():
        value = reply.get(field)
        # null, as some servers say, is as good as absent. Not every number counts something.
        if value is None:
            continue
        if not isinstance(value, kind) or (isinstance(value, float) and not isfinite(value)):
            raise _senseless(field, value)


def check_topology_version(version: Any) -> None:
    """Check a `topologyVersion`, which may be missing.

    Raises:
        ShapeError: it cannot be compared with others.
    """
    if version is not None and not (
        isinstance(version, Mapping)
        and "processId" in version
        and isinstance(version.get("counter"), int)
    ):
        raise _senseless("topologyVersion", version)


def _check(document: Mapping[str, Any], kinds: Mapping[str, _Kinds]) -> None:
    """Check fields that may be missing, or null, which is the same to those who read them."""
    for field, kind in kinds.items():
        value = document.get(field)
        if value is not None and not isinstance(value, kind):
            raise _senseless(field, value)


def _check_cursor(batch: str, cursor: Any) -> None:
    # A dict is known at once, while to look for other mappings takes ten times as long.
    if type(cursor) is not dict and not isinstance(cursor, Mapping):
        raise _senseless("cursor", cursor)
    documents = cursor.get(batch)
    if isinstance(documents, list):
        # Of each kind once: a batch is long, and its documents are of one kind.
        for kind in set(map(type, documents)):
            if kind is not dict and not issubclass(kind, Mapping):
                raise _senseless(f"cursor.{batch}", documents)
    elif not isinstance(documents, UndecodedBatch):
        raise _senseless(f"cursor.{batch}", documents)
    if not isinstance(cursor.get("id"), int):
        raise _senseless("cursor.id", cursor.get("id"))
    namespace = cursor.get("ns", ".")
    if not isinstance(namespace, str) or "." not in namespace:
        raise _senseless("cursor.ns", namespace)


def _check_errors(reply: Document, statements: int | None) -> None:
    _check(reply, _OF_WRITES)
    for label in reply.get("errorLabels") or ():
        if not isinstance(label, str):
            raise _senseless("errorLabels", label)
    for error in reply.get("writeErrors") or ():
        if not isinstance(error, Mapping):
            raise _senseless("writeErrors", error)
        _check(error, _OF_WRITE_ERRORS)
        _check_index("writeErrors.index", error.get("index"), statements)
    _check(reply.get("writeConcernError") or {}, _OF_WRITE_ERRORS)


def _check_index(field: str, index: Any, statements: int | None) -> None:
    if not isinstance(index, _NUMBER) or not 0 <= index < (
        inf if statements is None else statements
    ):
        raise _senseless(field, index)


def _senseless(field: str, value: object) -> ShapeError:
    return ShapeError(f"{field} in a reply cannot be {value!r:.100}")
