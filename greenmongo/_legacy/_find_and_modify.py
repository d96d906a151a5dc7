"""The arguments of find_and_modify in PyMongo 2.x, as the command's builder takes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["FindAndModify", "translate_find_and_modify"]


@dataclass(frozen=True, slots=True)
class FindAndModify:
    """Keywords of `_core.commands.write.find_and_modify`."""

    arguments: dict[str, Any]
    inserts_unseen: bool
    """Whether "no document" in the answer may mean that one was inserted."""


def translate_find_and_modify(
    update: Mapping[str, Any] | None, *, upsert: bool, sort: Any, options: Mapping[str, Any]
) -> FindAndModify:
    """Sort the arguments; empty ones are not sent.

    Raises:
        ValueError: neither, or both, of `update` and `remove` are given.
    """
    rest = {name: value for name, value in options.items() if value}
    remove, new = bool(rest.pop("remove", False)), bool(rest.pop("new", False))
    if not update and not remove:
        raise ValueError("find_and_modify needs either update or remove")
    if update and remove:
        raise ValueError("find_and_modify cannot both update and remove")
    # Two names for one thing: today's and the command's.
    projection = rest.pop("projection", None) or rest.pop("fields", None)
    arguments: dict[str, Any] = {
        "projection": projection,
        "sort": sort or None,
        "upsert": upsert or None,
        "return_document": new,
        "options": {**rest, **({"remove": True} if remove else {"update": update})},
    }
    return FindAndModify(arguments, inserts_unseen=upsert and not new)
