"""The `_id` that a document gets before it is inserted."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument

__all__ = ["give_id"]


def give_id(document: Any) -> Any:
    """Return a document's `_id`, which is made and stored in it if it has none.

    Raw BSON cannot be changed: the server adds an id that the client never learns.
    """
    if isinstance(document, RawBSONDocument):
        return None
    assert isinstance(document, MutableMapping)
    if "_id" not in document:
        document["_id"] = ObjectId()
    return document["_id"]
