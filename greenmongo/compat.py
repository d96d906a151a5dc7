"""Have libraries that import PyMongo use this driver: `replace_pymongo`, before they are imported.

From then on `pymongo`, `gridfs` and `motor` give the classes of this driver where they gave their
own: clients, databases, collections, cursors, sessions, change streams, GridFS. What PyMongo only
describes things with (results, errors, write models, read preferences, ...) is used by this driver
as well, and stays. Nothing is replaced unless it is asked for.

`python -m greenmongo run app.py` does so for a whole program.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from inspect import isclass, isfunction
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any

from greenmongo._hub.errors import MisuseError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Self

__all__ = ["Replacement", "replace_pymongo"]

_BY_NAME = (
    "change_stream", "client_session", "collection", "command_cursor", "cursor", "database",
    "encryption", "mongo_client",
)  # fmt: skip
_FACADES = {
    "pymongo": "greenmongo",
    **{f"pymongo.{name}": f"greenmongo.{name}" for name in _BY_NAME},
    "gridfs": "greenmongo.gridfs",
    "gridfs.grid_file": "greenmongo.gridfs.grid_file",
}
"""Modules that only pass names on: these are changed in place, for who has the module already."""
_WORKSHOPS = {
    **{
        f"pymongo.{side}.{name}": f"greenmongo.{side}.{name}"
        for side in ("synchronous", "asynchronous")
        for name in _BY_NAME
    },
    **{
        f"gridfs.{side}{rest}": f"greenmongo.gridfs.{side}{rest}"
        for side in ("synchronous", "asynchronous")
        for rest in ("", ".grid_file")
    },
}
"""Modules that PyMongo's own code works with, its hook for forks among it: it keeps them. Who
imports one of them from now on gets another module."""
_MOTOR = {
    "motor": "greenmongo.motor",
    "motor.core": "greenmongo.motor.core",
    "motor.motor_asyncio": "greenmongo.motor.motor_asyncio",
}
"""Motor makes its classes out of PyMongo's when it is imported, so it is not imported at all."""
_VALUES = {"CursorType", "ReturnDocument"}
"""Constants of which there are several, and each will do."""
_FAMILY = {"pymongo", "gridfs", "bson", "motor", "greenmongo", "bridge"}
"""Packages that may have PyMongo's classes, and keep them."""


@dataclass
class Replacement:
    """What `replace_pymongo` changed; `undo` gives PyMongo's classes back. A context manager.

    Attributes:
        names: what is replaced, as `module.name`.
        modules: the modules in `sys.modules` that are others now.
    """

    names: list[str] = field(default_factory=list)
    modules: list[str] = field(default_factory=list)
    _before: list[tuple[dict[str, Any], str, Any]] = field(default_factory=list, repr=False)

    def undo(self) -> None:
        """Put everything back; who imported a name meanwhile keeps it. Harmless a second time."""
        global _current
        while self._before:
            place, name, value = self._before.pop()
            if value is _NOTHING:
                place.pop(name, None)
            else:
                place[name] = value
        if _current is self:
            _current = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.undo()

    def __str__(self) -> str:
        return "greenmongo takes the place of " + ", ".join(sorted(self.names))

    def _set(self, place: dict[str, Any], name: str, value: Any) -> None:
        self._before.append((place, name, place.get(name, _NOTHING)))
        place[name] = value


_NOTHING = object()
_current: Replacement | None = None


def replace_pymongo() -> Replacement:
    """Have whoever imports `pymongo`, `gridfs` or `motor` from now on get this driver's classes.

    Call it first of all, before the libraries that it is for are imported. If it has been called
    and not been undone, nothing happens.

    Returns:
        what was changed; it can be undone.

    Raises:
        MisuseError: it is too late: others have imported classes of PyMongo's, or made subclasses
            of them. The error names them. Nothing was changed.
    """
    global _current
    if _current is not None:
        return _current
    pairs = {name: (import_module(name), import_module(ours)) for name, ours in _all_of_pymongo()}
    motor = {name: import_module(ours) for name, ours in _MOTOR.items()}
    replaced = {
        name: _differences(theirs, ours)
        for name, (theirs, ours) in pairs.items()
    }  # fmt: skip
    _refuse_if_taken(pairs, replaced)
    done = Replacement()
    for name, (theirs, _) in pairs.items():
        if name in _FACADES:
            for each, value in replaced[name].items():
                done._set(vars(theirs), each, value)
        else:
            _put_module(done, name, _Other(theirs, replaced[name]))
        done.names += [f"{name}.{each}" for each in replaced[name]]
    for name, ours in motor.items():
        _put_module(done, name, _motor_module(name, ours))
        done.names += [f"{name}.{each}" for each in ours.__all__]
    _current = done
    return done


def _all_of_pymongo() -> Iterator[tuple[str, str]]:
    yield from _FACADES.items()
    yield from _WORKSHOPS.items()


def _differences(theirs: ModuleType, ours: ModuleType) -> dict[str, Any]:
    """Return what our module has in the place of classes and functions of PyMongo's."""
    found = {}
    for name in ours.__all__:
        value = getattr(theirs, name, None)
        if name not in _VALUES and (isclass(value) or isfunction(value)):
            other = getattr(ours, name)
            if other is not value:
                found[name] = other
    return found


class _Other(ModuleType):
    """A module with some names of its own, and all others of the one whose place it takes."""

    def __init__(self, original: ModuleType, names: dict[str, Any]) -> None:
        super().__init__(original.__name__, original.__doc__)
        attributes = {
            name: value
            for name, value in vars(original).items()
            if name in {"__file__", "__loader__", "__package__", "__path__", "__spec__", "__all__"}
        }
        vars(self).update(attributes, **names)
        self._original = original

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)

    def __dir__(self) -> list[str]:
        return sorted({*dir(self._original), *vars(self)})


def _motor_module(name: str, ours: ModuleType) -> ModuleType:
    """Return a module that takes the place of one of Motor's, which need not be installed."""
    module = _Other(ours, {})
    module.__name__ = module.__package__ = name
    spec = ModuleSpec(name, None, is_package=name == "motor")
    if name == "motor":
        # What else is below it (`motor.aiohttp`) is found, if it is installed.
        installed = None if name in sys.modules else find_spec(name)
        places = getattr(sys.modules.get(name), "__path__", None)
        if installed is not None:
            places = installed.submodule_search_locations
        spec.submodule_search_locations = module.__path__ = list(places or [])
    else:
        module.__package__ = "motor"
    module.__spec__ = spec
    return module


def _put_module(done: Replacement, name: str, module: ModuleType) -> None:
    modules: Any = sys.modules
    done._set(modules, name, module)
    done.modules.append(name)
    parent, _, child = name.rpartition(".")
    if parent:
        done._set(vars(sys.modules[parent]), child, module)


def _refuse_if_taken(
    pairs: dict[str, tuple[ModuleType, ModuleType]], replaced: dict[str, dict[str, Any]]
) -> None:
    originals = {
        id(getattr(pairs[module][0], name)): f"{module}.{name}"
        for module, names in replaced.items()
        for name in names
    }
    originals |= {id(pairs[name][0]): name for name in _WORKSHOPS}
    for name in ("motor.core", "motor.motor_asyncio"):
        motor = sys.modules.get(name)
        originals |= {
            id(value): f"{name}.{each}"
            for each, value in vars(motor).items()
            if isclass(value) and each[0] != "_"
        } if motor else {}  # fmt: skip
    taken = sorted({*_holders(originals), *_subclasses(pairs, replaced)})
    if taken:
        raise MisuseError(
            f"PyMongo's classes are in use already: {', '.join(taken)}",
            "call greenmongo.compat.replace_pymongo() before these modules are imported, or start "
            "the program with `python -m greenmongo run`",
        )


def _holders(originals: dict[int, str]) -> Iterator[str]:
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in _FAMILY:
            continue
        # Some are no modules, or have attributes that are computed: only what is there counts.
        for attribute, value in list(getattr(module, "__dict__", {}).items()):
            if id(value) in originals:
                yield f"{name}.{attribute} (is {originals[id(value)]})"


def _subclasses(
    pairs: dict[str, tuple[ModuleType, ModuleType]], replaced: dict[str, dict[str, Any]]
) -> Iterator[str]:
    waiting = [
        getattr(pairs[module][0], name) for module, names in replaced.items() for name in names
    ]
    seen: set[Any] = set()
    while waiting:
        cls = waiting.pop()
        if not isclass(cls) or cls in seen:
            continue
        seen.add(cls)
        waiting += cls.__subclasses__()
        if cls.__module__.partition(".")[0] not in _FAMILY:
            yield f"{cls.__module__}.{cls.__qualname__} (derives from PyMongo's)"
