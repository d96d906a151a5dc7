"""When a write of PyMongo 2.x counts as done, and what it then returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pymongo.errors import ConfigurationError
from pymongo.write_concern import WriteConcern

if TYPE_CHECKING:
    from greenmongo._core.types import Document

__all__ = ["as_last_error", "as_write_concern", "choose_write_concern"]

_NAMES = {
    "w": "w",
    "wtimeout": "wtimeout",
    "wtimeoutms": "wtimeout",
    "j": "j",
    "journal": "j",
    "fsync": "fsync",
}


def as_write_concern(options: Mapping[str, Any]) -> WriteConcern:
    """Return the write concern that keywords describe: `w`, `wtimeout`, `j`, `fsync`.

    Raises:
        ConfigurationError: another keyword, or two that contradict each other.
    """
    named: dict[str, Any] = {}
    for given, value in options.items():
        name = _NAMES.get(given.lower())
        if name is None:
            raise ConfigurationError(
                f"unknown option of a write: {given} (known are w, wtimeout, j and fsync)"
            )
        if value is not None:
            named[name] = value
    return WriteConcern(**named)


def choose_write_concern(
    inherited: WriteConcern, safe: bool | None, options: Mapping[str, Any]
) -> WriteConcern:
    """Return the write concern of one call.

    Any option replaces all that is inherited, and makes the write an acknowledged one whatever
    `safe` says; only `w=0` does not. Without options `safe` decides, and without `safe` the
    collection.

    Raises:
        ConfigurationError: an option is unknown, or contradicts another or `safe`.
        TypeError: `safe` is neither a bool nor None.
    """
    if safe is not None and not isinstance(safe, bool):
        raise TypeError(f"safe must be True, False or None, not {safe!r}")
    if options:
        chosen = as_write_concern(options)
        if safe and not chosen.acknowledged:
            raise ConfigurationError("safe=True contradicts w=0")
        return chosen
    if safe is None or safe == inherited.acknowledged:
        return inherited
    return WriteConcern() if safe else WriteConcern(w=0)


def as_last_error(
    reply: Mapping[str, Any], connection_id: int | None, *, updated: bool
) -> Document:
    """Return what getLastError would have said after an acknowledged write.

    Args:
        reply: the raw result of an update or a delete.
        connection_id: the server's number of the connection, where it is known.
        updated: it was an update, so `updatedExisting` and `upserted` are told.
    """
    count = reply.get("n") or 0
    document: Document = {"ok": 1.0, "err": None, "n": count}
    if connection_id is not None:
        document["connectionId"] = connection_id
    if updated:
        upserted = reply.get("upserted")
        document["updatedExisting"] = bool(count) and "upserted" not in reply
        if "upserted" in reply:
            document["upserted"] = upserted
        if "nModified" in reply:
            document["nModified"] = reply["nModified"]
    return document
