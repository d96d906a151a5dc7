"""What the public modules promise in `__all__` is there, and nothing public is left out."""

from __future__ import annotations

import importlib
import types

import pytest

VALUES = [
    "collation",
    "driver_info",
    "errors",
    "monitoring",
    "operations",
    "read_concern",
    "read_preferences",
    "results",
    "server_api",
    "write_concern",
]
"""Modules of PyMongo's names, with PyMongo's classes."""

MODULES = [
    "bridge",
    "bridge.errors",
    "bridge.motor",
    "greenmongo",
    "greenmongo.client_session",
    "greenmongo.change_stream",
    "greenmongo.collection",
    "greenmongo.command_cursor",
    "greenmongo.cursor",
    "greenmongo.database",
    "greenmongo.embedded",
    "greenmongo.gridfs",
    "greenmongo.hub",
    "greenmongo.legacy",
    "greenmongo.lowlevel",
    "greenmongo.mongo_client",
    *(f"greenmongo.{name}" for name in VALUES),
]


@pytest.mark.parametrize("name", MODULES)
def test_every_promised_name_is_there_once(name: str) -> None:
    module = importlib.import_module(name)

    assert [export for export in module.__all__ if not hasattr(module, export)] == []
    assert len(set(module.__all__)) == len(module.__all__)


@pytest.mark.parametrize(
    "name", ["bridge", "bridge.errors", "greenmongo", "greenmongo.errors", "greenmongo.legacy"]
)
def test_what_has_no_underscore_is_promised(name: str) -> None:
    module = importlib.import_module(name)
    found = {
        attribute
        for attribute, value in vars(module).items()
        if not attribute.startswith("_")
        and attribute not in {"annotations", "TYPE_CHECKING"}
        and not isinstance(value, types.ModuleType)
    }

    assert found - set(module.__all__) == set()


@pytest.mark.parametrize("name", VALUES)
def test_values_and_errors_are_the_same_objects_as_pymongos(name: str) -> None:
    ours = importlib.import_module(f"greenmongo.{name}")
    theirs = importlib.import_module(f"pymongo.{name}")
    shared = {export for export in ours.__all__ if hasattr(theirs, export)}

    assert all(getattr(ours, export) is getattr(theirs, export) for export in shared)
    assert shared
    # Only errors are added to.
    assert name == "errors" or shared == set(ours.__all__)
