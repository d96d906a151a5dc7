"""createIndexes, dropIndexes and listIndexes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bson.codec_options import CodecOptions
from bson.son import SON
from pymongo.operations import IndexModel
from pymongo.read_preferences import ReadPreference

from greenmongo._core.command import Command, ReplyShape, Retryability
from greenmongo._core.commands.arguments import IndexKeys, index_name, index_pairs, require_list
from greenmongo._core.commands.write import write_command
from greenmongo._core.reply import is_missing_namespace

if TYPE_CHECKING:
    from greenmongo._core.namespace import Namespace
    from greenmongo._core.types import Document

__all__ = ["INDEX_CODEC", "create_indexes", "drop_index", "list_indexes"]

INDEX_CODEC: CodecOptions[Any] = CodecOptions(SON)
"""Index documents are SON, as PyMongo returns them; the order of keys matters."""


def create_indexes(
    namespace: Namespace,
    indexes: Sequence[IndexModel],
    *,
    comment: Any = None,
    options: Mapping[str, Any],
) -> Command:
    """Build indexes, all in one command."""
    require_list("indexes", indexes)
    for index in indexes:
        if not isinstance(index, IndexModel):
            raise TypeError(f"{index!r} is not an instance of pymongo.operations.IndexModel")
    documents = [index.document for index in indexes]
    body: Document = {"createIndexes": namespace.collection, "indexes": documents, **options}
    if comment is not None:
        body["comment"] = comment
    return write_command("createIndexes", namespace, body, namespace.write_concern)


def drop_index(
    namespace: Namespace, index: IndexKeys, *, comment: Any = None, options: Mapping[str, Any]
) -> Command:
    """Remove one index by name or keys, or all with `*`; there need be no such collection."""
    name = index_name(index_pairs(index)) if isinstance(index, list) else index
    if not isinstance(name, str):
        raise TypeError(f"index_or_name must be an instance of str or list, not {type(name)}")
    body: Document = {"dropIndexes": namespace.collection, "index": name, **options}
    if comment is not None:
        body["comment"] = comment
    return write_command(
        "dropIndexes", namespace, body, namespace.write_concern, tolerates=is_missing_namespace
    )


def list_indexes(namespace: Namespace, *, comment: Any = None) -> Command:
    """Open a cursor over a collection's indexes."""
    body: Document = {"listIndexes": namespace.collection, "cursor": {}}
    if comment is not None:
        body["comment"] = comment
    return Command(
        "listIndexes",
        body,
        namespace.db,
        INDEX_CODEC,
        ReadPreference.PRIMARY,
        retry=Retryability.READ,
        shape=ReplyShape.FIRST_BATCH,
        user_documents=True,
        opens_cursor=True,
    )
