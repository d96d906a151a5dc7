"""How a client's bulk write gets on, and the result that it adds up to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pymongo.errors import (
    AutoReconnect,
    ClientBulkWriteException,
    OperationFailure,
    ProtocolError,
    ServerSelectionTimeoutError,
)
from pymongo.results import DeleteResult, InsertOneResult, UpdateResult

from greenmongo._core.bulk.progress import raise_unsupported_retry
from greenmongo._core.error_labels import labels_of
from greenmongo._core.reply import write_concern_error
from greenmongo._core.server_codes import RETRYABLE_CODES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pymongo.errors import PyMongoError

    from greenmongo._core.bulk.client_operations import ClientBatch, ClientOperation
    from greenmongo._core.types import Document

__all__ = ["ClientProgress", "UnansweredProgress"]

_COUNTS = ("nInserted", "nUpserted", "nMatched", "nModified", "nDeleted")


def _empty_result() -> Document:
    return {
        "anySuccessful": False,
        "error": None,
        "writeErrors": [],
        "writeConcernErrors": [],
        **dict.fromkeys(_COUNTS, 0),
        "insertResults": {},
        "updateResults": {},
        "deleteResults": {},
    }


@dataclass(slots=True)
class ClientProgress:
    """Adds up replies and what their cursors hold.

    A batch is recorded in this order: `begin`, `record` for each document of its cursor, `end`.
    """

    ordered: bool
    verbose: bool
    retries: bool
    """The client sends writes again: PyMongo then takes no further step once a primary goes."""
    result: Document = field(default_factory=_empty_result)
    done: int = 0
    """How many operations the server has answered for, whatever became of them."""
    is_halted: bool = False

    def begin(self, batch: ClientBatch, reply: Document) -> None:
        """Add the reply to one message, but for its cursor."""
        result, failed = self.result, int(reply.get("nErrors") or 0)
        for name in _COUNTS:
            result[name] += int(reply.get(name) or 0)
        # CRUD, "Handling the bulkWrite Server Response". In order an error is the last result; it
        # counts if it is not the first, which `record` sees.
        if failed == 0 or (not self.ordered and failed < len(batch.operations)):
            result["anySuccessful"] = True
        concern = write_concern_error(reply)
        if concern is not None:
            result["writeConcernErrors"].append(concern)
            may_retry = self.retries and batch.may_retry
            self.is_halted = may_retry and concern.get("code") in RETRYABLE_CODES

    def record(self, batch: ClientBatch, outcome: Mapping[str, Any]) -> bool:
        """Add what became of one operation; return whether there is more to hear.

        Raises:
            ProtocolError: it is of no operation of this batch.
        """
        place = outcome.get("idx")
        if not isinstance(place, int) or not 0 <= place < len(batch.operations):
            raise ProtocolError(f"idx in a result of bulkWrite cannot be {place!r:.100}")
        operation, index = batch.operations[place], batch.first + place
        if outcome.get("ok"):
            if self.verbose:
                self._keep(operation, index, outcome)
            return True
        self.result["writeErrors"].append({**outcome, "idx": index, "op": operation.document})
        if self.ordered:
            if place > 0:
                self.result["anySuccessful"] = True
            self.is_halted = True
            self.done = index + 1
        return not self.ordered

    def _keep(self, operation: ClientOperation, index: int, outcome: Mapping[str, Any]) -> None:
        result: object
        if operation.kind == "insert":
            result = InsertOneResult(operation.document["document"].get("_id"), acknowledged=True)
        elif operation.kind == "update":
            result = UpdateResult(outcome, acknowledged=True, in_client_bulk=True)
        else:
            result = DeleteResult(outcome, acknowledged=True)
        self.result[f"{operation.kind}Results"][index] = result

    def end(self, batch: ClientBatch) -> None:
        """Take note that the batch is over, and nothing stopped it."""
        if not (self.ordered and self.result["writeErrors"]):
            self.done = batch.first + len(batch.operations)

    def record_failure(self, error: OperationFailure) -> None:
        """Raise what made a whole message fail."""
        raise error

    def reading_failure(self, error: PyMongoError) -> PyMongoError:
        """Return what to raise for an error while results were read.

        PyMongo makes a document of it.
        """
        self.result["error"] = {
            "errmsg": str(error),
            "code": getattr(error, "code", None),
            "errtype": type(error).__name__,
        }
        return self._wrapped(error)

    def failure(self, error: PyMongoError) -> PyMongoError:
        """Return what to raise for an error of a whole message.

        As PyMongo: it is in an exception that tells what was written before. Only what kept the
        first message from being sent is raised as it is.
        """
        was_sent = isinstance(error, (AutoReconnect, OperationFailure)) and not isinstance(
            error, ServerSelectionTimeoutError
        )
        if not (was_sent or self.result["anySuccessful"] or self.result["writeErrors"]):
            return error
        self.result["error"] = error
        return self._wrapped(error)

    def _wrapped(self, error: PyMongoError) -> PyMongoError:
        labels = labels_of(error)
        if labels:
            # Where an exception has its labels from: whoever retries asks for them.
            self.result["errorLabels"] = labels
        return ClientBulkWriteException(self.result, self.verbose)

    def conclude(self) -> Document:
        """Return the added up result.

        Raises:
            ClientBulkWriteException: some operation or write concern failed.
        """
        errors = self.result["writeErrors"]
        if errors:
            errors.sort(key=lambda error: error["idx"])
            raise_unsupported_retry(errors[0], self.result)
        if errors or self.result["writeConcernErrors"]:
            raise ClientBulkWriteException(self.result, self.verbose)
        return self.result


@dataclass(slots=True)
class UnansweredProgress:
    """Counts what was sent, where the server says nothing."""

    done: int = 0
    is_halted: bool = False
    result: None = None

    def end(self, batch: ClientBatch) -> None:
        """Take note that a batch was sent."""
        self.done += len(batch.operations)

    def record_failure(self, error: OperationFailure) -> None:
        """Raise what kept a message from being sent."""
        raise error

    def conclude(self) -> Document:
        """Return nothing: that is all there is to know."""
        return {}
