"""The async face of the bulk builders of PyMongo 2.x: `execute` is awaited, all else is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge._delegate import Facade, awaits, wraps_result
from greenmongo.legacy import BulkOperationBuilder

__all__ = ["AsyncBulkOperationBuilder"]


def itself(face: object, result: Any) -> Any:
    """Return what adds an operation to a builder: it does no I/O."""
    return result


class AsyncBulkOperationBuilder(Facade[BulkOperationBuilder]):
    """Operations for one collection, to be executed together, once."""

    if TYPE_CHECKING:

        @classmethod
        def _wrap(
            cls, parent: Facade[Any], sync: BulkOperationBuilder
        ) -> AsyncBulkOperationBuilder: ...

    find = wraps_result(itself)(BulkOperationBuilder.find)
    insert = wraps_result(itself)(BulkOperationBuilder.insert)
    execute = awaits(BulkOperationBuilder.execute)
