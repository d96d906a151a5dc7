"""createSearchIndexes, dropSearchIndex, updateSearchIndex and `$listSearchIndexes`.

Index Management, "Search Indexes": none of them carries a read or write concern.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pymongo.operations import SearchIndexModel
from pymongo.write_concern import WriteConcern

from greenmongo._core.commands.write import write_command
from greenmongo._core.reply import is_missing_namespace

if TYPE_CHECKING:
    from greenmongo._core.command import Command
    from greenmongo._core.namespace import Namespace
    from greenmongo._core.types import Document

__all__ = [
    "create_search_indexes",
    "drop_search_index",
    "search_indexes_pipeline",
    "update_search_index",
]

_NO_CONCERN = WriteConcern()


def create_search_indexes(
    namespace: Namespace,
    models: Sequence[SearchIndexModel],
    *,
    comment: Any = None,
    options: Mapping[str, Any],
) -> Command:
    """Build search indexes, all in one command.

    Raises:
        TypeError: one of them is no `SearchIndexModel`.
    """
    for model in models:
        if not isinstance(model, SearchIndexModel):
            raise TypeError(f"{model!r} is not an instance of pymongo.operations.SearchIndexModel")
    documents = [model.document for model in models]
    body = {"createSearchIndexes": namespace.collection, "indexes": documents, **options}
    return _command(namespace, body, comment)


def drop_search_index(
    namespace: Namespace, name: str, *, comment: Any = None, options: Mapping[str, Any]
) -> Command:
    """Remove one search index by name; there need be no such collection."""
    body = {"dropSearchIndex": namespace.collection, "name": name, **options}
    return _command(namespace, body, comment, needs_collection=False)


def update_search_index(
    namespace: Namespace,
    name: str,
    definition: Mapping[str, Any],
    *,
    comment: Any = None,
    options: Mapping[str, Any],
) -> Command:
    """Give one search index another definition; there need be no such collection."""
    body = {
        "updateSearchIndex": namespace.collection,
        "name": name,
        "definition": definition,
        **options,
    }
    return _command(namespace, body, comment, needs_collection=False)


def search_indexes_pipeline(name: str | None) -> list[Document]:
    """Return the pipeline that lists all search indexes, or the one of that name."""
    return [{"$listSearchIndexes": {} if name is None else {"name": name}}]


def _command(
    namespace: Namespace, body: Document, comment: Any, *, needs_collection: bool = True
) -> Command:
    if comment is not None:
        body["comment"] = comment
    tolerates = None if needs_collection else is_missing_namespace
    return write_command(next(iter(body)), namespace, body, _NO_CONCERN, tolerates=tolerates)
