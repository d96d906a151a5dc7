"""insert, update, delete and findAndModify."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bson.codec_options import DEFAULT_CODEC_OPTIONS
from pymongo.collation import validate_collation_or_none
from pymongo.write_concern import WriteConcern

from greenmongo._core.command import Command, DocumentSequence
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
    from greenmongo._core.commands import Target
    from greenmongo._core.types import Document

__all__ = ["delete", "find_and_modify", "insert", "update", "write_command"]


def write_command(
    target: Target,
    body: Document,
    write_concern: WriteConcern,
    *,
    may_retry: bool,
    sequence: DocumentSequence | None = None,
    operation_id: int | None = None,
) -> Command:
    """Give a write its concern and send it to a writable server."""
    acknowledged = write_concern.acknowledged
    if not write_concern.is_server_default:
        body["writeConcern"] = write_concern.document
    codec_options = reply_codec(target.codec_options)
    return Command(
        body,
        target.db,
        codec_options,
        None,
        True,
        may_retry and acknowledged,
        acknowledged,
        sequence,
        None,
        # Error details and upserted ids hold the user's values; the defaults decode them anyhow.
        codec_options is not DEFAULT_CODEC_OPTIONS,
        operation_id,
    )


def insert(
    target: Target,
    documents: Sequence[bytes],
    write_concern: WriteConcern,
    *,
    ordered: bool = True,
    bypass_document_validation: bool | None = None,
    comment: Any = None,
    operation_id: int | None = None,
) -> Command:
    """Insert documents that are already BSON."""
    body: Document = {"insert": target.name, "ordered": ordered}
    if comment is not None:
        body["comment"] = comment
    if bypass_document_validation is not None:
        body["bypassDocumentValidation"] = bypass_document_validation
    sequence = DocumentSequence("documents", documents)
    return write_command(
        target,
        body,
        write_concern,
        may_retry=True,
        sequence=sequence,
        operation_id=operation_id,
    )


def update(
    target: Target,
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
    body: Document = {"update": target.name, "ordered": True, "updates": [statement]}
    if let is not None:
        require_mapping("let", let)
        body["let"] = let
    if comment is not None:
        body["comment"] = comment
    if bypass_document_validation is not None:
        body["bypassDocumentValidation"] = bypass_document_validation
    return write_command(target, body, write_concern, may_retry=not multi)


def delete(
    target: Target,
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
    body: Document = {"delete": target.name, "ordered": True, "deletes": [statement]}
    if let is not None:
        require_document("let", let)
        body["let"] = let
    if comment is not None:
        body["comment"] = comment
    return write_command(target, body, write_concern, may_retry=not multi)


def add_collation(statement: Document, collation: CollationIn, write_concern: WriteConcern) -> None:
    """Add a collation to one statement of a write."""
    document = validate_collation_or_none(collation)
    forbid_unacknowledged("Collation", write_concern)
    statement["collation"] = document


def find_and_modify(
    target: Target,
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
    body: Document = {"findAndModify": target.name, "query": query, "new": return_document}
    if let is not None:
        require_mapping("let", let)
        body["let"] = let
    body.update(options)
    given = body.pop("writeConcern", None)
    write_concern = target.write_concern if given is None else WriteConcern(**given)
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
    command = write_command(target, body, write_concern, may_retry=True)
    command.codec_options = target.codec_options
    command.user_documents = True
    return command
