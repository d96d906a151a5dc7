"""A collection's writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic

import bson
from bson.raw_bson import RawBSONDocument
from pymongo.results import DeleteResult, InsertOneResult, UpdateResult

from greenmongo._api.collection.base import CollectionBase
from greenmongo._api.in_place import begun_by, encode_in_place
from greenmongo._api.session_rules import namespace_in
from greenmongo._core.bulk.batches import DEFAULT_LIMITS, check_sizes
from greenmongo._core.bulk.ids import give_id
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
from greenmongo._core.reply import is_acknowledged
from greenmongo._core.types import DocT

if TYPE_CHECKING:
    from greenmongo._core.sessions.client_session import SessionLike

__all__ = ["Writes"]


class Writes(CollectionBase[DocT], Generic[DocT]):
    """insert, update, replace, delete and find-and-modify."""

    def _begin_insert_one(
        self,
        document: DocT | RawBSONDocument,
        bypass_document_validation: bool | None = None,
        session: SessionLike | None = None,
        comment: Any | None = None,
    ) -> Callable[[], InsertOneResult]:
        """Do what has to be done in the caller's place; return the rest."""
        require_document("document", document)
        options = self._namespace.codec_options

        def encode() -> tuple[bytes, Any]:
            inserted_id = give_id(document)
            return bson.encode(document, codec_options=options), inserted_id

        encoded, inserted_id = encode_in_place(encode, document, options)
        return lambda: self._insert_encoded(
            encoded, inserted_id, bypass_document_validation, session, comment
        )

    @begun_by(_begin_insert_one)
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
        return self._begin_insert_one(document, bypass_document_validation, session, comment)()

    def _insert_encoded(
        self,
        encoded: bytes,
        inserted_id: Any,
        bypass_document_validation: bool | None,
        session: SessionLike | None,
        comment: Any | None,
    ) -> InsertOneResult:
        namespace = namespace_in(session, self._namespace)
        write_concern = namespace.write_concern
        if not write_concern.acknowledged or len(encoded) > DEFAULT_LIMITS.max_bson_size:
            limits = self._executor.limits()
            check_sizes([encoded], limits, acknowledged=write_concern.acknowledged)
        command = insert(
            namespace,
            [encoded],
            write_concern,
            bypass_document_validation=bypass_document_validation,
            comment=comment,
        )
        reply = self._write(command, session)
        return InsertOneResult(inserted_id, is_acknowledged(reply, write_concern))

    def _update(
        self,
        query: Mapping[str, Any],
        change: Mapping[str, Any] | Pipeline,
        session: SessionLike | None,
        **options: Any,
    ) -> UpdateResult:
        namespace = namespace_in(session, self._namespace)
        command = update(namespace, query, change, namespace.write_concern, **options)
        document = self._write(command, session)
        if not is_acknowledged(document, namespace.write_concern):
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
        namespace = namespace_in(session, self._namespace)
        command = delete(namespace, query, namespace.write_concern, **options)
        document = self._write(command, session)
        return DeleteResult(document, is_acknowledged(document, namespace.write_concern))

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
