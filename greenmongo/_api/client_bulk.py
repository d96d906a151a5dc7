"""A client's writes of many documents in any collections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pymongo.errors import InvalidOperation
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from greenmongo._api.bulk.client_load import ClientLoad, check_unacknowledged
from greenmongo._api.bulk.load import is_iterable
from greenmongo._api.collection import Collection
from greenmongo._api.database import Database
from greenmongo._api.deployment import Deployment
from greenmongo._api.in_place import begun_by
from greenmongo._api.session_rules import check_session, is_in_transaction
from greenmongo._core.commands import reply_codec
from greenmongo._core.commands.arguments import require_document

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pymongo.results import ClientBulkWriteResult

    from greenmongo._api.bulk.load import AnyIterable, BulkLoad, OnProgress
    from greenmongo._api.collection.bulk_writes import WriteOperation
    from greenmongo._core.sessions.client_session import SessionLike

__all__ = ["ClientBulkWrites"]


class ClientBulkWrites(Deployment):
    """bulk_write."""

    def _begin_bulk_write(
        self,
        models: AnyIterable[WriteOperation],
        session: SessionLike | None = None,
        ordered: bool = True,
        verbose_results: bool = False,
        bypass_document_validation: bool | None = None,
        comment: Any | None = None,
        let: Mapping[str, Any] | None = None,
        write_concern: WriteConcern | None = None,
        *,
        on_progress: OnProgress | None = None,
    ) -> BulkLoad[Any, ClientBulkWriteResult]:
        concern = write_concern or self.write_concern
        if is_in_transaction(session):
            if write_concern:
                raise InvalidOperation("Cannot set write concern after starting a transaction")
            # Transactions, "writeConcern": the client's is of no account in one.
            concern = WriteConcern()
        check_unacknowledged(
            concern,
            ordered=ordered,
            verbose=verbose_results,
            bypass=bypass_document_validation,
        )
        if not is_iterable(models):
            raise TypeError(f"models must be a list, not {type(models)}")
        options: dict[str, Any] = {}
        if bypass_document_validation is not None:
            options["bypassDocumentValidation"] = bypass_document_validation
        if comment:
            options["comment"] = comment
        if let is not None:
            require_document("let", let)
            if let:
                options["let"] = let
        check_session(session, concern)
        return ClientLoad(
            self._bulk_write_cursors(),
            models,
            session,
            on_progress,
            write_concern=concern,
            ordered=ordered,
            verbose=verbose_results,
            retries=self.options.retry_writes,
            options=options,
        )

    def _bulk_write_cursors(self) -> Collection[Any]:
        """Return the collection that the server says the results are of."""
        codec_options = reply_codec(self.codec_options)
        client: Any = self
        admin: Database[Any] = Database(
            client, "admin", codec_options, ReadPreference.PRIMARY, self.write_concern
        )
        return Collection(admin, "$cmd.bulkWrite")

    @begun_by(_begin_bulk_write)
    def bulk_write(
        self,
        models: AnyIterable[WriteOperation],
        session: SessionLike | None = None,
        ordered: bool = True,
        verbose_results: bool = False,
        bypass_document_validation: bool | None = None,
        comment: Any | None = None,
        let: Mapping[str, Any] | None = None,
        write_concern: WriteConcern | None = None,
        *,
        on_progress: OnProgress | None = None,
    ) -> ClientBulkWriteResult:
        """Write to any collections, in as few messages as the server's limits allow.

        Needs MongoDB 8.0. Of an iterable that is no list or tuple, a few thousand operations at a
        time are taken, encoded and sent. Whatever ends it, `written_before(error)` of
        `greenmongo.errors` tells what had been written.

        Args:
            models: operations, of the classes in `greenmongo.operations`, each with the `namespace`
                of its collection, `"database.collection"`. Async code may pass an async iterable.
            session: the session to run in.
            ordered: one after the other, up to the first failure; otherwise try them all.
            verbose_results: tell in the result what became of each operation.
            bypass_document_validation: skip the collections' validation rules.
            comment: shown in the server's logs and profiles.
            let: variables for the operations, as `"$$name"`.
            write_concern: when the writes count as done, if not as the client has it.
            on_progress: called after each message with how many operations are done, and how many
                there are, None if that is not known.

        Raises:
            ClientBulkWriteException: some failed, or the rest could not be sent.
            InvalidOperation: an operation has no namespace, or the server is older.
            InvalidDocument: an operation cannot be encoded; of a list nothing has been sent.
        """
        return self._begin_bulk_write(
            models,
            session,
            ordered,
            verbose_results,
            bypass_document_validation,
            comment,
            let,
            write_concern,
            on_progress=on_progress,
        ).run()
