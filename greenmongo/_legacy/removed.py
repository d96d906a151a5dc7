"""What no server does any more: refused here, before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from pymongo.errors import OperationFailure

from greenmongo._core.server_codes import (
    CANNOT_CREATE_INDEX,
    COMMAND_NOT_FOUND,
    GET_LAST_ERROR_REMOVED,
    IDL_UNKNOWN_FIELD,
    INVALID_INDEX_SPECIFICATION_OPTION,
)

__all__ = ["RemovedFromServer", "refuse"]


class RemovedFromServer(OperationFailure, NotImplementedError):
    """A feature of PyMongo 2.x that MongoDB has removed; nothing was sent.

    `except OperationFailure` catches it, as it would catch the server's own refusal.
    """

    def __init__(self, feature: str, code: int, removed_in: str, use_instead: str) -> None:
        self.feature = feature
        """What was asked for."""
        self.removed_in = removed_in
        """The first version of MongoDB without it."""
        self.use_instead = use_instead
        """What does the same, or comes nearest."""
        super().__init__(f"{feature} was removed in MongoDB {removed_in}: use {use_instead}", code)

    def __reduce__(self) -> tuple[type[RemovedFromServer], tuple[str, int | None, str, str]]:
        return type(self), (self.feature, self.code, self.removed_in, self.use_instead)


@dataclass(frozen=True, slots=True)
class Removal:
    """When a feature went, what the server says to it now, and what to use."""

    code: int
    version: str
    use_instead: str


_LAST_ERROR = "the result, or the exception, of an acknowledged write"

REMOVALS = {
    "copydb": Removal(COMMAND_NOT_FOUND, "4.2", "mongodump and mongorestore"),
    "dropDups": Removal(
        INVALID_INDEX_SPECIFICATION_OPTION,
        "3.0",
        "a query that removes duplicates before the index is built",
    ),
    "eval": Removal(COMMAND_NOT_FOUND, "4.2", "aggregate, or code in the application"),
    "geoHaystack": Removal(CANNOT_CREATE_INDEX, "5.0", "a 2d index"),
    "getLastError": Removal(GET_LAST_ERROR_REMOVED, "5.1", _LAST_ERROR),
    "getPrevError": Removal(COMMAND_NOT_FOUND, "4.2", _LAST_ERROR),
    "group": Removal(COMMAND_NOT_FOUND, "4.2", "aggregate with $group or $accumulator"),
    "max_scan": Removal(IDL_UNKNOWN_FIELD, "4.2", "max_time_ms"),
    "resetError": Removal(COMMAND_NOT_FOUND, "4.2", _LAST_ERROR),
}


def refuse(feature: str) -> NoReturn:
    """Raise RemovedFromServer for one of `REMOVALS`."""
    removal = REMOVALS[feature]
    raise RemovedFromServer(feature, removal.code, removal.version, removal.use_instead)
