"""A collection's writes of many documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeAlias

from pymongo.errors import OperationFailure
from pymongo.operations import (
    DeleteMany,
    DeleteOne,
    InsertOne,
    ReplaceOne,
    UpdateMany,
    UpdateOne,
)

from greenmongo._api.bulk.collection_loads import InsertLoad, OperationsLoad
from greenmongo._api.bulk.load import AnyIterable, is_iterable
from greenmongo._api.collection.base import CollectionBase
from greenmongo._api.in_place import begun_by
from greenmongo._api.session_rules import check_session, namespace_in
from greenmongo._core.commands.arguments import require_document
from greenmongo._core.types import DocT

if TYPE_CHECKING:
    from bson.raw_bson import RawBSONDocument
    from pymongo.results import BulkWriteResult, InsertManyResult

    from greenmongo._api.bulk.load import BulkLoad, OnProgress
    from greenmongo._core.sessions.client_session import SessionLike

__all__ = ["BulkWrites", "WriteOperation"]

WriteOperation: TypeAlias = (
    InsertOne[Any] | UpdateOne | UpdateMany | ReplaceOne[Any] | DeleteOne | DeleteMany
)
"""What a bulk write is made of."""


class BulkWrites(CollectionBase[DocT], Generic[DocT]):
    """insert_many and bulk_write."""

    def _begin_insert_many(
        self,
        documents: AnyIterable[DocT | RawBSONDocument],
        ordered: bool = True,
        bypass_document_validation: bool | None = None,
        session: SessionLike | None = None,
        comment: Any | None = None,
        *,
        on_progress: OnProgress | None = None,
        return_ids: bool = True,
    ) -> BulkLoad[Any, InsertManyResult]:
        given: Any = documents
        if not is_iterable(given) or isinstance(given, Mapping) or not given:
            raise TypeError("documents must be a non-empty list")
        options = {
            "ordered": ordered,
            "bypass_document_validation": bypass_document_validation,
            "comment": comment,
        }
        self._check_bulk(session, bypass_document_validation)
        return InsertLoad(
            self._executor,
            namespace_in(session, self._namespace),
            documents,
            session,
            on_progress,
            options,
            return_ids=return_ids,
        )

    def _check_bulk(
        self, session: SessionLike | None, bypass_document_validation: bool | None
    ) -> None:
        write_concern = namespace_in(session, self._namespace).write_concern
        check_session(session, write_concern)
        if bypass_document_validation and not write_concern.acknowledged:
            raise OperationFailure(
                "Cannot set bypass_document_validation with unacknowledged write concern"
            )

    @begun_by(_begin_insert_many)
    def insert_many(
        self,
        documents: AnyIterable[DocT | RawBSONDocument],
        ordered: bool = True,
        bypass_document_validation: bool | None = None,
        session: SessionLike | None = None,
        comment: Any | None = None,
        *,
        on_progress: OnProgress | None = None,
        return_ids: bool = True,
    ) -> InsertManyResult:
        """Insert documents, in as few messages as the server's limits allow.

        Of an iterable that is no list or tuple, a few thousand documents at a time are taken,
        encoded and sent. Whatever ends it, `greenmongo.errors.written_before(error)` tells how
        many had been inserted.

        Args:
            documents: each gets an `_id` if it has none. Async code may pass an async iterable.
            ordered: stop at the first failure; otherwise try them all.
            bypass_document_validation: skip the collection's validation rules.
            session: the session to run in.
            comment: shown in the server's logs and profiles.
            on_progress: called after each message with how many documents are done, and how many
                there are, None if that is not known.
            return_ids: False for a result without `inserted_ids`, which of very many documents
                would take much memory.

        Raises:
            BulkWriteError: some were not inserted; its `details` tell which and why.
            InvalidDocument: a document cannot be encoded; of a list nothing has been sent.
        """
        return self._begin_insert_many(
            documents,
            ordered,
            bypass_document_validation,
            session,
            comment,
            on_progress=on_progress,
            return_ids=return_ids,
        ).run()

    def _begin_bulk_write(
        self,
        requests: AnyIterable[WriteOperation],
        ordered: bool = True,
        bypass_document_validation: bool | None = None,
        session: SessionLike | None = None,
        comment: Any | None = None,
        let: Mapping[str, Any] | None = None,
        *,
        on_progress: OnProgress | None = None,
    ) -> BulkLoad[Any, BulkWriteResult]:
        if not is_iterable(requests):
            raise TypeError(f"requests must be a list, not {type(requests)}")
        if let is not None:
            require_document("let", let)
        self._check_bulk(session, bypass_document_validation)
        options = {
            "ordered": ordered,
            "bypass_document_validation": bypass_document_validation,
            "comment": comment,
            "let": let,
        }
        return OperationsLoad(
            self._executor,
            namespace_in(session, self._namespace),
            requests,
            session,
            on_progress,
            options,
        )

    @begun_by(_begin_bulk_write)
    def bulk_write(
        self,
        requests: AnyIterable[WriteOperation],
        ordered: bool = True,
        bypass_document_validation: bool | None = None,
        session: SessionLike | None = None,
        comment: Any | None = None,
        let: Mapping[str, Any] | None = None,
        *,
        on_progress: OnProgress | None = None,
    ) -> BulkWriteResult:
        """Insert, update, replace and delete, in as few messages as the server's limits allow.

        In order, operations of one kind that follow each other share a message; without, all of
        one kind do. Of an iterable that is no list or tuple, a few thousand operations at a time
        are taken, encoded and sent. Whatever ends it, `greenmongo.errors.written_before(error)`
        tells what had been written.

        Args:
            requests: operations, of the classes in `greenmongo.operations`. Async code may pass an
                async iterable.
            ordered: one after the other, up to the first failure; otherwise try them all.
            bypass_document_validation: skip the collection's validation rules.
            session: the session to run in.
            comment: shown in the server's logs and profiles.
            let: variables for the operations, as `"$$name"`.
            on_progress: called after each message with how many operations are done, and how many
                there are, None if that is not known.

        Raises:
            BulkWriteError: some failed; its `details` tell which and why.
            InvalidDocument: an operation cannot be encoded; of a list nothing has been sent.
        """
        return self._begin_bulk_write(
            requests,
            ordered,
            bypass_document_validation,
            session,
            comment,
            let,
            on_progress=on_progress,
        ).run()
