"""What the public modules promise in `__all__` is there, and nothing public is left out."""

from __future__ import annotations

import importlib
import inspect
import types

import pymongo
import pytest

import bridge
import bridge.errors
import bridge.motor
import greenmongo
import greenmongo.errors
import greenmongo.motor.core
from greenmongo import asynchronous

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

PUBLIC = {
    "pymongo": "greenmongo",
    **{
        f"pymongo{where}.{name}": f"greenmongo{where}.{name}"
        for where in ("", ".synchronous", ".asynchronous")
        for name in (
            "change_stream",
            "client_session",
            "collection",
            "command_cursor",
            "cursor",
            "database",
            "encryption",
            "mongo_client",
        )
    },
    **{
        f"pymongo.{name}": f"greenmongo.{name}"
        for name in (
            "auth_oidc",
            "client_options",
            "collation",
            "cursor_shared",
            "driver_info",
            "encryption_options",
            "errors",
            "event_loggers",
            "monitoring",
            "operations",
            "pool",
            "read_concern",
            "read_preferences",
            "results",
            "server_api",
            "server_description",
            "topology_description",
            "uri_parser",
            "write_concern",
        )
    },
    **{
        f"gridfs{where}": f"greenmongo.gridfs{where}"
        for where in (
            "",
            ".asynchronous",
            ".asynchronous.grid_file",
            ".errors",
            ".grid_file",
            ".grid_file_shared",
            ".synchronous",
            ".synchronous.grid_file",
        )
    },
}
"""The modules that PyMongo's documentation names, and where their names are here."""

INSIDE_MATTERS = {
    # Helpers of PyMongo's own modules.
    "pymongo.collation": {"validate_collation_or_none"},
    "pymongo.write_concern": {"validate_boolean"},
    "pymongo.read_preferences": {
        "MovingAverage",
        "make_read_preference",
        "read_pref_mode_from_name",
    },
    "pymongo.encryption_options": {"check_min_pymongocrypt"},
    "pymongo.topology_description": {"updated_topology_description"},
    "gridfs.asynchronous.grid_file": {"AsyncGridOutIterator"},
    "gridfs.synchronous.grid_file": {"GridOutChunkIterator", "GridOutIterator"},
}

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
    "greenmongo.asynchronous",
    "greenmongo.motor",
    "greenmongo.motor.core",
    "greenmongo.motor.motor_asyncio",
    *PUBLIC.values(),
    *(f"greenmongo.{name}" for name in VALUES),
]


def public_names(module: types.ModuleType) -> set[str]:
    """Return what a module of PyMongo's offers: its `__all__`, or the classes it defines."""
    if hasattr(module, "__all__"):
        return {*module.__all__}
    return {
        name
        for name, value in vars(module).items()
        if (inspect.isclass(value) or inspect.isfunction(value))
        and name[0] != "_"
        and value.__module__ == module.__name__
    }


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_of_pymongos_module_can_be_imported_from_ours(name: str) -> None:
    try:
        theirs = importlib.import_module(name)
    except ModuleNotFoundError:
        pytest.skip("this release of PyMongo has no such module")
    ours = importlib.import_module(PUBLIC[name])
    names = public_names(theirs) - INSIDE_MATTERS.get(name, set())

    assert {each for each in names if not hasattr(ours, each)} == set()
    assert names - set(ours.__all__) == set()


def test_what_pymongo_promises_is_promised_here() -> None:
    assert set(pymongo.__all__) <= set(greenmongo.__all__)


MOTOR = ["core", "motor_asyncio"]


@pytest.mark.parametrize("name", MOTOR)
def test_every_name_of_motors_that_libraries_use_can_be_imported_from_ours(name: str) -> None:
    theirs = importlib.import_module(f"motor.{name}")
    ours = importlib.import_module(f"greenmongo.motor.{name}")
    names = {each for each in public_names(theirs) if each.startswith(("AsyncIO", "Agnostic"))}

    assert names - set(ours.__all__) == WITHOUT_TWIN.get(name, set())


WITHOUT_TWIN = {
    "core": {
        "AgnosticBaseProperties",
        "AgnosticRawBatchCommandCursor",
        "AgnosticRawBatchCursor",
    }
}
"""Motor's bases and cursors that have no counterpart with its habits."""


def test_all_that_is_in_the_bridge_is_in_greenmongo_too() -> None:
    assert [
        name for name in bridge.__all__ if getattr(asynchronous, name) is not getattr(bridge, name)
    ] == []
    # `greenmongo.run` is the blocking one.
    assert {*bridge.__all__} - {"run"} <= {*greenmongo.__all__}
    assert {*bridge.errors.__all__} <= {*greenmongo.errors.__all__}
    assert {*bridge.motor.__all__} <= {*greenmongo.motor.__all__}


def test_a_name_that_is_not_there_is_not_there() -> None:
    for module in (greenmongo, asynchronous, greenmongo.motor.core):
        with pytest.raises(AttributeError, match=f"module '{module.__name__}' has no attribute"):
            _ = module.AsyncNothing
        assert {*module.__all__} <= {*dir(module)}


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
