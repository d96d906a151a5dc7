"""Cursors that return batches as they came: BSON documents one after another, not decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from bson.raw_bson import RawBSONDocument
from pymongo.errors import InvalidOperation

from greenmongo._api.command_cursor import CommandCursor
from greenmongo._api.cursor import Cursor
from greenmongo._core.cursors.undecoded_batch import UndecodedBatch
from greenmongo._hub.checkpoint import checkpoint

if TYPE_CHECKING:
    from greenmongo._api.collection import Collection

__all__ = ["RawBatchCommandCursor", "RawBatchCursor", "undecoded"]


def undecoded(collection: Collection[Any]) -> Collection[RawBSONDocument]:
    """Return a collection whose documents are views of the bytes of their reply."""
    options = collection.codec_options.with_options(document_class=RawBSONDocument)
    return collection.with_options(options)


def joined(documents: list[Any] | UndecodedBatch) -> list[bytes]:
    """Return a batch as one item, or none if it is empty."""
    if isinstance(documents, UndecodedBatch):
        documents = documents.decode_all(checkpoint)
    batch = b"".join(document.raw for document in documents)
    return [batch] if batch else []


class RawBatchCursor(Cursor[Any]):
    """What `find_raw_batches` returns: batches of the query's documents, as `bytes`.

    `bson.decode_all` decodes one. Options and methods are those of `Cursor`.
    """

    if TYPE_CHECKING:

        def next(self) -> bytes: ...
        def __next__(self) -> bytes: ...
        def to_list(self, length: int | None = None) -> list[bytes]: ...

    def _receive(self, documents: list[Any] | UndecodedBatch) -> None:
        self._buffer.extend(joined(documents))

    def explain(self) -> Any:
        """Return how the server would run this query."""
        database, name = self._collection.database, self._collection.name
        plain: Cursor[Any] = Cursor(database[name], session=self._session)
        plain._spec = self._spec
        return plain.explain()

    def __getitem__(self, index: object) -> NoReturn:
        raise InvalidOperation("Cannot call __getitem__ on RawBatchCursor")


class RawBatchCommandCursor(CommandCursor[Any]):
    """What `aggregate_raw_batches` returns: batches of the pipeline's results, as `bytes`."""

    if TYPE_CHECKING:

        def next(self) -> bytes: ...
        def __next__(self) -> bytes: ...
        def to_list(self, length: int | None = None) -> list[bytes]: ...
        def try_next(self) -> bytes | None: ...

    def _receive(self, documents: list[Any] | UndecodedBatch) -> None:
        self._buffer.extend(joined(documents))

    def __getitem__(self, index: object) -> NoReturn:
        raise InvalidOperation("Cannot call __getitem__ on RawBatchCommandCursor")
