"""Our package `bridge` under another name, where a module of the program has that one.

Its files are those of `bridge`. When they import `bridge`, they get what is called
`greenmongo._bridge` here: each module that is loaded so sees an `import` statement of its own.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from types import ModuleType
from typing import Any

from greenmongo._bridge_door import LOCATION, OTHER_NAME

__path__ = [str(LOCATION)]


def _import(
    name: str,
    globals: Mapping[str, object] | None = None,
    locals: Mapping[str, object] | None = None,
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> ModuleType:
    """Import as the statement does, but `bridge` by its other name."""
    if level or name.partition(".")[0] != "bridge":
        return builtins.__import__(name, globals, locals, fromlist or (), level)
    other = f"{OTHER_NAME}{name.removeprefix('bridge')}"
    if fromlist:
        return builtins.__import__(other, globals, locals, fromlist)
    import_module(other)
    return sys.modules[OTHER_NAME]


class _Loader(SourceFileLoader):
    """Loads a file of `bridge` so that its `import` statements are those of this module."""

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": _import}
        super().exec_module(module)


class _Finder:
    """Finds the modules below this one in the directory of `bridge`."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith(f"{OTHER_NAME}."):
            return None
        place = LOCATION.joinpath(*fullname.removeprefix(f"{OTHER_NAME}.").split("."))
        if place.is_dir():
            file, packages = place / "__init__.py", [str(place)]
        else:
            file, packages = place.with_suffix(".py"), None
        if not file.is_file():
            return None
        loader = _Loader(fullname, str(file))
        return spec_from_file_location(
            fullname, file, loader=loader, submodule_search_locations=packages
        )


def _become_the_package(module: Any) -> None:
    sys.meta_path.insert(0, _Finder())
    _Loader(OTHER_NAME, str(LOCATION / "__init__.py")).exec_module(module)


_become_the_package(sys.modules[__name__])
