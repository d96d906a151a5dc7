"""Which keys a document may have, as PyMongo 2.x saw it. Servers since 5.0 take them all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bson.errors import InvalidDocument

__all__ = ["check_keys", "is_operators"]


def check_keys(document: Mapping[str, Any]) -> None:
    """Refuse keys, at any depth, that begin with `$` or contain a dot.

    Raises:
        InvalidDocument: there is one; it is named.
    """
    for key, value in document.items():
        if isinstance(key, str):
            if key.startswith("$"):
                raise InvalidDocument(f"key {key!r} must not start with '$'")
            if "." in key:
                raise InvalidDocument(f"key {key!r} must not contain '.'")
        _check_value(value)


def _check_value(value: Any) -> None:
    if isinstance(value, Mapping):
        check_keys(value)
    elif isinstance(value, list | tuple):
        _check_all(value)


def _check_all(values: Iterable[Any]) -> None:
    for value in values:
        _check_value(value)


def is_operators(document: Mapping[str, Any]) -> bool:
    """Tell, by its first key alone, whether an update has operators rather than a document."""
    first = next(iter(document), "")
    return isinstance(first, str) and first.startswith("$")
