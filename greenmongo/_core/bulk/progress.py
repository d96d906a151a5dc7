"""How a write of several messages gets on, and the result that it adds up to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pymongo.errors import BulkWriteError, OperationFailure

from greenmongo._core.reply import write_concern_error
from greenmongo._core.server_codes import ILLEGAL_OPERATION, RETRYABLE_CODES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from greenmongo._core.bulk.statements import Batch
    from greenmongo._core.types import Document

__all__ = ["BulkProgress", "UnacknowledgedProgress", "empty_result", "raise_unsupported_retry"]


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


def raise_unsupported_retry(error: Mapping[str, Any], result: Document) -> None:
    """Raise an error that helps, if the first of a bulk write's says that it cannot be retried."""
    if error.get("code") == ILLEGAL_OPERATION:
        message = error.get("errmsg") or ""
        if message.startswith("Transaction numbers"):
            raise OperationFailure(
                "This MongoDB deployment does not support retryable writes. "
                "Please add retryWrites=false to your connection string.",
                ILLEGAL_OPERATION,
                result,
            )


@dataclass(slots=True)
class BulkProgress:
    """Adds up replies, and knows when an ordered write must stop."""

    ordered: bool = True
    result: Document = field(default_factory=empty_result)
    done: int = 0
    """How many operations the server has answered for, whatever became of them."""
    is_halted: bool = False

    def record(self, batch: Batch, reply: Document) -> None:
        """Add the reply to one message."""
        result, count = self.result, reply.get("n") or 0
        if batch.kind == "insert":
            result["nInserted"] += count
        elif batch.kind == "delete":
            result["nRemoved"] += count
        else:
            upserted = reply.get("upserted") or ()
            for each in upserted:
                result["upserted"].append({**each, "index": batch.indexes[int(each["index"])]})
            result["nUpserted"] += len(upserted)
            result["nMatched"] += count - len(upserted)
            result["nModified"] += reply.get("nModified") or 0
        self.done += len(batch.documents)
        if "writeErrors" in reply or "writeConcernError" in reply:
            self._record_errors(batch, reply)

    def _record_errors(self, batch: Batch, reply: Document) -> None:
        """Add a reply's errors, renumbered to the caller's order."""
        errors: Sequence[Mapping[str, Any]] = reply.get("writeErrors") or []
        for error in errors:
            at = int(error["index"])
            numbered = {**error, "index": batch.indexes[at], "op": batch.operations[at]}
            self.result["writeErrors"].append(numbered)
        stops = self.ordered and bool(errors)
        if stops:
            # What comes behind it was not tried.
            self.done += 1 + int(errors[0]["index"]) - len(batch.documents)
        concern = write_concern_error(reply)
        if concern is not None:
            self.result["writeConcernErrors"].append(concern)
        # A primary that is going away will take no further message either.
        going_away = concern is not None and concern.get("code") in RETRYABLE_CODES
        self.is_halted = going_away or stops

    def record_failure(self, error: OperationFailure) -> None:
        """Raise what made a whole message fail: the rest is not sent."""
        raise error

    def conclude(self) -> Document:
        """Return the added up result.

        Raises:
            BulkWriteError: some operation or write concern failed.
        """
        errors = self.result["writeErrors"]
        if not errors and not self.result["writeConcernErrors"]:
            return self.result
        if errors:
            errors.sort(key=lambda error: error["index"])
            raise_unsupported_retry(errors[0], self.result)
        raise BulkWriteError(self.result)


@dataclass(slots=True)
class UnacknowledgedProgress:
    """Knows when a write without a result must stop; nobody asked to hear why."""

    done: int = 0
    """How many operations were sent."""
    is_halted: bool = False
    result: None = None

    def record(self, batch: Batch, reply: Document) -> None:
        """Look whether the next message may follow this one."""
        self.done += len(batch.documents)
        self.is_halted = bool(reply.get("writeErrors"))

    def record_failure(self, error: OperationFailure) -> None:
        """Send nothing more."""
        self.is_halted = True

    def conclude(self) -> Document:
        """Return nothing: that is all there is to know."""
        return {}
