"""What a task gives crosses as plain documents: methods look into them on the hub thread.

They look at the first level only, as whether an update begins with an operator. What is further
inside is looked at when it is encoded, and where is decided then.
"""

from __future__ import annotations

from collections.abc import ItemsView, Mapping, Set
from typing import Any

from bson.int64 import Int64
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument
from bson.son import SON
from pymongo.operations import IndexModel, SearchIndexModel

__all__ = ["all_plain", "plain"]

_PLAIN = frozenset(
    {
        *(dict, str, int, float, bool, bytes, type(None), set, frozenset),
        *(SON, RawBSONDocument, ObjectId, Int64, IndexModel, SearchIndexModel),
    }
)
"""Classes that need no look: none of these runs code of the user's by itself."""

_LISTS = frozenset({list, tuple})


def all_plain(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return arguments with plain documents in place of the user's own. In the caller's place."""
    for arg in args:
        if type(arg) not in _PLAIN:
            args = tuple(map(plain, args))
            break
    if kwargs:
        for arg in kwargs.values():
            if type(arg) not in _PLAIN:
                kwargs = {name: plain(each) for name, each in kwargs.items()}
                break
    return args, kwargs


def plain(value: Any) -> Any:
    """Return a document, or a list with documents in it, that is no class of the user's."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind in _LISTS:
        for item in value:
            if type(item) not in _PLAIN and type(item) not in _LISTS:
                return kind(map(_plain_document, value))
        return value
    if isinstance(value, list):
        return list(map(_plain_document, value))
    if isinstance(value, (ItemsView, Set)):
        return list(value)
    return _plain_document(value)


def _plain_document(value: Any) -> Any:
    if type(value) in _PLAIN or not isinstance(value, Mapping):
        return value
    return {key: value[key] for key in value}
