"""The bulk write of a client, over any number of collections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bson
from bson.raw_bson import RawBSONDocument
from pymongo.errors import InvalidOperation, OperationFailure, PyMongoError
from pymongo.results import ClientBulkWriteResult

from greenmongo._api.bulk.load import BulkLoad
from greenmongo._api.command_cursor import CommandCursor
from greenmongo._api.open_cursor import cursor_of
from greenmongo._core.bulk.client_operations import (
    ClientBatch,
    ClientOperation,
    client_batches,
    operation_document,
    require_namespace,
)
from greenmongo._core.bulk.client_progress import ClientProgress, UnansweredProgress
from greenmongo._core.bulk.ids import give_id
from greenmongo._core.bulk.models import read_model
from greenmongo._core.command import DocumentSequence, ReplyShape, Requirement
from greenmongo._core.commands.write import write_command
from greenmongo._core.server_codes import SERVER_8_0_WIRE_VERSION
from greenmongo._core.tracing import OperationFacts
from greenmongo._hub.checkpoint import checkpoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymongo.write_concern import WriteConcern

    from greenmongo._api.bulk.load import OnProgress
    from greenmongo._api.collection import Collection
    from greenmongo._core.bulk.batches import WriteLimits
    from greenmongo._core.command import Command
    from greenmongo._core.sessions.client_session import SessionLike
    from greenmongo._core.types import Document

__all__ = ["ClientLoad"]

NEEDS_8_0 = Requirement(
    SERVER_8_0_WIRE_VERSION,
    InvalidOperation,
    "MongoClient.bulk_write requires MongoDB server version 8.0+.",
)


class ClientLoad(BulkLoad[ClientBatch, ClientBulkWriteResult]):
    """A client's `bulk_write`.

    Args:
        cursors: the collection that the results' cursors are of, with the options for them.
        source: the operations.
        session: the session to run in.
        on_progress: told after each message.
        write_concern: of the whole.
        ordered: stop at the first failure.
        verbose: tell of every operation.
        retries: the client sends writes again.
        options: of the command, beside these.
    """

    _has_cursors = True

    def __init__(
        self,
        cursors: Collection[Any],
        source: Any,
        session: SessionLike | None,
        on_progress: OnProgress | None,
        *,
        write_concern: WriteConcern,
        ordered: bool,
        verbose: bool,
        retries: bool,
        options: Document,
    ) -> None:
        self._tally: ClientProgress | UnansweredProgress
        if write_concern.acknowledged:
            self._tally = ClientProgress(ordered, verbose, retries)
        else:
            self._tally = UnansweredProgress()
        super().__init__(cursors._executor, source, session, on_progress, self._tally)
        self._cursors = cursors
        self._namespace = cursors._namespace
        self._write_concern = write_concern
        self._verbose = verbose
        self._body: Document = {
            "bulkWrite": 1,
            "errorsOnly": not verbose,
            "ordered": ordered,
            **options,
        }
        # Here, because it may run code of the user's.
        self._command_size = len(
            bson.encode(self._body, codec_options=self._namespace.codec_options)
        )
        self._operations: list[ClientOperation] = []

    def _facts(self, batches: Sequence[ClientBatch]) -> OperationFacts:
        return OperationFacts("bulkWrite", "admin", None)

    def _prepare(self, item: Any) -> bytes:
        model, options = read_model(item), self._namespace.codec_options
        namespace = require_namespace(model)
        document = operation_document(model, acknowledged=self._write_concern.acknowledged)
        inner = 0
        shown = document
        if model.kind == "insert":
            given = model.change
            give_id(given)
            # CRUD, "Insert": the `_id` comes first, as where a document is encoded by itself.
            encoded = bson.encode(given, codec_options=options)
            inner = len(encoded)
            shown = {"insert": 0, "document": RawBSONDocument(encoded)}
        elif model.is_replacement and not self._write_concern.acknowledged:
            inner = len(bson.encode(model.change, codec_options=options))
        whole = bson.encode(shown, codec_options=options)
        self._operations.append(
            ClientOperation(model.kind, whole, namespace, document, inner, model.is_multi)
        )
        return whole

    def _take_batches(self, limits: WriteLimits) -> Sequence[ClientBatch]:
        operations, self._operations = self._operations, []
        self._sent = (operations,)
        return client_batches(
            operations,
            self._first,
            limits,
            self._command_size,
            acknowledged=self._write_concern.acknowledged,
            checkpoint=checkpoint,
        )

    def _build(self, batch: ClientBatch, operation_id: int, *, is_last: bool) -> Command:
        acknowledged = self._write_concern.acknowledged
        command = write_command(
            "bulkWrite",
            self._namespace,
            dict(self._body),
            self._write_concern,
            may_retry=batch.may_retry,
            shape=ReplyShape.BULK_WRITE,
            sequences=(
                DocumentSequence("ops", batch.documents),
                DocumentSequence("nsInfo", batch.namespaces),
            ),
            operation_id=operation_id,
            requires=NEEDS_8_0,
        )
        return command._replace(user_documents=True, opens_cursor=acknowledged)

    def _execute(self, command: Command, batch: ClientBatch) -> None:
        tally = self._tally
        if isinstance(tally, UnansweredProgress):
            self._executor.execute(command, self._session)
            tally.end(batch)
            return
        try:
            reply = self._executor.execute(command, self._session)
        except PyMongoError as error:
            failure = tally.failure(error)
            if failure is error:
                raise
            raise failure from error
        tally.begin(batch, reply.document)
        comment = self._body.get("comment")
        cursor = cursor_of(self._cursors, reply, self._session, CommandCursor, comment=comment)
        try:
            self._hear(cursor, batch, tally)
        except PyMongoError as error:
            raise tally.reading_failure(error) from error
        tally.end(batch)

    def _hear(self, cursor: CommandCursor[Any], batch: ClientBatch, tally: ClientProgress) -> None:
        """Read what became of each operation, as far as it is of interest."""
        try:
            for outcome in cursor:
                if not tally.record(batch, outcome):
                    break
        finally:
            # CRUD, "Top-Level Errors": whatever ends it, the server need not keep it.
            cursor.close()

    def _result(self, document: Document) -> ClientBulkWriteResult:
        acknowledged = self._write_concern.acknowledged
        return ClientBulkWriteResult(document, acknowledged, acknowledged and self._verbose)


def check_unacknowledged(
    write_concern: WriteConcern, *, ordered: bool, verbose: bool, bypass: bool | None
) -> None:
    """Refuse what cannot be had of a write that nobody answers.

    Raises:
        InvalidOperation: an order, or results of every operation.
        OperationFailure: to bypass validation.
    """
    if write_concern.acknowledged:
        return
    if verbose:
        raise InvalidOperation("Cannot request unacknowledged write concern and verbose results")
    if ordered:
        raise InvalidOperation("Cannot request unacknowledged write concern and ordered writes")
    if bypass is not None:
        raise OperationFailure(
            "Cannot set bypass_document_validation with unacknowledged write concern"
        )
