"""The way from here up to `bridge`, taken when a name of it is first asked for.

`greenmongo` is below `bridge` and does not import it when it is loaded. Its modules that show async
names have a `__getattr__` from here instead.

A project may have a module of its own that is called `bridge`. Then our package is loaded as
`greenmongo._bridge`, from the same files.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType

__all__ = ["LOCATION", "OTHER_NAME", "bridge_module", "module_of", "names_of_bridge"]

LOCATION = Path(__file__).parent.parent / "bridge"
"""Where our package is: beside this one."""
OTHER_NAME = "greenmongo._bridge"
"""What our package is called when the name `bridge` is taken."""


def bridge_module(name: str = "") -> ModuleType:
    """Return a module of our `bridge`, loading it if need be.

    Args:
        name: its name below `bridge`, such as `.motor`; none for the package itself.
    """
    return import_module(_root() + name)


def module_of(name: str) -> ModuleType:
    """Import a module of this project by the name that it has in the source text."""
    if name.partition(".")[0] == "bridge":
        return bridge_module(name.removeprefix("bridge"))
    return import_module(name)


def names_of_bridge(
    module: str, where: str = ""
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` for a module: what it promises and has not is in `bridge`.

    Args:
        module: the module's `__name__`; its `__all__` is what it promises.
        where: the module of `bridge` that has it, such as `.motor`.
    """
    own = vars(sys.modules[module])

    def get(name: str) -> Any:
        if name not in own["__all__"]:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        value = own[name] = getattr(bridge_module(where), name)
        return value

    def names() -> list[str]:
        return sorted({*own, *own["__all__"]})

    return get, names


def _root() -> str:
    if OTHER_NAME in sys.modules:
        return OTHER_NAME
    loaded = sys.modules.get("bridge")
    if loaded is not None:
        return "bridge" if _is_ours(loaded.__spec__) else OTHER_NAME
    return "bridge" if _is_ours(find_spec("bridge")) else OTHER_NAME


def _is_ours(spec: ModuleSpec | None) -> bool:
    # What has no file is a namespace, or was made by hand: somebody else's.
    return spec is not None and spec.origin is not None and _is_file_of_ours(Path(spec.origin))


def _is_file_of_ours(path: Path) -> bool:
    return path.resolve().parent == LOCATION.resolve()
