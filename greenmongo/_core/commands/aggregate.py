"""aggregate, and the commands that count and list values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pymongo.collation import validate_collation_or_none
from pymongo.errors import ConfigurationError

from greenmongo._core.command import Command, ReplyShape, Retryability
from greenmongo._core.commands.arguments import (
    IndexKeys,
    Pipeline,
    hint_value,
    require_list,
    require_mapping,
)

if TYPE_CHECKING:
    from greenmongo._core.namespace import Namespace
    from greenmongo._core.types import Document

__all__ = ["Aggregation", "aggregate", "count_matching", "distinct", "estimated_count"]


@dataclass(slots=True)
class Aggregation:
    """An aggregate command and what its cursor must remember of it."""

    command: Command
    batch_size: int
    max_await_time_ms: int | None
    comment: Any
    awaits_data: bool = False
    """It watches changes."""
    writes: bool = False
    """It puts what it finds into a collection."""


def aggregate(
    namespace: Namespace,
    pipeline: Pipeline,
    *,
    let: Mapping[str, Any] | None = None,
    comment: Any = None,
    options: Mapping[str, Any],
) -> Aggregation:
    """Run a pipeline over a collection, or over a database when the namespace has none."""
    refuse_reserved(options)
    require_list("pipeline", pipeline)
    writes = bool(pipeline) and ("$out" in pipeline[-1] or "$merge" in pipeline[-1])
    body: Document = {"aggregate": namespace.collection or 1, "pipeline": pipeline, **options}
    if let is not None:
        require_mapping("let", let)
        body["let"] = let
    if comment is not None:
        body["comment"] = comment
    batch_size = batch_size_of(body.pop("batchSize", None))
    cursor = dict(body.get("cursor") or ())
    if batch_size is not None and not writes:
        # A pipeline that writes returns nothing, so the server refuses or ignores a size.
        cursor["batchSize"] = batch_size
    body["cursor"] = cursor
    collation = validate_collation_or_none(body.pop("collation", None))
    max_await_time_ms = body.pop("maxAwaitTimeMS", None)
    if namespace.read_concern.level:
        body.setdefault("readConcern", namespace.read_concern.document)
    if writes and "writeConcern" not in body and not namespace.write_concern.is_server_default:
        body["writeConcern"] = namespace.write_concern.document
    if collation is not None:
        body["collation"] = collation
    command = Command(
        "aggregate",
        body,
        namespace.db,
        namespace.codec_options,
        namespace.read_preference,
        is_write=writes,
        retry=Retryability.NEVER if writes else Retryability.READ,
        shape=ReplyShape.FIRST_BATCH,
        user_documents=True,
        reads_after=True,
        acknowledged=not writes or body.get("writeConcern", {}).get("w") != 0,
        opens_cursor=True,
    )
    watches = bool(pipeline) and "$changeStream" in pipeline[0]
    return Aggregation(
        command, batch_size or 0, max_await_time_ms, body.get("comment"), watches, writes
    )


def refuse_reserved(options: Mapping[str, Any]) -> None:
    """Refuse keywords that would change what the command is."""
    if "explain" in options:
        raise ConfigurationError(
            "The explain option is not supported. Use Database.command instead."
        )
    for name in ("aggregate", "pipeline"):
        if name in options:
            raise ConfigurationError(
                f"The {name} option cannot be specified as a keyword argument."
            )


def batch_size_of(value: Any) -> int | None:
    """Return a batch size, which may have been given as a string of digits."""
    if value is None:
        return None
    if not isinstance(value, (int, str)):
        raise TypeError(f"Wrong type for batchSize, value must be an integer, not {type(value)}")
    try:
        size = int(value)
    except ValueError:
        raise ValueError("The value of batchSize must be an integer") from None
    if size < 0:
        raise ValueError("The value of batchSize must be a non negative integer")
    return size


def count_matching(
    namespace: Namespace,
    query: Mapping[str, Any],
    *,
    comment: Any = None,
    options: Mapping[str, Any],
) -> Command:
    """Count the documents that match, exactly, by an aggregation."""
    rest = dict(options)
    pipeline: list[Document] = [{"$match": query}]
    pipeline.extend(
        {stage: rest.pop(name)}
        for name, stage in (("skip", "$skip"), ("limit", "$limit"))
        if name in rest
    )
    pipeline.append({"$group": {"_id": 1, "n": {"$sum": 1}}})
    if "hint" in rest:
        rest["hint"] = hint_value(rest["hint"])
    collation = validate_collation_or_none(rest.pop("collation", None))
    body: Document = {"aggregate": namespace.collection, "pipeline": pipeline, "cursor": {}, **rest}
    if comment is not None:
        body["comment"] = comment
    # The one document comes in the first batch: no cursor is left open.
    command = read_command("aggregate", namespace, body, collation, ReplyShape.FIRST_BATCH)
    return command._replace(operation_name="countDocuments")


def estimated_count(
    namespace: Namespace, *, comment: Any = None, options: Mapping[str, Any]
) -> Command:
    """Ask for a collection's size by its metadata."""
    if "session" in options:
        raise ConfigurationError("estimated_document_count does not support sessions")
    body: Document = {"count": namespace.collection, **options}
    if comment is not None:
        body["comment"] = comment
    return read_command("count", namespace, body, None, ReplyShape.COUNT)


def distinct(
    namespace: Namespace,
    key: str,
    query: Mapping[str, Any] | None = None,
    *,
    comment: Any = None,
    hint: IndexKeys | None = None,
    options: Mapping[str, Any],
) -> Command:
    """List the different values of one field."""
    if not isinstance(key, str):
        raise TypeError(f"key must be an instance of str, not {type(key)}")
    body: Document = {"distinct": namespace.collection, "key": key, **options}
    if query is not None:
        if "query" in options:
            raise ConfigurationError("can't pass both filter and query")
        body["query"] = query
    collation = validate_collation_or_none(body.pop("collation", None))
    if comment is not None:
        body["comment"] = comment
    if hint is not None:
        body["hint"] = hint_value(hint)
    return read_command(
        "distinct", namespace, body, collation, ReplyShape.VALUES, user_documents=True
    )


def read_command(
    name: str,
    namespace: Namespace,
    body: Document,
    collation: Document | None,
    shape: ReplyShape,
    *,
    user_documents: bool = False,
) -> Command:
    """Give a read without a cursor the namespace's concern, and let it be retried."""
    if namespace.read_concern.level:
        body.setdefault("readConcern", namespace.read_concern.document)
    if collation is not None:
        body["collation"] = collation
    return Command(
        name,
        body,
        namespace.db,
        namespace.codec_options,
        namespace.read_preference,
        retry=Retryability.READ,
        shape=shape,
        user_documents=user_documents,
        reads_after=True,
    )
