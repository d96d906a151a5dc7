"""What PyMongo's write models hold. Nothing else looks into them.

The models are PyMongo's public classes, but what they were made of has no public names: it is read
from their slots. `tests/unit/core/test_bulk_models.py` fails when a release of PyMongo keeps it
elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pymongo.collation import validate_collation_or_none
from pymongo.operations import (
    DeleteMany,
    DeleteOne,
    InsertOne,
    ReplaceOne,
    UpdateMany,
    UpdateOne,
)

from greenmongo._core.commands.arguments import check_replacement, check_update, require_document

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["WriteModel", "read_model"]

_UPDATES = (UpdateOne, UpdateMany)
_DELETES = (DeleteOne, DeleteMany)


class WriteModel(NamedTuple):
    """One operation of a bulk write, whoever sends it."""

    kind: str
    """"insert", "update" or "delete"."""
    change: Any = None
    """The document to insert, the update, or the replacement."""
    filter: Any = None
    is_multi: bool = False
    is_replacement: bool = False
    upsert: bool | None = None
    collation: Mapping[str, Any] | None = None
    array_filters: Any = None
    hint: str | Mapping[str, Any] | None = None
    sort: Mapping[str, Any] | None = None
    namespace: str | None = None


def read_model(model: object) -> WriteModel:
    """Return what a model asks for, checked as PyMongo checks it.

    Raises:
        TypeError: it is no model, or holds what cannot be a document.
        ValueError: an update without operators, or a replacement with some.
    """
    held: Any = model
    if isinstance(model, InsertOne):
        require_document("document", held._doc)
        return WriteModel("insert", held._doc, namespace=held._namespace)
    if isinstance(model, _UPDATES):
        check_update(held._doc)
        return _update(held, is_multi=isinstance(model, UpdateMany))
    if isinstance(model, ReplaceOne):
        check_replacement(held._doc)
        return _update(held, is_replacement=True)
    if isinstance(model, _DELETES):
        return WriteModel(
            "delete",
            filter=held._filter,
            is_multi=isinstance(model, DeleteMany),
            collation=validate_collation_or_none(held._collation),
            hint=held._hint,
            namespace=held._namespace,
        )
    raise TypeError(f"{model!r} is not a valid request")


def _update(held: Any, *, is_multi: bool = False, is_replacement: bool = False) -> WriteModel:
    return WriteModel(
        "update",
        held._doc,
        held._filter,
        is_multi,
        is_replacement,
        held._upsert,
        validate_collation_or_none(held._collation),
        None if is_replacement else held._array_filters,
        held._hint,
        # PyMongo has it since 4.10.
        getattr(held, "_sort", None),
        held._namespace,
    )
