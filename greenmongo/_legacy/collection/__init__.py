"""LegacyCollection: a collection with the methods of PyMongo 2.x beside today's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic

from greenmongo._core.types import DocT
from greenmongo._legacy.collection.bulk import LegacyBulk
from greenmongo._legacy.collection.indexes import LegacyIndexes
from greenmongo._legacy.collection.map_reduce import MapReduce
from greenmongo._legacy.collection.reads import LegacyReads
from greenmongo._legacy.collection.writes import LegacyWrites

if TYPE_CHECKING:
    from bson.codec_options import CodecOptions
    from pymongo.read_concern import ReadConcern
    from pymongo.write_concern import WriteConcern

    from greenmongo._core.types import ReadMode

__all__ = ["LegacyCollection"]


class LegacyCollection(
    LegacyReads[DocT],
    LegacyWrites[DocT],
    LegacyBulk[DocT],
    LegacyIndexes[DocT],
    MapReduce[DocT],
    Generic[DocT],
):
    """A `Collection` that also has what collections of PyMongo 2.x had.

    Where both have a method of one name, the keywords of both are taken. `aggregate` returns a
    dict.
    """

    if TYPE_CHECKING:

        def with_options(
            self,
            codec_options: CodecOptions[Any] | None = None,
            read_preference: ReadMode | None = None,
            write_concern: WriteConcern | None = None,
            read_concern: ReadConcern | None = None,
            *,
            timeout_ms: float | None = None,
        ) -> LegacyCollection[Any]: ...

        def __getattr__(self, name: str) -> LegacyCollection[DocT]: ...

        def __getitem__(self, name: str) -> LegacyCollection[DocT]: ...

    def __bool__(self) -> bool:  # type: ignore[override] # true, as in PyMongo 2.x
        return True
