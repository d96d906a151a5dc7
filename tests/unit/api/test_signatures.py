"""Our public methods take what PyMongo's take: names, order and defaults."""

from __future__ import annotations

import inspect
from typing import Any

import pymongo.collection
import pymongo.command_cursor
import pymongo.cursor
import pymongo.database
import pytest

from greenmongo import Collection, CommandCursor, Cursor, Database, MongoClient

PAIRS = [
    (pymongo.MongoClient, MongoClient),
    (pymongo.database.Database, Database),
    (pymongo.collection.Collection, Collection),
    (pymongo.cursor.Cursor, Cursor),
    (pymongo.command_cursor.CommandCursor, CommandCursor),
]

DIFFERENT = {
    "Collection.__init__",  # no `create`: a constructor does no I/O
    "Collection.find",  # spelled out, where PyMongo says *args, **kwargs
    "Collection.find_one",
}


def functions(cls: type) -> dict[str, Any]:
    return {
        name: member
        for name, member in inspect.getmembers(cls, inspect.isfunction)
        if name == "__init__" or not name.startswith("_")
    }


OURS = {
    "Collection.bulk_write": ["on_progress"],
    "MongoClient.bulk_write": ["on_progress"],
    "Collection.insert_many": ["on_progress", "return_ids"],
    **{
        f"{cls}.{name}": ["timeout_mode"]
        for cls, names in {
            "Collection": [
                "aggregate",
                "aggregate_raw_batches",
                "list_indexes",
                "list_search_indexes",
            ],
            "Cursor": ["__init__"],
            "Database": ["aggregate", "list_collections"],
        }.items()
        for name in names
    },
    "Collection.with_options": ["timeout_ms"],
    "Database.cursor_command": ["cursor_type", "timeout_mode"],
    "Database.with_options": ["timeout_ms"],
    "MongoClient.start_session": ["snapshot_time", "default_timeout_ms"],
}
"""Keywords that PyMongo has not."""

SHARED = [
    pytest.param(
        theirs,
        ours,
        OURS.get(f"{our_class.__name__}.{name}", []),
        id=f"{our_class.__name__}.{name}",
    )
    for their_class, our_class in PAIRS
    for name, ours in functions(our_class).items()
    if (theirs := functions(their_class).get(name)) is not None
    and f"{our_class.__name__}.{name}" not in DIFFERENT
]


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    signature = inspect.signature(function)
    # Without self, which is positional-only with us where any keyword may follow.
    return [(p.name, p.kind, p.default) for p in signature.parameters.values()][1:]


@pytest.mark.parametrize(("theirs", "ours", "besides"), SHARED)
def test_a_method_takes_what_pymongos_takes(theirs: Any, ours: Any, besides: list[str]) -> None:
    found: list[tuple[str, Any, Any]] = []
    added: list[tuple[str, Any, Any]] = []
    for each in parameters(ours):
        (added if each[0] in besides else found).append(each)
    assert [(name, kind) for name, kind, _ in added] == [
        (name, inspect.Parameter.KEYWORD_ONLY) for name in besides
    ]
    assert found == parameters(theirs)


def test_find_takes_what_a_cursor_takes() -> None:
    of_cursor = parameters(pymongo.cursor.Cursor.__init__)[1:]
    *of_find, (ours, kind, _) = parameters(Collection.find)
    assert of_find == of_cursor
    assert (ours, kind) == ("timeout_mode", inspect.Parameter.KEYWORD_ONLY)
    assert [p[0] for p in parameters(Collection.find_one)] == [p[0] for p in of_find]
