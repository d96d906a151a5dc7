"""insert, save, update, remove and find_and_modify."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic

import bson
from bson.raw_bson import RawBSONDocument
from pymongo.errors import BulkWriteError, InvalidOperation

from greenmongo._core.commands.arguments import require_bool, require_document, require_mapping
from greenmongo._core.commands.write import find_and_modify
from greenmongo._core.reply import check_write
from greenmongo._core.types import DocT
from greenmongo._legacy._acknowledgement import as_last_error, choose_write_concern
from greenmongo._legacy._find_and_modify import translate_find_and_modify
from greenmongo._legacy._keys import check_keys as refuse_keys
from greenmongo._legacy._keys import is_operators
from greenmongo._legacy.collection.base import LegacyCollectionBase

if TYPE_CHECKING:
    from typing_extensions import Self

    from greenmongo._core.types import Document

__all__ = ["LegacyWrites"]


class LegacyWrites(LegacyCollectionBase[DocT], Generic[DocT]):
    """The writes of PyMongo 2.x. All of them are acknowledged unless something says no.

    What says so is, in this order: the options of the call (`w`, `wtimeout`, `j`, `fsync`), its
    `safe`, the collection.
    """

    def _acknowledging(self, safe: bool | None, options: Mapping[str, Any]) -> Self:
        """Return this collection with the write concern of one call."""
        inherited = self._namespace.write_concern
        concern = choose_write_concern(inherited, safe, options)
        return self if concern == inherited else self._with_write_concern(concern)

    def insert(
        self,
        /,
        doc_or_docs: Any,
        manipulate: bool = True,
        safe: bool | None = None,
        check_keys: bool = True,
        continue_on_error: bool = False,
        **options: Any,
    ) -> Any:
        """Insert one document and return its `_id`, or several and return a list of theirs.

        Args:
            doc_or_docs: a document, or any iterable of documents.
            manipulate: add an `_id` where there is none, and apply the database's manipulators.
                Without, the server adds the `_id`, and None is returned for it.
            safe: wait for the server's answer, or do not.
            check_keys: refuse keys that begin with `$` or contain a dot.
            continue_on_error: insert the others although one fails; the last failure is raised.
            **options: `w`, `wtimeout`, `j`, `fsync`.

        Raises:
            DuplicateKeyError: a unique index has such a document already.
            InvalidDocument: a document cannot be encoded, or has such keys; nothing was sent.
            InvalidOperation: no document was given.
        """
        target = self._acknowledging(safe, options)
        one = isinstance(doc_or_docs, Mapping)
        if not one and not isinstance(doc_or_docs, Iterable):
            raise TypeError(f"insert takes a document or an iterable of them, not {doc_or_docs!r}")
        given = [doc_or_docs] if one else doc_or_docs
        documents = [self._prepare(document, manipulate, check_keys) for document in given]
        if not documents:
            raise InvalidOperation("cannot insert: there are no documents")
        ids = [document.get("_id") for document in documents]
        encodable = [target._without_new_id(document) for document in documents]
        if len(encodable) == 1:
            target.insert_one(encodable[0])
        else:
            target._insert_several(encodable, continue_on_error)
        return ids[0] if one else ids

    def _prepare(self, document: Any, manipulate: bool, check_keys: bool) -> Any:
        require_document("document", document)
        if manipulate and not isinstance(document, RawBSONDocument):
            document = self.database._manipulators.transform_incoming(document, self)
        if check_keys:
            refuse_keys(document)
        return document

    def _without_new_id(self, document: Any) -> Any:
        """Return a document so that the `_id` it lacks is left to the server."""
        if "_id" in document:
            return document
        return RawBSONDocument(bson.encode(document, codec_options=self._namespace.codec_options))

    def _insert_several(self, documents: list[Any], continue_on_error: bool) -> None:
        try:
            self.insert_many(documents, ordered=not continue_on_error)
        except BulkWriteError as error:
            failures: Any = error.details or {}
            concerns = failures.get("writeConcernErrors") or [None]
            # As a reply of one write would have told it.
            check_write({**failures, "writeConcernError": concerns[-1]})
            raise

    def save(
        self,
        /,
        to_save: Any,
        manipulate: bool = True,
        safe: bool | None = None,
        check_keys: bool = True,
        **options: Any,
    ) -> Any:
        """Insert a document that has no `_id`, or replace the one that has the same; return it.

        Raises:
            InvalidDocument: keys begin with `$` or contain a dot; nothing was sent.
            TypeError: `to_save` is no document.
        """
        require_document("to_save", to_save)
        if "_id" not in to_save:
            return self.insert(to_save, manipulate, safe, check_keys, **options)
        if check_keys:
            refuse_keys(to_save)
        self.update(
            {"_id": to_save["_id"]}, to_save, True, manipulate, safe, check_keys=False, **options
        )
        return to_save["_id"]

    def update(
        self,
        /,
        spec: Mapping[str, Any],
        document: Mapping[str, Any],
        upsert: bool = False,
        manipulate: bool = False,
        safe: bool | None = None,
        multi: bool = False,
        check_keys: bool = True,
        **options: Any,
    ) -> Document | None:
        """Update or replace the first document that matches, or all of them.

        Args:
            spec: a query document.
            document: update operators, or a whole document. Its first key decides.
            upsert: insert if nothing matches.
            manipulate: apply the database's manipulators to a whole document.
            safe: wait for the server's answer, or do not.
            multi: change all that match; takes operators only.
            check_keys: refuse keys of a whole document that begin with `$` or contain a dot.
            **options: `w`, `wtimeout`, `j`, `fsync`.

        Returns:
            None if unacknowledged; otherwise what getLastError would have said: `n`,
            `updatedExisting`, `upserted` with the new `_id`.

        Raises:
            InvalidDocument: a key is refused; nothing was sent.
            TypeError: an argument has the wrong type.
        """
        require_mapping("spec", spec)
        require_mapping("document", document)
        require_bool("upsert", upsert)
        target = self._acknowledging(safe, options)
        if manipulate:
            document = self.database._manipulators.transform_incoming(document, self)
        if check_keys and not is_operators(document):
            refuse_keys(document)
        result = target._update(spec, document, None, multi=multi, upsert=upsert)
        if not result.acknowledged:
            return None
        return as_last_error(result.raw_result or {}, self._connection_id(), updated=True)

    def remove(
        self,
        /,
        spec_or_id: Any = None,
        safe: bool | None = None,
        multi: bool = True,
        **options: Any,
    ) -> Document | None:
        """Remove documents: all of them without arguments.

        Args:
            spec_or_id: a query document; anything else but None is taken for the value of `_id`.
            safe: wait for the server's answer, or do not.
            multi: remove all that match rather than one.
            **options: `w`, `wtimeout`, `j`, `fsync`.

        Returns:
            None if unacknowledged; otherwise what getLastError would have said.
        """
        spec = {} if spec_or_id is None else spec_or_id
        if not isinstance(spec, Mapping):
            spec = {"_id": spec}
        target = self._acknowledging(safe, options)
        result = target.delete_many(spec) if multi else target.delete_one(spec)
        if not result.acknowledged:
            return None
        return as_last_error(result.raw_result, self._connection_id(), updated=False)

    def _connection_id(self) -> int | None:
        """Return the server's number of the caller's connection, if it is in a request."""
        executor = self.database.client._executor
        return executor.request_connection_id(executor.identify())

    def find_and_modify(
        self,
        /,
        query: Mapping[str, Any] | None = None,
        update: Mapping[str, Any] | None = None,
        upsert: bool = False,
        sort: Any = None,
        full_response: bool = False,
        manipulate: bool = False,
        **options: Any,
    ) -> Any:
        """Change or remove one document and return it, or None if nothing matches.

        Args:
            query: a query document.
            update: update operators, or a whole document.
            upsert: insert if nothing matches.
            sort: which document is the first, as a list of (key, direction) pairs.
            full_response: return the server's whole answer.
            manipulate: apply the database's manipulators to what is returned.
            **options: `remove=True` instead of an update, `new=True` to return the document as it
                is afterwards, `fields`, and further fields of the command.

        Returns:
            The document. An upsert that inserted, without `new`, returns an empty one.

        Raises:
            ValueError: neither, or both, of `update` and `remove` are given.
        """
        named = translate_find_and_modify(update, upsert=upsert, sort=sort, options=options)
        command = find_and_modify(self._namespace, query or {}, **named.arguments)
        reply = self._write(command, None)
        value = reply.get("value")
        if value is None and named.inserts_unseen:
            value = {}
        elif manipulate and value is not None:
            value = self.database._manipulators.transform_outgoing(value, self)
        return {**reply, "value": value} if full_response else value
