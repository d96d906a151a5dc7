"""How a write of several messages gets on, and the result that it adds up to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pymongo.errors import BulkWriteError, OperationFailure

from greenmongo._core.reply import write_concern_error
from greenmongo._core.server_codes import ILLEGAL_OPERATION, RETRYABLE_CODES

if TYPE_CHECKING:
    from greenmongo._core.types import Document

__all__ = ["BulkProgress", "InsertProgress", "UnacknowledgedProgress", "empty_result"]


def empty_result() -> Document:
    """Return the result of a bulk write that has done nothing yet, in PyMongo's shape."""
    return {
        "writeErrors": [],
        "writeConcernErrors": [],
        "nInserted": 0,
        "nUpserted": 0,
        "nMatched": 0,
        "nModified": 0,
        "nRemoved": 0,
        "upserted": [],
    }


@dataclass(slots=True)
class BulkProgress:
    """Adds up replies, and knows when an ordered write must stop."""

    operations: Sequence[Any]
    """All operations, in the caller's order; an error quotes the one that failed."""
    ordered: bool = True
    result: Document = field(default_factory=empty_result)
    offset: int = 0
    """How many operations the messages before this one held."""
    is_halted: bool = False

    def record_failure(self, error: OperationFailure) -> None:
        """Raise what made a whole message fail: the rest is not sent."""
        raise error

    def record_errors(self, reply: Document) -> None:
        """Add a reply's errors, renumbered to the caller's order."""
        errors = reply.get("writeErrors") or ()
        for error in errors:
            index = int(error["index"]) + self.offset
            self.result["writeErrors"].append(
                {**error, "index": index, "op": self.operations[index]}
            )
        concern = write_concern_error(reply)
        if concern is not None:
            self.result["writeConcernErrors"].append(concern)
        # A primary that is going away will take no further message either.
        going_away = concern is not None and concern.get("code") in RETRYABLE_CODES
        self.is_halted = going_away or (self.ordered and bool(errors))

    def conclude(self) -> Document:
        """Return the added up result.

        Raises:
            BulkWriteError: some operation or write concern failed.
        """
        errors = self.result["writeErrors"]
        if not errors and not self.result["writeConcernErrors"]:
            return self.result
        errors.sort(key=lambda error: error["index"])
        if errors and errors[0].get("code") == ILLEGAL_OPERATION:
            message = errors[0].get("errmsg") or ""
            if message.startswith("Transaction numbers"):
                raise OperationFailure(
                    "This MongoDB deployment does not support retryable writes. "
                    "Please add retryWrites=false to your connection string.",
                    ILLEGAL_OPERATION,
                    self.result,
                )
        raise BulkWriteError(self.result)


class InsertProgress(BulkProgress):
    """Adds up the replies to inserts, which carry the operations one after another."""

    __slots__ = ()

    def record(self, batch: Sequence[bytes], reply: Document) -> None:
        """Add the reply to a message that inserted these documents."""
        self.result["nInserted"] += reply.get("n") or 0
        self.record_errors(reply)
        self.offset += len(batch)


@dataclass(slots=True)
class UnacknowledgedProgress:
    """Knows when a write without a result must stop; nobody asked to hear why."""

    is_halted: bool = False

    def record(self, batch: object, reply: Document) -> None:
        """Look whether the next message may follow this one."""
        self.is_halted = bool(reply.get("writeErrors"))

    def record_failure(self, error: OperationFailure) -> None:
        """Send nothing more."""
        self.is_halted = True

    def conclude(self) -> Document:
        """Return nothing: that is all there is to know."""
        return {}
