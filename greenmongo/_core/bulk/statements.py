"""The statements of a collection's bulk write: as documents, in runs, in batches."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from greenmongo._core.bulk.batches import batch_ends, check_sizes, portions, split_batches
from greenmongo._core.commands.arguments import forbid_unacknowledged

if TYPE_CHECKING:
    from pymongo.write_concern import WriteConcern

    from greenmongo._core.bulk.batches import WriteLimits
    from greenmongo._core.bulk.models import WriteModel
    from greenmongo._core.types import Document

__all__ = ["Batch", "Statement", "batches_of", "insert_batches", "statement_document"]

_KINDS = ("insert", "update", "delete")


class Statement(NamedTuple):
    """One operation, ready to be sent."""

    kind: str
    encoded: bytes
    operation: Any
    """As an error quotes it."""
    is_multi: bool = False
    has_sort: bool = False


class Batch(NamedTuple):
    """What one message of a bulk write carries."""

    kind: str
    documents: Sequence[bytes]
    indexes: Sequence[int]
    """Where each of them is among the caller's operations."""
    operations: Sequence[Any]
    """As errors quote them."""
    may_retry: bool = True
    """Retryable Writes, "Supported Write Operations": nothing in it changes several documents."""
    has_sort: bool = False


def statement_document(model: WriteModel, write_concern: WriteConcern) -> Any:
    """Return the document that is sent for an operation; of an insert that is the user's own.

    Raises:
        ConfigurationError: an option whose failure nobody would hear of.
    """
    if model.kind == "insert":
        return model.change
    statement: Document = {"q": model.filter}
    if model.kind == "delete":
        statement["limit"] = 0 if model.is_multi else 1
    else:
        statement["u"] = model.change
        if not model.is_replacement:
            statement["multi"] = model.is_multi
        if model.upsert is not None:
            statement["upsert"] = model.upsert
        elif not (model.is_multi or model.is_replacement):
            statement["upsert"] = False
    if model.collation is not None:
        forbid_unacknowledged("Collation", write_concern)
        statement["collation"] = model.collation
    if model.array_filters is not None:
        forbid_unacknowledged("arrayFilters", write_concern)
        statement["arrayFilters"] = model.array_filters
    if model.hint is not None:
        statement["hint"] = model.hint
    if model.sort is not None:
        statement["sort"] = model.sort
    return statement


def insert_batches(
    encoded: Sequence[bytes],
    sources: Sequence[Any],
    first: int,
    limits: WriteLimits,
    checkpoint: Callable[[], object] = int,
) -> list[Batch]:
    """Return the messages that insert documents.

    Args:
        encoded: the documents.
        sources: as errors quote them.
        first: the index of the first among the caller's documents.
        limits: what the servers accept.
        checkpoint: called now and then if there are many.
    """
    batches, at = [], 0
    for documents in split_batches(encoded, limits, checkpoint):
        end = at + len(documents)
        part = sources if len(documents) == len(sources) else sources[at:end]
        batches.append(Batch("insert", documents, range(first + at, first + end), part))
        at = end
    return batches


def batches_of(
    statements: Sequence[Statement],
    first: int,
    limits: WriteLimits,
    *,
    ordered: bool,
    checkpoint: Callable[[], object],
    acknowledged: bool = True,
) -> list[Batch]:
    """Return the messages that carry statements.

    CRUD, "Ordered" and "Unordered": in order, each run of one kind is a command; without, each
    kind is one, as far as the limits allow.

    Args:
        statements: what is to be sent.
        first: the index of the first among the caller's operations.
        limits: what the servers accept.
        ordered: keep the order.
        checkpoint: called now and then if there are many.
        acknowledged: the server answers, and judges sizes by itself.

    Raises:
        DocumentTooLarge: see `check_sizes`.
    """
    runs = _ordered_runs if ordered else _unordered_runs
    batches: list[Batch] = []
    for places in runs(statements, checkpoint):
        for batch in _batches_of_run(statements, places, first, limits, checkpoint):
            check_sizes(batch.documents, limits, acknowledged=acknowledged, checkpoint=checkpoint)
            batches.append(batch)
    return batches


def _ordered_runs(
    statements: Sequence[Statement], checkpoint: Callable[[], object]
) -> Iterator[Sequence[int]]:
    start = 0
    for at, statement in enumerate(portions(statements, checkpoint)):
        if statement.kind != statements[start].kind:
            yield range(start, at)
            start = at
    if statements:
        yield range(start, len(statements))


def _unordered_runs(
    statements: Iterable[Statement], checkpoint: Callable[[], object]
) -> Iterator[Sequence[int]]:
    # Numbers that are no objects, which would have to be freed one by one.
    places = {kind: array("q") for kind in _KINDS}
    for at, statement in enumerate(portions(statements, checkpoint)):
        places[statement.kind].append(at)
    return (run for run in places.values() if run)


def _batches_of_run(
    statements: Sequence[Statement],
    places: Sequence[int],
    first: int,
    limits: WriteLimits,
    checkpoint: Callable[[], object],
) -> Iterator[Batch]:
    sizes = (len(statements[at].encoded) for at in portions(places, checkpoint))
    start = 0
    for end in batch_ends(sizes, limits):
        those = places[start:end]
        part = [statements[at] for at in portions(those, checkpoint)]
        yield Batch(
            part[0].kind,
            [each.encoded for each in portions(part, checkpoint)],
            [first + place for place in portions(those, checkpoint)],
            [each.operation for each in portions(part, checkpoint)],
            may_retry=not any(each.is_multi for each in portions(part, checkpoint)),
            has_sort=any(each.has_sort for each in portions(part, checkpoint)),
        )
        start = end
