"""The arguments of an operation, turned into those of PyMongo's methods."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from pymongo import client_session
from pymongo.collection import ReturnDocument
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import (
    Nearest,
    Primary,
    PrimaryPreferred,
    Secondary,
    SecondaryPreferred,
)
from pymongo.write_concern import WriteConcern

from greenmongo import CursorType
from tests.spec.unified.outcomes import Mismatch, Unsupported

__all__ = [
    "UNSUPPORTED",
    "Arguments",
    "bucket_options",
    "concerns",
    "session_options",
    "snake_case",
]

_MODES: dict[str, Callable[..., Any]] = {
    "primarypreferred": PrimaryPreferred,
    "secondary": Secondary,
    "secondarypreferred": SecondaryPreferred,
    "nearest": Nearest,
}
_CURSOR_TYPES = {
    "nonTailable": CursorType.NON_TAILABLE,
    "tailable": CursorType.TAILABLE,
    "tailableAwait": CursorType.TAILABLE_AWAIT,
}

_TRANSACTION_OPTIONS: type[Any] = vars(client_session)["TransactionOptions"]
_RETURNED = {"Before": ReturnDocument.BEFORE, "After": ReturnDocument.AFTER}


def snake_case(name: str) -> str:
    """Return the Python name of an argument: `maxTimeMS` is `max_time_ms`."""
    return re.sub(r"(?<=[a-z])[A-Z]+", lambda found: "_" + found[0].lower(), name)


def _read_preference(document: Mapping[str, Any]) -> Any:
    mode = document["mode"].lower()
    if mode == "primary":
        return Primary()
    return _MODES[mode](
        tag_sets=document.get("tagSets"), max_staleness=document.get("maxStalenessSeconds", -1)
    )


def _write_concern(document: Mapping[str, Any]) -> WriteConcern:
    return WriteConcern(document.get("w"), document.get("wtimeoutMS"), document.get("journal"))


_VALUES: dict[str, Callable[[Any], Any]] = {
    "readConcern": lambda document: ReadConcern(document.get("level")),
    "readPreference": _read_preference,
    "writeConcern": _write_concern,
    "cursorType": _CURSOR_TYPES.__getitem__,
    "returnDocument": _RETURNED.__getitem__,
}
_CONCERNS = ("readConcern", "readPreference", "writeConcern")
# Neither PyMongo nor greenmongo has these.
UNSUPPORTED = ("rawData", "disableMD5")
# Methods have parameters for them, by their Python names, even if they take options of the command.
_OF_METHODS = (*_CONCERNS, "timeoutMode")


def concerns(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a database or collection as PyMongo takes them.

    Raises:
        Unsupported: there is an option that PyMongo does not have.
    """
    for name in options:
        if name not in _CONCERNS:
            raise Unsupported(f"{name} of a database or collection")
    return {snake_case(name): _VALUES[name](value) for name, value in options.items()}


def bucket_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a GridFS bucket as PyMongo takes them."""
    # PyMongo's bucket has the read concern of its database.
    return {
        snake_case(name): _VALUES[name](value) if name in _VALUES else value
        for name, value in options.items()
        if name != "readConcern"
    }


def session_options(options: Mapping[str, Any], entity: Callable[[str], Any]) -> dict[str, Any]:
    """Return the options of a session as keyword arguments.

    Args:
        options: by the specification's names.
        entity: returns what was saved under a name.

    Raises:
        Unsupported: there is an option that we do not have.
    """
    found: dict[str, Any] = {}
    for name, value in options.items():
        if name == "defaultTransactionOptions":
            options = _TRANSACTION_OPTIONS(**Arguments(value).keywords())
            found["default_transaction_options"] = options
        elif name in ("causalConsistency", "snapshot", "defaultTimeoutMS"):
            found[snake_case(name)] = value
        elif name == "snapshotTime":
            found[snake_case(name)] = entity(value)
        else:
            raise Unsupported(f"{name} of a session")
    return found


class Arguments(dict[str, Any]):
    """The arguments of one operation, taken out one after another."""

    def required(self, name: str) -> Any:
        """Take out an argument that there has to be.

        Raises:
            Mismatch: it is missing.
        """
        if name not in self:
            raise Mismatch(f"the argument {name} is missing")
        return self.pop(name)

    def keywords(self, unchanged: bool = False) -> dict[str, Any]:
        """Take out all the rest as keyword arguments.

        Args:
            unchanged: the method takes options of the command, by their names there.

        Raises:
            Unsupported: there is no such option.
        """
        for name in UNSUPPORTED:
            if name in self:
                raise Unsupported(f"argument {name}")
        found = {
            name if unchanged and name not in _OF_METHODS else snake_case(name): (
                _VALUES[name](value) if name in _VALUES else value
            )
            for name, value in self.items()
        }
        self.clear()
        return found
