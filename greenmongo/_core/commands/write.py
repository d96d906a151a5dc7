"""insert, update, delete and findAndModify."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bson.codec_options import DEFAULT_CODEC_OPTIONS
from pymongo.collation import validate_collation_or_none
from pymongo.write_concern import WriteConcern

from greenmongo._core.command import (
    Command,
    DocumentSequence,
    ReplyShape,
    Requirement,
    Retryability,
)
from greenmongo._core.commands import reply_codec
from greenmongo._core.commands.arguments import (
    CollationIn,
    IndexKeys,
    Pipeline,
    Projection,
    forbid_unacknowledged,
    hint_value,
    index_document,
    projection_document,
    require_bool,
    require_document,
    require_mapping,
)

if TYPE_CHECKING:
    from greenmongo._core.bulk.statements import Batch
    from greenmongo._core.namespace import Namespace
    from greenmongo._core.types import Document

__all__ = ["delete", "find_and_modify", "insert", "update", "write_batch", "write_command"]

_STATEMENTS = {"insert": "documents", "update": "updates", "delete": "deletes"}
"""The field of each command that its statements are in."""

_NEVER, _WRITE = Retryability.NEVER, Retryability.WRITE


def write_command(
    name: str,
    namespace: Namespace,
    body: Document,
    write_concern: WriteConcern,
    *,
    may_retry: bool = False,
    shape: ReplyShape = ReplyShape.NOTHING,
    reads_after: bool = True,
    sequences: tuple[DocumentSequence, ...] = (),
    operation_id: int | None = None,
    requires: Requirement | None = None,
    tolerates: Callable[[Document], bool] | None = None,
) -> Command:
    """Give a write its concern and send it to a writable server.

    Args:
        may_retry: it is a retryable write, if it is acknowledged.
        shape: what is read of the reply.
        reads_after: see `Command`.
        sequences: the documents that are sent beside the body.
        operation_id: of the bulk write that it is a part of.
        requires: see `Command`.
        tolerates: see `Command`.
    """
    acknowledged = write_concern.acknowledged
    if not write_concern.is_server_default:
        body["writeConcern"] = write_concern.document
    codec_options = reply_codec(namespace.codec_options)
    return Command(
        name,
        body,
        namespace.db,
        codec_options,
        None,
        True,
        _WRITE if may_retry and acknowledged else _NEVER,
        shape,
        # Error details and upserted ids hold the user's values; the defaults decode them anyhow.
        codec_options is not DEFAULT_CODEC_OPTIONS,
        reads_after,
        acknowledged,
        sequences,
        operation_id,
        requires=requires,
        tolerates=tolerates,
    )


def insert(
    namespace: Namespace,
    documents: Sequence[bytes],
    write_concern: WriteConcern,
    *,
    ordered: bool = True,
    bypass_document_validation: bool | None = None,
    comment: Any = None,
    operation_id: int | None = None,
) -> Command:
    """Insert documents that are already BSON."""
    body: Document = {"insert": namespace.collection, "ordered": ordered}
    if comment is not None:
        body["comment"] = comment
    if bypass_document_validation is not None:
        body["bypassDocumentValidation"] = bypass_document_validation
    return write_command(
        "insert",
        namespace,
        body,
        write_concern,
        may_retry=True,
        shape=ReplyShape.WRITE,
        sequences=(DocumentSequence("documents", documents),),
        operation_id=operation_id,
    )


def write_batch(
    namespace: Namespace,
    batch: Batch,
    write_concern: WriteConcern,
    *,
    ordered: bool,
    bypass_document_validation: bool | None,
    comment: Any,
    let: Mapping[str, Any] | None,
    operation_id: int,
    requires: Requirement | None,
) -> Command:
    """Send a batch of statements that are already BSON."""
    body: Document = {batch.kind: namespace.collection, "ordered": ordered}
    # As PyMongo, which sends no comment that is empty.
    if comment:
        body["comment"] = comment
    if bypass_document_validation is not None:
        body["bypassDocumentValidation"] = bypass_document_validation
    if let is not None and batch.kind != "insert":
        body["let"] = let
    return write_command(
        batch.kind,
        namespace,
        body,
        write_concern,
        may_retry=batch.may_retry,
        shape=ReplyShape.WRITE,
        sequences=(DocumentSequence(_STATEMENTS[batch.kind], batch.documents),),
        operation_id=operation_id,
        requires=requires,
    )


def update(
    namespace: Namespace,
    query: Mapping[str, Any],
    change: Mapping[str, Any] | Pipeline,
    write_concern: WriteConcern,
    *,
    multi: bool,
    upsert: bool = False,
    bypass_document_validation: bool | None = None,
    collation: CollationIn | None = None,
    array_filters: Sequence[Mapping[str, Any]] | None = None,
    hint: IndexKeys | None = None,
    let: Mapping[str, Any] | None = None,
    sort: Mapping[str, Any] | None = None,
    comment: Any = None,
) -> Command:
    """Update or replace the documents that match `query`."""
    require_bool("upsert", upsert)
    statement: Document = {"q": query, "u": change, "multi": multi, "upsert": upsert}
    if collation is not None:
        add_collation(statement, collation, write_concern)
    if array_filters is not None:
        forbid_unacknowledged("arrayFilters", write_concern)
        statement["arrayFilters"] = array_filters
    if hint is not None:
        statement["hint"] = hint_value(hint)
    if sort is not None:
        require_mapping("sort", sort)
        statement["sort"] = sort
    body: Document = {"update": namespace.collection, "ordered": True, "updates": [statement]}
    if let is not None:
        require_mapping("let", let)
        body["let"] = let
    if comment is not None:
        body["comment"] = comment
    if bypass_document_validation is not None:
        body["bypassDocumentValidation"] = bypass_document_validation
    return write_command(
        "update", namespace, body, write_concern, may_retry=not multi, shape=ReplyShape.WRITE
    )


def delete(
    namespace: Namespace,
    query: Mapping[str, Any],
    write_concern: WriteConcern,
    *,
    multi: bool,
    collation: CollationIn | None = None,
    hint: IndexKeys | None = None,
    let: Mapping[str, Any] | None = None,
    comment: Any = None,
) -> Command:
    """Delete the documents that match `query`, or the first of them."""
    require_mapping("filter", query)
    statement: Document = {"q": query, "limit": 0 if multi else 1}
    if collation is not None:
        add_collation(statement, collation, write_concern)
    if hint is not None:
        statement["hint"] = hint_value(hint)
    body: Document = {"delete": namespace.collection, "ordered": True, "deletes": [statement]}
    if let is not None:
        require_document("let", let)
        body["let"] = let
    if comment is not None:
        body["comment"] = comment
    return write_command(
        "delete", namespace, body, write_concern, may_retry=not multi, shape=ReplyShape.WRITE
    )


def add_collation(statement: Document, collation: CollationIn, write_concern: WriteConcern) -> None:
    """Add a collation to one statement of a write."""
    document = validate_collation_or_none(collation)
    forbid_unacknowledged("Collation", write_concern)
    statement["collation"] = document


def find_and_modify(
    namespace: Namespace,
    query: Mapping[str, Any],
    *,
    projection: Projection | None = None,
    sort: IndexKeys | None = None,
    upsert: bool | None = None,
    return_document: bool = False,
    array_filters: Sequence[Mapping[str, Any]] | None = None,
    hint: IndexKeys | None = None,
    let: Mapping[str, Any] | None = None,
    options: Mapping[str, Any],
) -> Command:
    """Change one document and return it as it was before or after.

    `options` is what else goes into the command: the update or `remove`, and whatever
    keywords the caller passed.
    """
    require_mapping("filter", query)
    if not isinstance(return_document, bool):
        raise TypeError(
            "return_document must be ReturnDocument.BEFORE or ReturnDocument.AFTER, "
            f"not {type(return_document)}"
        )
    body: Document = {"findAndModify": namespace.collection, "query": query, "new": return_document}
    if let is not None:
        require_mapping("let", let)
        body["let"] = let
    body.update(options)
    given = body.pop("writeConcern", None)
    write_concern = namespace.write_concern if given is None else WriteConcern(**given)
    collation = validate_collation_or_none(body.pop("collation", None))
    if projection is not None:
        body["fields"] = projection_document(projection)
    if sort is not None:
        body["sort"] = index_document(sort)
    if upsert is not None:
        require_bool("upsert", upsert)
        body["upsert"] = upsert
    if array_filters is not None:
        forbid_unacknowledged("arrayFilters", write_concern)
        body["arrayFilters"] = list(array_filters)
    if hint is not None:
        body["hint"] = hint_value(hint)
    if collation is not None:
        body["collation"] = collation
    if not write_concern.is_server_default:
        body["writeConcern"] = write_concern.document
    return Command(
        "findAndModify",
        body,
        namespace.db,
        namespace.codec_options,
        is_write=True,
        retry=_WRITE if write_concern.acknowledged else _NEVER,
        user_documents=True,
        reads_after=True,
        acknowledged=write_concern.acknowledged,
    )
