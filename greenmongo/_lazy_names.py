"""Names of a package that are imported when they are first asked for.

Most programs never use PyMongo 2.x's classes or GridFS, and should not pay for them at each start.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from greenmongo._bridge_door import module_of

__all__ = ["lazy_names"]


def lazy_names(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return what `package` needs as its `__getattr__` (PEP 562).

    Args:
        package: the package's name.
        homes: for each name, the module that has it. Ours, if it is of `bridge`.
    """

    def load(name: str) -> Any:
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(module_of(home), name)
        # From now on the name is found without asking here.
        setattr(sys.modules[package], name, value)
        return value

    return load
