"""What the unified format calls operations, in terms of PyMongo's methods.

What stands in no table here, the driver cannot do: tests with it are unsupported.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

from pymongo.driver_info import DriverInfo
from pymongo.errors import PyMongoError
from pymongo.operations import (
    DeleteMany,
    DeleteOne,
    InsertOne,
    ReplaceOne,
    SearchIndexModel,
    UpdateMany,
    UpdateOne,
)

from tests.spec.unified.arguments import UNSUPPORTED, Arguments, snake_case
from tests.spec.unified.operation import Operation, check_keywords, method, method_of
from tests.spec.unified.outcomes import Mismatch, Unsupported
from tests.spec.unified.results import (
    bulk_written,
    client_bulk_written,
    deleted,
    inserted_many,
    inserted_one,
    updated,
)
from tests.support.loop_actor import bare

__all__ = ["OPERATIONS", "Primed"]

PATIENCE = 30.0

_WRITES: Mapping[str, type[Any]] = {
    "deleteMany": DeleteMany,
    "deleteOne": DeleteOne,
    "insertOne": InsertOne,
    "replaceOne": ReplaceOne,
    "updateMany": UpdateMany,
    "updateOne": UpdateOne,
}


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

    def close(self) -> None:
        """Close the cursor."""
        self.cursor.close()

    def next(self) -> Any:
        """Return the next document."""
        return self._first.pop() if self._first else self.cursor.next()


# ---- operations that are more than one call -------------------------------------------------


def _start_find(collection: Any, arguments: Arguments) -> Any:
    criteria, wait = arguments.required("filter"), arguments.pop("maxAwaitTimeMS", None)
    keywords = _find_keywords(arguments)
    check_keywords(bare(collection).find, keywords)
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


def _find_and(name: str, *positional: str) -> Operation:
    def perform(collection: Any, arguments: Arguments) -> Any:
        values = [arguments.required(each) for each in positional]
        parameters = inspect.signature(method_of(collection, name)).parameters
        # Options of the command, for which the method has no parameters.
        options = {
            option: arguments.pop(option)
            for option in list(arguments)
            if option not in UNSUPPORTED and snake_case(option) not in parameters
        }
        return getattr(collection, name)(*values, **_find_keywords(arguments), **options)

    return Operation(perform)


def _run_command(database: Any, arguments: Arguments) -> Any:
    arguments.pop("commandName", None)
    return database.command(arguments.required("command"), **arguments.keywords())


def _start_cursor_command(database: Any, arguments: Arguments) -> Any:
    arguments.pop("commandName", None)
    size, wait = arguments.pop("batchSize", None), arguments.pop("maxTimeMS", None)
    command = arguments.required("command")
    keywords = arguments.keywords()
    check_keywords(method_of(database, "cursor_command"), keywords)
    cursor = database.cursor_command(command, max_await_time_ms=wait, **keywords)
    return cursor if size is None else cursor.batch_size(size)


def _create_collection(database: Any, arguments: Arguments) -> Any:
    name = arguments.required("collection")
    # Without a look first, which no test expects.
    return database.create_collection(
        name, check_exists=False, **arguments.keywords(unchanged=True)
    )


def _modify_collection(database: Any, arguments: Arguments) -> None:
    session = arguments.pop("session", None)
    command = {"collMod": arguments.required("collection"), **arguments}
    arguments.clear()
    database.command(command, session=session)


def _list_collection_objects(database: Any, arguments: Arguments) -> list[Any]:
    found = method("list_collections", unchanged=True).perform(database, arguments)
    return [database.get_collection(each["name"]).name for each in found]


def _list_database_objects(client: Any, arguments: Arguments) -> list[Any]:
    found = method("list_databases", unchanged=True).perform(client, arguments)
    return [client.get_database(each["name"]).name for each in found]


def _count(collection: Any, arguments: Arguments) -> Any:
    """Send the deprecated command, whose options the method for it takes."""
    query = arguments.required("filter")
    return collection.estimated_document_count(query=query, **arguments.keywords(unchanged=True))


def _map_reduce(collection: Any, arguments: Arguments) -> Any:
    """Run the command: PyMongo 4 has no method any more."""
    names = ("map", "reduce", "out")
    command = {"mapReduce": collection.name, **{n: arguments.required(n) for n in names}}
    reply = collection.database.command(command, **arguments.keywords(unchanged=True))
    return reply.get("results", [])


def _append_metadata(client: Any, arguments: Arguments) -> None:
    client.append_metadata(DriverInfo(**arguments.required("driverInfoOptions")))


def _pairs(keys: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return list(keys.items())


def _writes(descriptions: Sequence[Mapping[str, Any]]) -> list[Any]:
    return [_write(each) for each in descriptions]


def _write(description: Mapping[str, Any]) -> Any:
    """Make one of PyMongo's models of the description of a write."""
    ((name, facts),) = description.items()
    if name not in _WRITES:
        raise Mismatch(f"there is no write {name}")
    return _WRITES[name](**Arguments(facts).keywords())


def _search_index(facts: Mapping[str, Any]) -> SearchIndexModel:
    return SearchIndexModel(**facts)


def _search_indexes(models: Sequence[Mapping[str, Any]]) -> list[SearchIndexModel]:
    return [_search_index(facts) for facts in models]


def _list_search_indexes(collection: Any, arguments: Arguments) -> Any:
    arguments.update(arguments.pop("aggregationOptions", {}))
    return method("list_search_indexes", unchanged=True).perform(collection, arguments)


# ---- sessions -------------------------------------------------------------------------------


def _nothing(result: Any) -> None:
    return None


def _snapshot_time(session: Any, arguments: Arguments) -> Any:
    if not hasattr(type(bare(session)), "snapshot_time"):
        raise Unsupported("snapshot_time of a session")
    return session.snapshot_time


# ---- GridFS ---------------------------------------------------------------------------------


def _read(stream: Any) -> Any:
    return stream.read()


def _upload_arguments(arguments: Arguments) -> tuple[str, BytesIO, dict[str, Any]]:
    name, source = arguments.required("filename"), arguments.required("source")
    ((kind, text),) = source.items()
    if kind != "$$hexBytes":
        raise Mismatch(f"there is no source {kind}")
    if arguments.get("disableMD5"):
        del arguments["disableMD5"]  # there never is one
    keywords = arguments.keywords()
    if "content_type" in keywords:
        # GridFS, "Before Uploading": it belongs into the metadata.
        keywords["metadata"] = {
            **keywords.get("metadata", {}),
            "contentType": keywords.pop("content_type"),
        }
    return name, BytesIO(bytes.fromhex(text)), keywords


def _upload(bucket: Any, arguments: Arguments) -> Any:
    name, source, keywords = _upload_arguments(arguments)
    return bucket.upload_from_stream(name, source, **keywords)


def _upload_with_id(bucket: Any, arguments: Arguments) -> Any:
    id = arguments.required("id")
    name, source, keywords = _upload_arguments(arguments)
    return bucket.upload_from_stream_with_id(id, name, source, **keywords)


# ---- cursors --------------------------------------------------------------------------------


def _iterate_until_document(cursor: Any, arguments: Arguments) -> Any:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        document = _iterate_once(cursor, arguments)
        if document is not None:
            return document
        if not cursor.alive:
            raise Mismatch("the cursor has no more documents")
    raise Mismatch(f"no document within {PATIENCE} seconds")


def _iterate_once(cursor: Any, arguments: Arguments) -> Any:
    if hasattr(bare(cursor), "try_next"):
        return cursor.try_next()
    try:
        return cursor.next()
    except StopIteration:
        return None


def _close_cursor(cursor: Any, arguments: Arguments) -> None:
    try:
        cursor.close()
    except PyMongoError:
        return  # as the format says: errors of closing do not count


# ---- the tables -----------------------------------------------------------------------------

_WATCH = method("watch", "pipeline", returns="cursor")
_CLIENT = {
    "appendMetadata": Operation(_append_metadata),
    "clientBulkWrite": method("bulk_write", "models", convert=_writes, shape=client_bulk_written),
    "close": method("close"),
    "createChangeStream": _WATCH,
    "dropDatabase": method("drop_database", "database"),
    "listDatabaseNames": method("list_database_names", returns="exact"),
    "listDatabaseObjects": Operation(_list_database_objects),
    "listDatabases": method("list_databases", unchanged=True, shape=list),
}
_DATABASE = {
    "aggregate": method("aggregate", "pipeline", unchanged=True, lists=True),
    "createChangeStream": _WATCH,
    "createCollection": Operation(_create_collection, returns="collection"),
    "createCommandCursor": Operation(_start_cursor_command, "cursor", opens_cursor=True),
    "dropCollection": method("drop_collection", "collection"),
    "listCollectionNames": method("list_collection_names", unchanged=True, returns="exact"),
    "listCollectionObjects": Operation(_list_collection_objects),
    "listCollections": method("list_collections", unchanged=True, lists=True),
    "modifyCollection": Operation(_modify_collection),
    "runCommand": Operation(_run_command),
    "runCursorCommand": Operation(_start_cursor_command, opens_cursor=True, collect=list),
}
_COLLECTION = {
    "aggregate": method("aggregate", "pipeline", unchanged=True, lists=True),
    "bulkWrite": method("bulk_write", "requests", convert=_writes, shape=bulk_written),
    "count": Operation(_count),
    "countDocuments": method("count_documents", "filter", unchanged=True),
    "createChangeStream": _WATCH,
    "createFindCursor": Operation(_start_find, "cursor", opens_cursor=True, collect=Primed),
    "createIndex": method("create_index", "keys", unchanged=True, convert=_pairs),
    "createSearchIndex": method("create_search_index", "model", convert=_search_index),
    "createSearchIndexes": method("create_search_indexes", "models", convert=_search_indexes),
    "deleteMany": method("delete_many", "filter", shape=deleted),
    "deleteOne": method("delete_one", "filter", shape=deleted),
    "distinct": method("distinct", "fieldName", "filter", unchanged=True, returns="exact"),
    "drop": method("drop"),
    "dropIndex": method("drop_index", "name", unchanged=True),
    "dropIndexes": method("drop_indexes", unchanged=True),
    "dropSearchIndex": method("drop_search_index", "name"),
    "estimatedDocumentCount": method("estimated_document_count", unchanged=True),
    "find": Operation(_start_find, opens_cursor=True, collect=list),
    "findOne": Operation(_find_one),
    "findOneAndDelete": _find_and("find_one_and_delete", "filter"),
    "findOneAndReplace": _find_and("find_one_and_replace", "filter", "replacement"),
    "findOneAndUpdate": _find_and("find_one_and_update", "filter", "update"),
    "insertMany": method("insert_many", "documents", shape=inserted_many),
    "insertOne": method("insert_one", "document", shape=inserted_one),
    "listIndexes": method("list_indexes", lists=True),
    "listIndexNames": method("index_information", shape=list, returns="exact"),
    "listSearchIndexes": Operation(_list_search_indexes, opens_cursor=True, collect=list),
    "mapReduce": Operation(_map_reduce),
    "rename": method("rename", "to", unchanged=True),
    "replaceOne": method("replace_one", "filter", "replacement", shape=updated),
    "updateMany": method("update_many", "filter", "update", shape=updated),
    "updateOne": method("update_one", "filter", "update", shape=updated),
    "updateSearchIndex": method("update_search_index", "name", "definition"),
}
_SESSION = {
    "abortTransaction": method("abort_transaction"),
    "commitTransaction": method("commit_transaction"),
    "endSession": method("end_session"),
    "getSnapshotTime": Operation(_snapshot_time),
    # The block that it returns is for Python alone.
    "startTransaction": method("start_transaction", shape=_nothing),
    "withTransaction": method("with_transaction", "callback"),
}
_BUCKET = {
    "delete": method("delete", "id"),
    "deleteByName": method("delete_by_name", "filename"),
    "download": method("open_download_stream", "id", shape=_read),
    "downloadByName": method("open_download_stream_by_name", "filename", shape=_read),
    "drop": method("drop"),
    "find": method("find", "filter", shape=list),
    "rename": method("rename", "id", "newFilename"),
    "renameByName": method("rename_by_name", "filename", "newFilename"),
    "upload": Operation(_upload),
    "uploadWithId": Operation(_upload_with_id),
}
_CURSOR = {
    "close": Operation(_close_cursor),
    "iterateOnce": Operation(_iterate_once),
    "iterateUntilDocumentOrError": Operation(_iterate_until_document),
}
OPERATIONS: Mapping[str, Mapping[str, Operation]] = {
    "bucket": _BUCKET,
    "client": _CLIENT,
    "collection": _COLLECTION,
    "cursor": _CURSOR,
    "database": _DATABASE,
    "session": _SESSION,
}
