"""The operations of a client's bulk write: as documents, with their namespaces, in batches.

CRUD, "Bulk Write" (`bulk-write.md`): the `bulkWrite` command has two document sequences, `ops` and
`nsInfo`. An operation names its collection by its place in `nsInfo`.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

import bson
from pymongo.errors import ConfigurationError, DocumentTooLarge, InvalidOperation

from greenmongo._core.bulk.batches import PORTION, portions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from greenmongo._core.bulk.batches import WriteLimits
    from greenmongo._core.bulk.models import WriteModel
    from greenmongo._core.types import Document

__all__ = [
    "ClientBatch",
    "ClientOperation",
    "client_batches",
    "operation_document",
    "require_namespace",
]

_MESSAGE_OVERHEAD = 1_000
"""Bytes. CRUD, "Total Message Size": what the message has beside command, `ops` and `nsInfo`."""

_COMMAND_OVERHEAD = 16_382
"""Bytes that a command may be larger than a document, as PyMongo counts them."""

_PLACE = struct.Struct("<i")
_PLACE_AT = 12
"""Where the place in `nsInfo` is: behind the document's length, the element's type, and its name,
which has six letters for all kinds."""


class ClientOperation(NamedTuple):
    """One operation, ready to be sent but for the place of its namespace."""

    kind: str
    encoded: bytes
    namespace: str
    document: Document
    """As an error quotes it; of an insert with the user's own document in it."""
    inner_size: int
    """Bytes of the document that is inserted, or replaces another."""
    is_multi: bool


class ClientBatch(NamedTuple):
    """What one message carries."""

    operations: Sequence[ClientOperation]
    documents: Sequence[bytes]
    namespaces: Sequence[bytes]
    first: int
    """The index of its first operation among the caller's."""
    may_retry: bool
    """Nothing in it changes several documents."""


def require_namespace(model: WriteModel) -> str:
    """Return the namespace of an operation.

    Raises:
        InvalidOperation: it has none.
    """
    if not model.namespace:
        raise InvalidOperation(
            "MongoClient.bulk_write requires a namespace to be provided for each write operation"
        )
    return model.namespace


def operation_document(model: WriteModel, *, acknowledged: bool) -> Document:
    """Return the document of an operation, its namespace at the place 0.

    Raises:
        ConfigurationError: an option whose failure nobody would hear of.
    """
    if model.kind == "insert":
        return {"insert": 0, "document": model.change}
    document: Document = {model.kind: 0, "filter": model.filter}
    if model.kind == "update":
        document["updateMods"] = model.change
    document["multi"] = model.is_multi
    if model.upsert is not None:
        document["upsert"] = model.upsert
    if model.array_filters is not None:
        if not acknowledged:
            raise ConfigurationError("arrayFilters is unsupported for unacknowledged writes.")
        document["arrayFilters"] = model.array_filters
    if model.hint is not None:
        document["hint"] = model.hint
    if model.collation is not None:
        if not acknowledged:
            raise ConfigurationError("Collation is unsupported for unacknowledged writes.")
        document["collation"] = model.collation
    if model.sort is not None:
        document["sort"] = model.sort
    return document


def client_batches(
    operations: Sequence[ClientOperation],
    first: int,
    limits: WriteLimits,
    command_size: int,
    *,
    acknowledged: bool,
    checkpoint: Callable[[], object],
) -> list[ClientBatch]:
    """Return the messages that carry operations.

    Args:
        operations: what is to be sent.
        first: the index of the first among the caller's operations.
        limits: what the servers accept.
        command_size: the bytes of the command, without what any command has.
        acknowledged: the server answers, and judges sizes by itself.
        checkpoint: called now and then if there are many.

    Raises:
        DocumentTooLarge: an operation fits in no message, or is too large and nobody would hear
            of it.
    """
    if not acknowledged:
        _check_sizes(portions(operations, checkpoint), limits)
    room = limits.max_message_size - _MESSAGE_OVERHEAD - command_size
    batches, start = [], 0
    while start < len(operations):
        end, namespaces = _measure(operations, start, room, limits, checkpoint)
        part = operations[start:end]
        batches.append(
            ClientBatch(
                part,
                list(_placed(portions(part, checkpoint), namespaces)),
                [bson.encode({"ns": name}) for name in namespaces],
                first + start,
                may_retry=not any(each.is_multi for each in portions(part, checkpoint)),
            )
        )
        start = end
    return batches


def _measure(
    operations: Sequence[ClientOperation],
    start: int,
    room: int,
    limits: WriteLimits,
    checkpoint: Callable[[], object],
) -> tuple[int, dict[str, int]]:
    """Return where the batch ends that begins at `start`, and the places of its namespaces."""
    places: dict[str, int] = {}
    size, end = 0, start
    while end < len(operations) and end - start < limits.max_batch_size:
        operation = operations[end]
        size += len(operation.encoded)
        if operation.namespace not in places:
            size += len(bson.encode({"ns": operation.namespace}))
        if size > room:
            break
        places.setdefault(operation.namespace, len(places))
        end += 1
        if not (end - start) % PORTION:
            checkpoint()
    if end == start:
        raise _too_large(operations[start], len(operations[start].encoded), limits)
    return end, places


def _placed(operations: Iterable[ClientOperation], places: dict[str, int]) -> Iterator[bytes]:
    """Yield encoded operations that name their collections by these places."""
    for operation in operations:
        place = places[operation.namespace]
        operation.document[operation.kind] = place
        if not place:
            yield operation.encoded
            continue
        encoded = bytearray(operation.encoded)
        _PLACE.pack_into(encoded, _PLACE_AT, place)
        yield bytes(encoded)


def _check_sizes(operations: Iterable[ClientOperation], limits: WriteLimits) -> None:
    """Refuse what the server would refuse without anybody hearing of it: CRUD, "Size Limits"."""
    for operation in operations:
        if operation.inner_size > limits.max_bson_size:
            raise _too_large(operation, operation.inner_size, limits)
        if len(operation.encoded) > limits.max_bson_size + _COMMAND_OVERHEAD:
            raise _too_large(operation, len(operation.encoded), limits)


def _too_large(operation: ClientOperation, size: int, limits: WriteLimits) -> DocumentTooLarge:
    if operation.kind == "insert":
        return DocumentTooLarge(
            f"BSON document too large ({size} bytes) - the connected server supports BSON "
            f"document sizes up to {limits.max_bson_size} bytes."
        )
    return DocumentTooLarge(f"{operation.kind} command document too large")
