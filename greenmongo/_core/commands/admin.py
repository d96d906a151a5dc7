"""Commands on databases, on collections as a whole, and whatever the user composes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from bson.codec_options import DEFAULT_CODEC_OPTIONS, CodecOptions
from pymongo.collation import validate_collation_or_none
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from greenmongo._core.command import Command, ReplyShape, Retryability
from greenmongo._core.commands.arguments import (
    new_collection_name,
    require_codec_options,
    require_mapping,
    require_read_mode,
)
from greenmongo._core.commands.write import write_command
from greenmongo._core.reply import is_missing_namespace
from greenmongo._core.sensitive_commands import is_sensitive, may_compress

if TYPE_CHECKING:
    from greenmongo._core.namespace import Namespace
    from greenmongo._core.types import Document, ReadMode

__all__ = [
    "create_collection",
    "drop_collection",
    "drop_database",
    "list_collections",
    "list_databases",
    "names_only",
    "rename_collection",
    "run_command",
    "validate",
]


def run_command(
    db: str,
    command: str | MutableMapping[str, Any],
    value: Any,
    *,
    read_preference: ReadMode | None,
    codec_options: CodecOptions[Any] | None,
    options: Mapping[str, Any],
    opens_cursor: bool = False,
    tolerates: Callable[[Document], bool] | None = None,
) -> Command:
    """Run any command; nothing is inherited, and nothing retried that a server has begun.

    Args:
        opens_cursor: somebody reads on if the reply has a cursor.
        tolerates: see `Command`.

    Raises:
        TypeError: `read_preference` or `codec_options` is something else.
    """
    if read_preference is not None:
        require_read_mode(read_preference)
    if codec_options is not None:
        require_codec_options(codec_options)
    body: Document = {command: value} if isinstance(command, str) else dict(command)
    body.update(options)
    for field in ("readConcern", "writeConcern"):
        if isinstance(body.get(field), Mapping):
            # They are looked into, and added to, where code of the user's must not run.
            body[field] = dict(body[field])
    concern = body.get("writeConcern")
    acknowledged = not isinstance(concern, Mapping) or concern.get("w") != 0
    # The caller's own: only its name tells what it is.
    name = next(iter(body))
    return Command(
        name,
        body,
        db,
        codec_options or DEFAULT_CODEC_OPTIONS,
        read_preference or ReadPreference.PRIMARY,
        retry=Retryability.UNKNOWN,
        shape=ReplyShape.CURSOR_IF_ANY if opens_cursor else ReplyShape.NOTHING,
        user_documents=opens_cursor,
        acknowledged=acknowledged,
        opens_cursor=opens_cursor,
        is_sensitive=is_sensitive(name, body),
        may_compress=may_compress(name),
        takes_max_time=name != "getMore",
        tolerates=tolerates,
    )


def create_collection(namespace: Namespace, options: Mapping[str, Any]) -> Command:
    """Create a collection explicitly."""
    body: Document = {"create": namespace.collection, **options}
    collation = validate_collation_or_none(body.pop("collation", None))
    for name in ("encryptedFields", "clusteredIndex"):
        if body.get(name):
            require_mapping(name, body[name])
    if "size" in body:
        body["size"] = float(body["size"])
    if collation is not None:
        body["collation"] = collation
    return write_command("create", namespace, body, namespace.write_concern)


def drop_collection(namespace: Namespace, *, comment: Any = None) -> Command:
    """Remove a collection, which need not exist."""
    body: Document = {"drop": namespace.collection}
    if comment is not None:
        body["comment"] = comment
    return write_command(
        "drop", namespace, body, namespace.write_concern, tolerates=is_missing_namespace
    )


def rename_collection(
    namespace: Namespace, new_name: str, *, comment: Any = None, options: Mapping[str, Any]
) -> Command:
    """Rename a collection within its database."""
    to = f"{namespace.db}.{new_collection_name(new_name)}"
    body: Document = {"renameCollection": namespace.full_name, "to": to, **options}
    if comment is not None:
        body["comment"] = comment
    given = body.pop("writeConcern", None)
    concern = namespace.write_concern if given is None else WriteConcern(**given)
    admin = namespace._replace(db="admin")
    return write_command("renameCollection", admin, body, concern, reads_after=False)


def list_collections(db: str, options: Mapping[str, Any]) -> Command:
    """Open a cursor over a database's collections."""
    body: Document = {"listCollections": 1, "cursor": {}, **options}
    return Command(
        "listCollections",
        body,
        db,
        read_preference=ReadPreference.PRIMARY,
        retry=Retryability.READ,
        shape=ReplyShape.FIRST_BATCH,
        opens_cursor=True,
    )


def names_only(query: Mapping[str, Any] | None) -> Document:
    """Return the listCollections options for names alone.

    The specification forbids `nameOnly` beside a filter on anything but the name.
    """
    if query is None:
        return {"nameOnly": True}
    require_mapping("filter", query)
    if not query or (len(query) == 1 and "name" in query):
        return {"filter": query, "nameOnly": True}
    return {"filter": query}


def validate(
    db: str,
    name: str,
    *,
    scandata: bool,
    full: bool,
    background: bool | None,
    comment: Any,
) -> Command:
    """Check a collection's structures for integrity."""
    body: Document = {"validate": name, "scandata": scandata, "full": full}
    if comment is not None:
        body["comment"] = comment
    if background is not None:
        body["background"] = background
    return Command("validate", body, db, read_preference=ReadPreference.PRIMARY)


def list_databases(options: Mapping[str, Any], *, comment: Any = None) -> Command:
    """List the deployment's databases, in one reply."""
    body: Document = {"listDatabases": 1, **options}
    if comment is not None:
        body["comment"] = comment
    return Command(
        "listDatabases",
        body,
        "admin",
        read_preference=ReadPreference.PRIMARY,
        retry=Retryability.READ,
        shape=ReplyShape.DATABASES,
    )


def drop_database(namespace: Namespace, *, comment: Any = None) -> Command:
    """Remove a database."""
    body: Document = {"dropDatabase": 1}
    if comment is not None:
        body["comment"] = comment
    return write_command("dropDatabase", namespace, body, namespace.write_concern)
