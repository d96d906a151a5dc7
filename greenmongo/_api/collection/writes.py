"""A collection's writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, Generic

import bson
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo.errors import InvalidOperation, OperationFailure
from pymongo.results import DeleteResult, InsertManyResult, InsertOneResult, UpdateResult
from pymongo.write_concern import WriteConcern

from greenmongo._api.collection.base import CollectionBase
from greenmongo._api.configured import check_session
from greenmongo._api.run_batches import run_batches
from greenmongo._core.bulk.batches import DEFAULT_LIMITS, check_sizes, split_batches
from greenmongo._core.bulk.progress import InsertProgress, UnacknowledgedProgress
from greenmongo._core.commands.arguments import (
    CollationIn,
    IndexKeys,
    Pipeline,
    check_replacement,
    check_update,
    require_document,
    require_list,
    require_mapping,
)
from greenmongo._core.commands.write import delete, insert, update
from greenmongo._core.cursors.undecoded_batch import with_checkpoints
from greenmongo._core.types import DocT
from greenmongo._core.user_code import encoding_is_users
from greenmongo._hub.checkpoint import checkpoint
from greenmongo._hub.upcall import upcall

if TYPE_CHECKING:
    from greenmongo._core.command import Command
    from greenmongo._core.sessions.client_session import SessionLike

__all__ = ["Writes"]


class Writes(CollectionBase[DocT], Generic[DocT]):
    """insert, update, replace, delete and find-and-modify."""

    def insert_one(
        self,
        document: DocT | RawBSONDocument,
        bypass_document_validation: bool | None = None,
        session: SessionLike | None = None,
        comment: Any | None = None,
    ) -> InsertOneResult:
        """Insert one document; it gets an `_id` if it has none.

        Raises:
            DuplicateKeyError: a unique index has such a document already.
            InvalidDocument: the document cannot be encoded.
        """
        require_document("document", document)
        encoded, ids = self._encode_all([document])
        write_concern = self._namespace.write_concern
        if not write_concern.acknowledged or len(encoded[0]) > DEFAULT_LIMITS.max_bson_size:
            limits = self._executor.limits()
            check_sizes(encoded, limits, acknowledged=write_concern.acknowledged)
        command = insert(
            self._namespace,
            encoded,
            write_concern,
            bypass_document_validation=bypass_document_validation,
            comment=comment,
        )
        self._write(command, session)
        return InsertOneResult(ids[0] if ids else None, write_concern.acknowledged)

    def insert_many(
        self,
        documents: Iterable[DocT | RawBSONDocument],
        ordered: bool = True,
        bypass_document_validation: bool | None = None,
        session: SessionLike | None = None,
        comment: Any | None = None,
    ) -> InsertManyResult:
        """Insert documents, in as few messages as the server's limits allow.

        Args:
            documents: each gets an `_id` if it has none.
            ordered: stop at the first failure; otherwise try them all.
            bypass_document_validation: skip the collection's validation rules.
            session: the session to run in.
            comment: shown in the server's logs and profiles.

        Raises:
            BulkWriteError: some were not inserted; its `details` tell which and why.
            InvalidDocument: a document cannot be encoded; nothing has been sent.
        """
        if not isinstance(documents, Iterable) or isinstance(documents, Mapping) or not documents:
            raise TypeError("documents must be a non-empty list")
        write_concern = self._namespace.write_concern
        check_session(session, write_concern)
        if bypass_document_validation and not write_concern.acknowledged:
            raise OperationFailure(
                "Cannot set bypass_document_validation with unacknowledged write concern"
            )
        sources = list(documents)
        if not sources:
            raise InvalidOperation("No operations to execute")
        encoded, ids = self._encode_all(sources)
        options = {
            "ordered": ordered,
            "bypass_document_validation": bypass_document_validation,
            "comment": comment,
        }
        self._insert_batches(sources, encoded, session, options)
        return InsertManyResult(ids, write_concern.acknowledged)

    def _encode_all(self, documents: list[Any]) -> tuple[list[bytes], list[Any]]:
        """Give each document an id if it has none; return them encoded, and the ids."""
        if encoding_is_users(self._namespace.codec_options, documents):
            return upcall(lambda: (list(map(self._encode, documents)), _ids_of(documents)))
        encoded = list(with_checkpoints(map(self._encode, documents), checkpoint))
        return encoded, _ids_of(documents)

    def _encode(self, document: Any) -> bytes:
        """Give a document an id if it has none, and encode it."""
        if not isinstance(document, dict):  # as nearly all are; each document costs a call less
            require_document("document", document)
        give_id(document)
        return bson.encode(document, codec_options=self._namespace.codec_options)

    def _insert_batches(
        self,
        sources: Sequence[Any],
        encoded: Sequence[bytes],
        session: SessionLike | None,
        options: dict[str, Any],
    ) -> None:
        write_concern, ordered = self._namespace.write_concern, options["ordered"]
        acknowledged = write_concern.acknowledged
        limits = self._executor.limits()
        check_sizes(encoded, limits, acknowledged=acknowledged)
        batches = split_batches(encoded, limits)

        def build(batch: Sequence[bytes], operation_id: int) -> Command:
            # Only an answer tells whether to go on, so all but the last message of an ordered
            # insert ask for one. The server itself keeps the order within a message.
            decides = ordered and batch is not batches[-1]
            concern = WriteConcern() if decides and not acknowledged else write_concern
            return insert(self._namespace, batch, concern, operation_id=operation_id, **options)

        progress = InsertProgress(sources, ordered) if acknowledged else UnacknowledgedProgress()
        run_batches(self._executor, batches, build, progress, session)

    def _update(
        self,
        query: Mapping[str, Any],
        change: Mapping[str, Any] | Pipeline,
        session: SessionLike | None,
        **options: Any,
    ) -> UpdateResult:
        command = update(self._namespace, query, change, self._namespace.write_concern, **options)
        document = self._write(command, session)
        if not self._namespace.write_concern.acknowledged:
            return UpdateResult(None, False)
        # PyMongo's UpdateResult reads the shape that legacy servers had.
        upserted = document.get("upserted")
        result = dict(document)
        result["updatedExisting"] = bool(document.get("n")) and upserted is None
        if upserted:
            result["upserted"] = upserted[0]["_id"]
        return UpdateResult(result, True)

    def replace_one(
        self,
        filter: Mapping[str, Any],
        replacement: Mapping[str, Any],
        upsert: bool = False,
        bypass_document_validation: bool | None = None,
        collation: CollationIn | None = None,
        hint: IndexKeys | None = None,
        session: SessionLike | None = None,
        let: Mapping[str, Any] | None = None,
        sort: Mapping[str, Any] | None = None,
        comment: Any | None = None,
    ) -> UpdateResult:
        """Replace the first document that matches.

        Raises:
            DuplicateKeyError: a unique index has such a document already.
            ValueError: `replacement` has update operators.
        """
        require_mapping("filter", filter)
        check_replacement(replacement)
        return self._update(
            filter,
            replacement,
            session,
            multi=False,
            upsert=upsert,
            bypass_document_validation=bypass_document_validation,
            collation=collation,
            hint=hint,
            let=let,
            sort=sort,
            comment=comment,
        )

    def update_one(
        self,
        filter: Mapping[str, Any],
        update: Mapping[str, Any] | Pipeline,
        upsert: bool = False,
        bypass_document_validation: bool | None = None,
        collation: CollationIn | None = None,
        array_filters: Sequence[Mapping[str, Any]] | None = None,
        hint: IndexKeys | None = None,
        session: SessionLike | None = None,
        let: Mapping[str, Any] | None = None,
        sort: Mapping[str, Any] | None = None,
        comment: Any | None = None,
    ) -> UpdateResult:
        """Update the first document that matches.

        Raises:
            DuplicateKeyError: a unique index has such a document already.
            ValueError: `update` has no update operators.
        """
        require_mapping("filter", filter)
        check_update(update)
        if array_filters is not None:
            require_list("array_filters", array_filters)
        return self._update(
            filter,
            update,
            session,
            multi=False,
            upsert=upsert,
            bypass_document_validation=bypass_document_validation,
            collation=collation,
            array_filters=array_filters,
            hint=hint,
            let=let,
            sort=sort,
            comment=comment,
        )

    def update_many(
        self,
        filter: Mapping[str, Any],
        update: Mapping[str, Any] | Pipeline,
        upsert: bool = False,
        array_filters: Sequence[Mapping[str, Any]] | None = None,
        bypass_document_validation: bool | None = None,
        collation: CollationIn | None = None,
        hint: IndexKeys | None = None,
        session: SessionLike | None = None,
        let: Mapping[str, Any] | None = None,
        comment: Any | None = None,
    ) -> UpdateResult:
        """Update every document that matches.

        Raises:
            ValueError: `update` has no update operators.
        """
        require_mapping("filter", filter)
        check_update(update)
        if array_filters is not None:
            require_list("array_filters", array_filters)
        return self._update(
            filter,
            update,
            session,
            multi=True,
            upsert=upsert,
            bypass_document_validation=bypass_document_validation,
            collation=collation,
            array_filters=array_filters,
            hint=hint,
            let=let,
            comment=comment,
        )

    def _delete(
        self, query: Mapping[str, Any], session: SessionLike | None, **options: Any
    ) -> DeleteResult:
        write_concern = self._namespace.write_concern
        command = delete(self._namespace, query, write_concern, **options)
        return DeleteResult(self._write(command, session), write_concern.acknowledged)

    def delete_one(
        self,
        filter: Mapping[str, Any],
        collation: CollationIn | None = None,
        hint: IndexKeys | None = None,
        session: SessionLike | None = None,
        let: Mapping[str, Any] | None = None,
        comment: Any | None = None,
    ) -> DeleteResult:
        """Delete the first document that matches."""
        return self._delete(
            filter,
            session,
            multi=False,
            collation=collation,
            hint=hint,
            let=let,
            comment=comment,
        )

    def delete_many(
        self,
        filter: Mapping[str, Any],
        collation: CollationIn | None = None,
        hint: IndexKeys | None = None,
        session: SessionLike | None = None,
        let: Mapping[str, Any] | None = None,
        comment: Any | None = None,
    ) -> DeleteResult:
        """Delete every document that matches."""
        return self._delete(
            filter,
            session,
            multi=True,
            collation=collation,
            hint=hint,
            let=let,
            comment=comment,
        )


def give_id(document: Any) -> None:
    """Make and store an `_id` in a document that has none."""
    if isinstance(document, RawBSONDocument):
        # Immutable; the server adds an id that the client never learns.
        return
    assert isinstance(document, MutableMapping)
    if "_id" not in document:
        document["_id"] = ObjectId()


def _ids_of(documents: Iterable[Any]) -> list[Any]:
    return [each["_id"] for each in documents if not isinstance(each, RawBSONDocument)]
