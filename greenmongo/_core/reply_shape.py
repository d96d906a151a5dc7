"""Whether a reply is made of what replies are made of.

A document can be flawless BSON and still make no sense. What the driver reads of replies itself is
checked here, once, so that nothing else has to expect a number where a list should be.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    "index": int,
}
_WRITES_FIELDS = frozenset(_OF_WRITES)
_WRITTEN: Mapping[str, _Kinds] = {"n": _NUMBER, "nModified": _NUMBER, "upserted": list}

# Looked up once: members of an enum are found slowly, and this is asked for every reply.
_FIRST_BATCH, _NEXT_BATCH = ReplyShape.FIRST_BATCH, ReplyShape.NEXT_BATCH
_CURSOR_IF_ANY, _WRITE = ReplyShape.CURSOR_IF_ANY, ReplyShape.WRITE
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
    else:
        _check_result(shape, reply)
    if not _WRITES_FIELDS.isdisjoint(reply):
        _check_errors(reply, statements)


def _check_result(shape: ReplyShape, reply: Document) -> None:
    if shape is _FIRST_BATCH or shape is _NEXT_BATCH:
        _check_cursor(shape.value, reply.get("cursor"))
    elif shape is _CURSOR_IF_ANY:
        if reply.get("cursor"):
            _check_cursor("firstBatch", reply["cursor"])
    elif shape is _WRITE:
        for field, kind in _WRITTEN.items():
            if field in reply and not isinstance(reply[field], kind):
                raise _senseless(field, reply[field])
        for upserted in reply.get("upserted", ()):
            if not (isinstance(upserted, Mapping) and "_id" in upserted):
                raise _senseless("upserted", upserted)
    elif shape in _RESULTS:
        wanted, of_kind = _RESULTS[shape]
        if not isinstance(reply.get(wanted), of_kind):
            raise _senseless(wanted, reply.get(wanted))


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
    if not isinstance(cursor, Mapping):
        raise _senseless("cursor", cursor)
    if not isinstance(cursor.get(batch), (list, UndecodedBatch)):
        raise _senseless(f"cursor.{batch}", cursor.get(batch))
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
        index = error.get("index")
        if index is None or index < 0 or (statements is not None and index >= statements):
            raise _senseless("writeErrors.index", index)
    _check(reply.get("writeConcernError") or {}, _OF_WRITE_ERRORS)


def _senseless(field: str, value: object) -> ShapeError:
    return ShapeError(f"{field} in a reply cannot be {value!r:.100}")
