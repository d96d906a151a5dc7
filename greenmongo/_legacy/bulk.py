"""The bulk builders of PyMongo 2.7 and later: operations are collected, then executed once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bson.raw_bson import RawBSONDocument
from pymongo.errors import InvalidOperation
from pymongo.operations import (
    DeleteMany,
    DeleteOne,
    InsertOne,
    ReplaceOne,
    UpdateMany,
    UpdateOne,
)

from greenmongo._core.bulk.ids import give_id
from greenmongo._core.bulk.models import read_model
from greenmongo._core.commands.arguments import require_mapping
from greenmongo._hub.upcall import upcall
from greenmongo._legacy._acknowledgement import as_write_concern
from greenmongo._legacy._keys import check_keys

if TYPE_CHECKING:
    from greenmongo._api.collection.bulk_writes import WriteOperation
    from greenmongo._core.types import Document
    from greenmongo._legacy.collection.bulk import LegacyBulk

__all__ = ["BulkOperationBuilder", "BulkUpsertOperation", "BulkWriteOperation"]


class BulkOperationBuilder:
    """Operations for one collection, to be executed together, once."""

    def __init__(self, collection: LegacyBulk[Any], ordered: bool = True) -> None:
        """Begin without operations. Does no I/O.

        Args:
            collection: what is written to.
            ordered: one after the other, up to the first failure; otherwise try them all.
        """
        self._collection = collection
        self._ordered = ordered
        self._operations: list[WriteOperation] = []
        self._inserted: list[Mapping[str, Any]] = []
        self._is_executed = False

    def find(self, selector: Mapping[str, Any]) -> BulkWriteOperation:
        """Choose the documents that the next operation is for.

        Raises:
            TypeError: `selector` is no query document.
        """
        require_mapping("selector", selector)
        return BulkWriteOperation(self, selector)

    def insert(self, document: Any) -> None:
        """Add an insert. The document gets an `_id` now, if it has none.

        Raises:
            TypeError: `document` is none.
        """
        self._add(InsertOne(document))
        give_id(document)
        if not isinstance(document, RawBSONDocument):
            self._inserted.append(document)

    def execute(self, write_concern: Mapping[str, Any] | None = None) -> Document | None:
        """Execute everything; return what was done, or None if nobody answers.

        Args:
            write_concern: `w`, `wtimeout`, `j`, `fsync`; as the collection has it, if not given.

        Raises:
            BulkWriteError: some operation failed; its `details` tell which and why.
            InvalidDocument: keys of an inserted document begin with `$` or contain a dot; nothing
                was sent.
            InvalidOperation: there are no operations, or they were executed already.
        """
        if not self._operations:
            raise InvalidOperation("No operations to execute")
        if self._is_executed:
            raise InvalidOperation("Bulk operations can only be executed once.")
        # Mappings of the user's may have methods of their own.
        upcall(self._check_keys)
        self._is_executed = True
        collection = self._collection
        if write_concern:
            collection = collection._with_write_concern(as_write_concern(write_concern))
        result = collection.bulk_write(self._operations, ordered=self._ordered)
        return result.bulk_api_result if result.acknowledged else None

    def _check_keys(self) -> None:
        for document in self._inserted:
            check_keys(document)

    def _add(self, operation: WriteOperation) -> None:
        # As then, whatever is wrong with it is said here.
        read_model(operation)
        self._operations.append(operation)


class BulkUpsertOperation:
    """The documents that one operation is for; if there are none, it inserts one."""

    _upsert = True

    def __init__(self, builder: BulkOperationBuilder, selector: Mapping[str, Any]) -> None:
        self._builder = builder
        self._selector = selector

    def update_one(self, update: Mapping[str, Any]) -> None:
        """Add an update of the first document that matches.

        Raises:
            ValueError: `update` has no update operators.
        """
        self._builder._add(UpdateOne(self._selector, update, upsert=self._upsert))

    def update(self, update: Mapping[str, Any]) -> None:
        """Add an update of every document that matches.

        Raises:
            ValueError: `update` has no update operators.
        """
        self._builder._add(UpdateMany(self._selector, update, upsert=self._upsert))

    def replace_one(self, replacement: Mapping[str, Any]) -> None:
        """Add a replacement of the first document that matches.

        Raises:
            ValueError: `replacement` has update operators.
        """
        self._builder._add(ReplaceOne(self._selector, replacement, upsert=self._upsert))


class BulkWriteOperation(BulkUpsertOperation):
    """The documents that one operation is for."""

    _upsert = False

    def upsert(self) -> BulkUpsertOperation:
        """Have the operation insert a document if none matches."""
        return BulkUpsertOperation(self._builder, self._selector)

    def remove_one(self) -> None:
        """Add the removal of the first document that matches."""
        self._builder._add(DeleteOne(self._selector))

    def remove(self) -> None:
        """Add the removal of every document that matches."""
        self._builder._add(DeleteMany(self._selector))
