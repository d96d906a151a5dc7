"""Makes of PyMongo's results the documents that the unified format describes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = [
    "bulk_written",
    "client_bulk_written",
    "deleted",
    "inserted_many",
    "inserted_one",
    "partial_bulk_result",
    "updated",
]

Document = dict[str, Any]


def inserted_one(result: Any) -> Document:
    """Return an InsertOneResult as a document."""
    if not result.acknowledged:
        return {"acknowledged": False}
    return {"insertedId": result.inserted_id}


def inserted_many(result: Any) -> Document:
    """Return an InsertManyResult as a document."""
    if not result.acknowledged:
        return {"acknowledged": False}
    ids = {str(number): each for number, each in enumerate(result.inserted_ids)}
    return {"insertedIds": ids, "insertedCount": len(ids)}


def updated(result: Any) -> Document:
    """Return an UpdateResult as a document."""
    if not result.acknowledged:
        return {"acknowledged": False}
    counts = {"matchedCount": result.matched_count, "modifiedCount": result.modified_count}
    if result.upserted_id is None:
        return {**counts, "upsertedCount": 0}
    return {**counts, "upsertedCount": 1, "upsertedId": result.upserted_id}


def deleted(result: Any) -> Document:
    """Return a DeleteResult as a document."""
    if not result.acknowledged:
        return {"acknowledged": False}
    return {"deletedCount": result.deleted_count}


def bulk_written(result: Any) -> Document:
    """Return the result of a collection's bulk write as a document."""
    if not result.acknowledged:
        return {"acknowledged": False}
    return {
        "deletedCount": result.deleted_count,
        "insertedCount": result.inserted_count,
        "matchedCount": result.matched_count,
        "modifiedCount": result.modified_count,
        "upsertedCount": result.upserted_count,
        "upsertedIds": _by_index(result.upserted_ids or {}),
    }


def partial_bulk_result(details: Mapping[str, Any]) -> Document:
    """Return the result that a BulkWriteError tells of as a document."""
    return {
        "deletedCount": details["nRemoved"],
        "insertedCount": details["nInserted"],
        "matchedCount": details["nMatched"],
        "modifiedCount": details["nModified"],
        "upsertedCount": details["nUpserted"],
        "upsertedIds": {str(each["index"]): each["_id"] for each in details["upserted"]},
    }


def client_bulk_written(result: Any) -> Document:
    """Return the result of a client's bulk write as a document."""
    if not result.acknowledged:
        return {"acknowledged": False}
    counts = {
        "deletedCount": result.deleted_count,
        "insertedCount": result.inserted_count,
        "matchedCount": result.matched_count,
        "modifiedCount": result.modified_count,
        "upsertedCount": result.upserted_count,
    }
    if not result.has_verbose_results:
        return counts
    return {
        **counts,
        "insertResults": _by_index(
            {index: inserted_one(each) for index, each in result.insert_results.items()}
        ),
        "updateResults": _by_index(
            {index: _updated_by_client(each) for index, each in result.update_results.items()}
        ),
        "deleteResults": _by_index(
            {index: deleted(each) for index, each in result.delete_results.items()}
        ),
    }


def _updated_by_client(result: Any) -> Document:
    found = {"matchedCount": result.matched_count, "modifiedCount": result.modified_count}
    if result.did_upsert:
        found["upsertedId"] = result.upserted_id
    return found


def _by_index(found: Mapping[int, Any]) -> Document:
    return {str(index): each for index, each in found.items()}
