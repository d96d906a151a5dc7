"""Where the names of PyMongo, GridFS and Motor are found in this driver.

Whether a name is there is asked of the driver itself, so that this cannot fall behind.
"""

from __future__ import annotations

import importlib
from functools import cache
from importlib.util import find_spec
from types import ModuleType
from typing import NamedTuple

__all__ = ["Home", "LEGACY", "home_of", "home_of_module", "is_foreign"]

LEGACY = "greenmongo.legacy"

_MODULES = {
    "pymongo.connection": "greenmongo",
    "pymongo.replica_set_connection": "greenmongo",
    "pymongo.mongo_replica_set_client": "greenmongo",
    "pymongo.son_manipulator": LEGACY,
    "gridfs": "greenmongo.gridfs",
    "motor": "bridge.motor",
    "motor.motor_asyncio": "bridge.motor",
}
"""Modules that are called otherwise here; all others of PyMongo have their own name."""

_NAMES = {("pymongo.errors", "TimeoutError"): "WTimeoutError"}
"""Names of PyMongo 2 that mean something else, or nothing, today."""

_STAYS = ("gridfs.errors",)
"""Modules whose classes are the very same here."""


class Home(NamedTuple):
    """The module and the name there."""

    module: str
    name: str


def is_foreign(module: str) -> bool:
    """Tell whether a module is one of those that this driver takes the place of."""
    root = module.partition(".")[0]
    return root in {"pymongo", "gridfs", "motor"} and module not in _STAYS


def home_of_module(module: str) -> str | None:
    """Return the module that has the place of one of PyMongo's; None if there is none."""
    if not is_foreign(module):
        return None
    known = _MODULES.get(module)
    if known is not None:
        return known
    root, _, rest = module.partition(".")
    candidate = "greenmongo" if not rest else f"greenmongo.{rest}"
    return candidate if root == "pymongo" and _import(candidate) is not None else None


def home_of(module: str, name: str) -> Home | None:
    """Return where a name of a module of PyMongo's is here; None if it is nowhere."""
    new_module = home_of_module(module)
    if new_module is None:
        return None
    new_name = _NAMES.get((module, name), name)
    found = _import(new_module)
    if found is not None and not new_name.startswith("_") and _has(found, new_name):
        return Home(new_module, new_name)
    return None


def _has(module: ModuleType, name: str) -> bool:
    if hasattr(module, name):
        return True
    is_package = hasattr(module, "__path__")
    return is_package and find_spec(f"{module.__name__}.{name}") is not None


@cache
def _import(module: str) -> ModuleType | None:
    if any(part.startswith("_") for part in module.split(".")):
        return None
    try:
        return importlib.import_module(module)
    except ImportError:
        return None
