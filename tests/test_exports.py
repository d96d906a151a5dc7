"""What the public modules promise in `__all__` is there, and nothing public is left out."""

from __future__ import annotations

import importlib
import types

import pytest

MODULES = [
    "bridge",
    "bridge.errors",
    "greenmongo",
    "greenmongo.embedded",
    "greenmongo.errors",
    "greenmongo.hub",
    "greenmongo.legacy",
    "greenmongo.monitoring",
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
        and attribute != "annotations"
        and not isinstance(value, types.ModuleType)
    }

    assert found - set(module.__all__) == set()


def test_the_errors_are_the_same_objects_everywhere() -> None:
    ours = importlib.import_module("greenmongo.errors")
    theirs = importlib.import_module("pymongo.errors")
    shared = {name for name in ours.__all__ if hasattr(theirs, name)}

    assert all(getattr(ours, name) is getattr(theirs, name) for name in shared)
    assert {"OperationFailure", "AutoReconnect", "DuplicateKeyError"} <= shared
