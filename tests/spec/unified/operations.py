"""What the unified format calls operations, in terms of PyMongo's methods.

What stands in no table here, the driver cannot do: tests with it are unsupported.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pymongo.driver_info import DriverInfo
from pymongo.errors import PyMongoError

from tests.spec.unified.arguments import UNSUPPORTED, Arguments, snake_case
from tests.spec.unified.outcomes import Mismatch, Unsupported
from tests.support.loop_actor import bare

__all__ = ["OPERATIONS", "Operation", "Primed"]

PATIENCE = 10.0


@dataclass(frozen=True)
class Operation:
    """How one operation is performed."""

    perform: Callable[[Any, Arguments], Any]
    """Called with the entity and the arguments; it takes out all of these."""
    returns: str = "value"
    """What is returned: a "value", whose documents may have more keys than expected, an "exact"
    one, or another entity by its kind, such as "cursor"."""


class Primed:
    """A find whose first document was already asked for: only then is the command sent."""

    def __init__(self, cursor: Any) -> None:
        self.cursor = cursor
        try:
            self._first = [cursor.next()]
        except StopIteration:
            self._first = []

    @property
    def alive(self) -> bool:
        """Whether there may be more documents."""
        return bool(self._first or self.cursor.alive)

    def next(self) -> Any:
        """Return the next document."""
        return self._first.pop() if self._first else self.cursor.next()


def _same(result: Any) -> Any:
    return result


def _method(
    name: str,
    *positional: str,
    unchanged: bool = False,
    shape: Callable[[Any], Any] = _same,
    returns: str = "value",
) -> Operation:
    """Make an operation of a method.

    Args:
        name: the method.
        positional: the arguments that have to be there, in order.
        unchanged: the method takes options of the command by their own names.
        shape: makes of the method's result what the format says is returned.
        returns: what that is.
    """

    def perform(target: Any, arguments: Arguments) -> Any:
        values = [arguments.required(argument) for argument in positional]
        keywords = arguments.keywords(unchanged)
        _check_keywords(getattr(bare(target), name), keywords)
        return shape(getattr(target, name)(*values, **keywords))

    return Operation(perform, returns)


def _check_keywords(method: Callable[..., Any], keywords: Mapping[str, Any]) -> None:
    parameters = inspect.signature(method).parameters.values()
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        unknown = keywords.keys() - {parameter.name for parameter in parameters}
        if unknown:
            raise Unsupported(f"{method.__name__} has no argument {sorted(unknown)}")


# ---- results --------------------------------------------------------------------------------


def _inserted_one(result: Any) -> dict[str, Any]:
    if not result.acknowledged:
        return {"acknowledged": False}
    return {"insertedId": result.inserted_id}


def _inserted_many(result: Any) -> dict[str, Any]:
    if not result.acknowledged:
        return {"acknowledged": False}
    ids = {str(number): each for number, each in enumerate(result.inserted_ids)}
    return {"insertedIds": ids, "insertedCount": len(ids)}


def _updated(result: Any) -> dict[str, Any]:
    if not result.acknowledged:
        return {"acknowledged": False}
    counts = {"matchedCount": result.matched_count, "modifiedCount": result.modified_count}
    if result.upserted_id is None:
        return {**counts, "upsertedCount": 0}
    return {**counts, "upsertedCount": 1, "upsertedId": result.upserted_id}


def _deleted(result: Any) -> dict[str, Any]:
    if not result.acknowledged:
        return {"acknowledged": False}
    return {"deletedCount": result.deleted_count}


# ---- operations that are more than one call -------------------------------------------------


def _start_find(collection: Any, arguments: Arguments) -> Any:
    criteria, wait = arguments.required("filter"), arguments.pop("maxAwaitTimeMS", None)
    keywords = _find_keywords(arguments)
    _check_keywords(bare(collection).find, keywords)
    cursor = collection.find(criteria, **keywords)
    return cursor if wait is None else cursor.max_await_time_ms(wait)


def _find_keywords(arguments: Arguments) -> dict[str, Any]:
    keywords = arguments.keywords()
    for name in ("sort", "hint"):
        if isinstance(keywords.get(name), Mapping):
            keywords[name] = list(keywords[name].items())
    return keywords


def _find_one(collection: Any, arguments: Arguments) -> Any:
    return collection.find_one(arguments.required("filter"), **_find_keywords(arguments))


def _find_and(method: str, *positional: str) -> Operation:
    def perform(collection: Any, arguments: Arguments) -> Any:
        values = [arguments.required(name) for name in positional]
        parameters = inspect.signature(getattr(bare(collection), method)).parameters
        # Options of the command, for which the method has no parameters.
        options = {
            name: arguments.pop(name)
            for name in list(arguments)
            if name not in UNSUPPORTED and snake_case(name) not in parameters
        }
        return getattr(collection, method)(*values, **_find_keywords(arguments), **options)

    return Operation(perform)


def _create_index(collection: Any, arguments: Arguments) -> Any:
    keys = list(arguments.required("keys").items())
    return collection.create_index(keys, **arguments.keywords(unchanged=True))


def _run_command(database: Any, arguments: Arguments) -> Any:
    arguments.pop("commandName", None)
    return database.command(arguments.required("command"), **arguments.keywords())


def _start_cursor_command(database: Any, arguments: Arguments) -> Any:
    arguments.pop("commandName", None)
    if "cursorType" in arguments:
        raise Unsupported("cursorType of a command")
    size, wait = arguments.pop("batchSize", None), arguments.pop("maxTimeMS", None)
    command = arguments.required("command")
    cursor = database.cursor_command(command, max_await_time_ms=wait, **arguments.keywords())
    return cursor if size is None else cursor.batch_size(size)


def _create_collection(database: Any, arguments: Arguments) -> None:
    name = arguments.required("collection")
    # Without a look first, which no test expects.
    database.create_collection(name, check_exists=False, **arguments.keywords(unchanged=True))


def _modify_collection(database: Any, arguments: Arguments) -> None:
    command = {"collMod": arguments.required("collection"), **arguments}
    arguments.clear()
    database.command(command)


def _append_metadata(client: Any, arguments: Arguments) -> None:
    client.append_metadata(DriverInfo(**arguments.required("driverInfoOptions")))


def _iterate_until_document(cursor: Any, arguments: Arguments) -> Any:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            return cursor.next()
        except StopIteration:
            if not cursor.alive:
                break
    raise Mismatch("the cursor has no more documents")


def _iterate_once(cursor: Any, arguments: Arguments) -> Any:
    if hasattr(cursor, "try_next"):
        return cursor.try_next()
    try:
        return cursor.next()
    except StopIteration:
        return None


def _close_cursor(cursor: Any, arguments: Arguments) -> None:
    try:
        (cursor.cursor if isinstance(cursor, Primed) else cursor).close()
    except PyMongoError:
        return  # as the format says: errors of closing do not count


# ---- the tables -----------------------------------------------------------------------------

_CLIENT = {
    "appendMetadata": Operation(_append_metadata),
    "close": _method("close"),
    "dropDatabase": _method("drop_database", "database"),
    "listDatabaseNames": _method("list_database_names", returns="exact"),
    "listDatabases": _method("list_databases", unchanged=True, shape=list),
}
_DATABASE = {
    "aggregate": _method("aggregate", "pipeline", unchanged=True, shape=list),
    "createCollection": Operation(_create_collection),
    "createCommandCursor": Operation(_start_cursor_command, returns="cursor"),
    "dropCollection": _method("drop_collection", "collection"),
    "listCollectionNames": _method("list_collection_names", unchanged=True, returns="exact"),
    "listCollections": _method("list_collections", unchanged=True, shape=list),
    "modifyCollection": Operation(_modify_collection),
    "runCommand": Operation(_run_command),
    "runCursorCommand": Operation(lambda *args: list(_start_cursor_command(*args))),
}
_COLLECTION = {
    "aggregate": _method("aggregate", "pipeline", unchanged=True, shape=list),
    "countDocuments": _method("count_documents", "filter", unchanged=True),
    "createFindCursor": Operation(lambda *args: Primed(_start_find(*args)), returns="cursor"),
    "createIndex": Operation(_create_index),
    "deleteMany": _method("delete_many", "filter", shape=_deleted),
    "deleteOne": _method("delete_one", "filter", shape=_deleted),
    "distinct": _method("distinct", "fieldName", "filter", unchanged=True, returns="exact"),
    "drop": _method("drop"),
    "dropIndex": _method("drop_index", "name", unchanged=True),
    "dropIndexes": _method("drop_indexes", unchanged=True),
    "estimatedDocumentCount": _method("estimated_document_count", unchanged=True),
    "find": Operation(lambda *args: list(_start_find(*args))),
    "findOne": Operation(_find_one),
    "findOneAndDelete": _find_and("find_one_and_delete", "filter"),
    "findOneAndReplace": _find_and("find_one_and_replace", "filter", "replacement"),
    "findOneAndUpdate": _find_and("find_one_and_update", "filter", "update"),
    "insertMany": _method("insert_many", "documents", shape=_inserted_many),
    "insertOne": _method("insert_one", "document", shape=_inserted_one),
    "listIndexes": _method("list_indexes", shape=list),
    "rename": _method("rename", "to", unchanged=True),
    "replaceOne": _method("replace_one", "filter", "replacement", shape=_updated),
    "updateMany": _method("update_many", "filter", "update", shape=_updated),
    "updateOne": _method("update_one", "filter", "update", shape=_updated),
}
_CURSOR = {
    "close": Operation(_close_cursor),
    "iterateOnce": Operation(_iterate_once),
    "iterateUntilDocumentOrError": Operation(_iterate_until_document),
}
OPERATIONS: Mapping[str, Mapping[str, Operation]] = {
    "client": _CLIENT,
    "collection": _COLLECTION,
    "cursor": _CURSOR,
    "database": _DATABASE,
}
