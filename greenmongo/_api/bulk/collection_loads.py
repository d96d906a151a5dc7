"""The bulk writes of a collection: `insert_many` and `bulk_write`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import bson
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo.errors import ConfigurationError
from pymongo.results import BulkWriteResult, InsertManyResult
from pymongo.write_concern import WriteConcern

from greenmongo._api.bulk.load import BulkLoad, new_progress
from greenmongo._core.bulk.batches import check_sizes
from greenmongo._core.bulk.ids import give_id
from greenmongo._core.bulk.models import read_model
from greenmongo._core.bulk.statements import (
    Batch,
    Statement,
    batches_of,
    insert_batches,
    statement_document,
)
from greenmongo._core.command import Requirement
from greenmongo._core.commands.arguments import require_document
from greenmongo._core.commands.write import insert, write_batch
from greenmongo._core.server_codes import SERVER_8_0_WIRE_VERSION
from greenmongo._core.tracing import OperationFacts
from greenmongo._hub.checkpoint import checkpoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greenmongo._api.bulk.load import OnProgress
    from greenmongo._api.configured import CommandExecutor
    from greenmongo._core.bulk.batches import WriteLimits
    from greenmongo._core.bulk.progress import BulkProgress, UnacknowledgedProgress
    from greenmongo._core.command import Command
    from greenmongo._core.namespace import Namespace
    from greenmongo._core.sessions.client_session import SessionLike
    from greenmongo._core.types import Document

__all__ = ["InsertLoad", "OperationsLoad"]

ResultT = TypeVar("ResultT")

SORT_NEEDS_8_0 = Requirement(
    SERVER_8_0_WIRE_VERSION,
    ConfigurationError,
    "Must be connected to MongoDB 8.0+ to use sort on unacknowledged update commands.",
)


class CollectionLoad(BulkLoad[Batch, ResultT], Generic[ResultT]):
    """A bulk write of one collection.

    Args:
        executor: what runs the commands.
        namespace: the collection, with its options.
        source: the documents or operations.
        session: the session to run in.
        on_progress: told after each message.
        options: of the command; `ordered` among them.
    """

    def __init__(
        self,
        executor: CommandExecutor,
        namespace: Namespace,
        source: Any,
        session: SessionLike | None,
        on_progress: OnProgress | None,
        options: dict[str, Any],
    ) -> None:
        tally = new_progress(namespace.write_concern, ordered=options["ordered"])
        super().__init__(executor, source, session, on_progress, tally)
        self._tally: BulkProgress | UnacknowledgedProgress = tally
        self._namespace = namespace
        self._write_concern = namespace.write_concern
        self._options = options
        self._ordered: bool = options["ordered"]

    def _facts(self, batches: Sequence[Batch]) -> OperationFacts:
        # OpenTelemetry: of one kind it is called like it, else bulkWrite. Of a stream only the
        # beginning is known.
        kinds = {batch.kind for batch in batches}
        name = kinds.pop() if len(kinds) == 1 and self._is_of_one_kind else "bulkWrite"
        return OperationFacts(name, self._namespace.db, self._namespace.collection)

    @property
    def _is_of_one_kind(self) -> bool:
        """Whether what comes later is of the kind of what is here."""
        return self.is_whole

    def _execute(self, command: Command, batch: Batch) -> None:
        self._tally.record(batch, self._executor.execute(command, self._session).document)

    def _choose_concern(self, *, is_last: bool) -> WriteConcern:
        """Return the write concern of one message of an unacknowledged write."""
        # Only an answer tells whether to go on, so all but the last message of an ordered write
        # ask for one. The server itself keeps the order within a message.
        return WriteConcern() if self._ordered and not is_last else self._write_concern


class InsertLoad(CollectionLoad[InsertManyResult]):
    """An `insert_many`; the arguments are those of `CollectionLoad`, and `return_ids`."""

    def __init__(self, *args: Any, return_ids: bool) -> None:
        super().__init__(*args)
        self._encoded: list[bytes] = []
        self._sources: list[Any] = []
        self._ids: list[Any] | None = [] if return_ids else None
        self._codec_options = self._namespace.codec_options

    @property
    def _is_of_one_kind(self) -> bool:
        return True

    def _prepare(self, item: Any) -> bytes:
        if type(item) is dict:  # as nearly all are: `give_id`, without the call
            if "_id" not in item:
                item["_id"] = ObjectId()
            given = item["_id"]
        else:
            require_document("document", item)
            given = give_id(item)
        encoded = bson.encode(item, codec_options=self._codec_options)
        self._encoded.append(encoded)
        self._sources.append(item)
        if self._ids is not None and not isinstance(item, RawBSONDocument):
            self._ids.append(given)
        return encoded

    def _take_batches(self, limits: WriteLimits) -> Sequence[Batch]:
        encoded, sources = self._encoded, self._sources
        self._encoded, self._sources = [], []
        self._sent = (encoded, sources)
        acknowledged = self._write_concern.acknowledged
        check_sizes(encoded, limits, acknowledged=acknowledged, checkpoint=checkpoint)
        return insert_batches(encoded, sources, self._first, limits, checkpoint)

    def _build(self, batch: Batch, operation_id: int, *, is_last: bool) -> Command:
        concern = self._write_concern
        if not concern.acknowledged:
            concern = self._choose_concern(is_last=is_last)
        return insert(
            self._namespace,
            batch.documents,
            concern,
            operation_id=operation_id,
            **self._options,
        )

    def _result(self, document: Document) -> InsertManyResult:
        return InsertManyResult(self._ids or [], self._write_concern.acknowledged)


class OperationsLoad(CollectionLoad[BulkWriteResult]):
    """A collection's `bulk_write`; the arguments are those of `CollectionLoad`."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._statements: list[Statement] = []

    def _prepare(self, item: Any) -> bytes:
        model = read_model(item)
        document = statement_document(model, self._write_concern)
        if model.kind == "insert":
            give_id(document)
        encoded = bson.encode(document, codec_options=self._namespace.codec_options)
        self._statements.append(
            Statement(model.kind, encoded, document, model.is_multi, model.sort is not None)
        )
        return encoded

    def _take_batches(self, limits: WriteLimits) -> Sequence[Batch]:
        statements, self._statements = self._statements, []
        self._sent = (statements,)
        return batches_of(
            statements,
            self._first,
            limits,
            ordered=self._ordered,
            acknowledged=self._write_concern.acknowledged,
            checkpoint=checkpoint,
        )

    def _build(self, batch: Batch, operation_id: int, *, is_last: bool) -> Command:
        concern = self._write_concern
        if not concern.acknowledged:
            concern = self._choose_concern(is_last=is_last)
        return write_batch(
            self._namespace,
            batch,
            concern,
            operation_id=operation_id,
            requires=None if concern.acknowledged or not batch.has_sort else SORT_NEEDS_8_0,
            **self._options,
        )

    def _result(self, document: Document) -> BulkWriteResult:
        return BulkWriteResult(document, self._write_concern.acknowledged)
