"""The bulk builders of a collection."""

from __future__ import annotations

from typing import Generic

from greenmongo._core.types import DocT
from greenmongo._legacy.bulk import BulkOperationBuilder
from greenmongo._legacy.collection.base import LegacyCollectionBase

__all__ = ["LegacyBulk"]


class LegacyBulk(LegacyCollectionBase[DocT], Generic[DocT]):
    """Bulk writes as PyMongo 2.7 and later had them."""

    def initialize_ordered_bulk_op(self) -> BulkOperationBuilder:
        """Begin to collect operations that are executed in order, up to the first failure."""
        return BulkOperationBuilder(self, ordered=True)

    def initialize_unordered_bulk_op(self) -> BulkOperationBuilder:
        """Begin to collect operations that are all tried, in any order."""
        return BulkOperationBuilder(self, ordered=False)
