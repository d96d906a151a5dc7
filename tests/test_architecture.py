"""The shape of the code, checked: who may import what, and how long a module may grow.

The tables are the documentation. A new module needs a line here only if it is to be an exception.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("greenmongo", "bridge")
MAX_LINES = 600
MAX_LINES_IN = {
    "greenmongo._core": 450,
    "greenmongo._net": 450,
    "greenmongo._api": 450,
    "bridge": 450,
}
"""Packages whose modules must leave room to grow."""

# Lowest first; a module imports its own layer and those below. The longest matching prefix counts.
RANKS = {
    "greenmongo._wire": 0,
    "greenmongo._core": 1,
    "greenmongo._hub": 2,
    "greenmongo._net": 3,
    "greenmongo._api": 4,
    "greenmongo._legacy": 5,
    "greenmongo": 6,  # the public face: __init__, errors, monitoring, hub, lowlevel, embedded, cli
    "bridge": 7,
}
BRIDGE_RANKS = {
    "bridge.errors": 0,
    "bridge._crossing": 1,
    "bridge._plain": 1,
    "bridge._signature": 1,
    "bridge._delegate": 2,
    "bridge._": 3,  # _client, _collection, ...: facades, equal among themselves
    "bridge._legacy": 4,
    "bridge.motor": 4,
    "bridge": 5,
}
# The public modules that show names of `bridge`: checkers see the import, and when the program runs
# the name is looked up on first use, by the one module that may load `bridge`.
SHOW_BRIDGE = (
    "greenmongo.asynchronous",
    "greenmongo.errors",
    "greenmongo.gridfs",
    "greenmongo.motor",
)
# Islands: they use nothing of ours but what stands here, so that a test server never depends on
# the driver that it is there to test.
ISLANDS = {"greenmongo.embedded": ("greenmongo.embedded", "greenmongo._wire")}

# What is imported when it is needed: it stands on an optional package, or on the whole driver.
LAZY = {
    ("greenmongo.cli._bench", "greenmongo.cli.race"),
    ("greenmongo.cli._check", "greenmongo.cli.deployment"),
    ("greenmongo.cli._migrate", "greenmongo.cli.migrate.source"),
}

PURE = ("greenmongo._wire", "greenmongo._core")
IMPURE = {
    "gevent", "greenlet", "os", "random", "secrets", "select", "selectors", "socket", "ssl",
    "subprocess", "threading", "_thread", "time",
}  # fmt: skip
CONFINED = {
    "gevent": ("greenmongo._hub", "greenmongo._net", "bridge._crossing.lane"),
    "greenlet": ("greenmongo._hub", "greenmongo._net", "bridge._crossing.lane"),
    "asyncio": ("bridge", "greenmongo.cli.race", "greenmongo.cli._bench"),
    "anyio": (
        "bridge",
        # `async with MongoServer()` moves its blocking half to a thread, on any event loop.
        "greenmongo.embedded._threads",
    ),
    "trio": ("bridge",),
    "sniffio": ("bridge",),
}
PYMONGO_VALUES = {
    "auth_oidc", "collation", "driver_info", "encryption_options", "errors", "event_loggers",
    "monitoring", "operations", "read_concern", "read_preferences", "results", "server_api",
    "server_selectors", "uri_parser", "write_concern",
}  # fmt: skip
PYMONGO_NAMES = {  # they live nowhere else
    ("pymongo", "get_version_string"),
    ("pymongo", "has_c"),
    ("pymongo", "version"),
    ("pymongo", "version_tuple"),
    ("pymongo.collection", "ReturnDocument"),
    ("pymongo.encryption", "Algorithm"),
    ("pymongo.encryption", "QueryType"),
    ("pymongo.encryption", "RewrapManyDataKeyResult"),
    ("pymongo.encryption_shared", "Algorithm"),
    ("pymongo.encryption_shared", "QueryType"),
    ("pymongo.encryption_shared", "RewrapManyDataKeyResult"),
    ("pymongo.client_options", "ClientOptions"),  # only these tell what was registered globally
    ("pymongo.client_session", "SessionOptions"),
    ("pymongo.client_session", "TransactionOptions"),
    ("pymongo.client_session_shared", "SessionOptions"),
    ("pymongo.client_session_shared", "TransactionOptions"),
}
BESIDE_PYMONGO = ("greenmongo.cli.race",)
"""What measures PyMongo itself."""
WITHOUT_PYMONGO = ("greenmongo._wire", "greenmongo.embedded")

# Nowhere do modules import each other in a circle when they are loaded. In these packages they do
# not for their annotations either, but for a child that names its parent there.
WITHOUT_CIRCLES = ("greenmongo._wire", "greenmongo._core", "greenmongo._net", "bridge")
PARENTS: dict[str, tuple[str, ...]] = {
    "greenmongo._net.holder": (
        "greenmongo._net.connection",
        "greenmongo._net.pool",
    ),
    "bridge._request": ("bridge._client",),
    "bridge._session": ("bridge._client",),
    "bridge._database": ("bridge._client",),
    "bridge._collection": ("bridge._database",),
    "bridge._cursor": ("bridge._collection",),
    "bridge._legacy.database": ("bridge._legacy.client",),
    "bridge._legacy.collection": ("bridge._legacy.database",),
    "bridge._legacy.cursor": ("bridge._legacy.collection",),
}


@dataclass(frozen=True)
class Import:
    """One imported module (`name` is None for `import module`), and how it is written."""

    module: str
    name: str | None
    line: int
    relative: bool
    in_function: bool
    for_types: bool = False
    """Whether only type checkers see it."""


def is_within(module: str, prefixes: tuple[str, ...]) -> bool:
    return any(module == prefix or module.startswith(prefix + ".") for prefix in prefixes)


def rank(module: str, table: dict[str, int]) -> int:
    matches = [
        p for p in table if is_within(module, (p,)) or (p[-1] == "_" and module.startswith(p))
    ]
    return table[max(matches, key=len)]


def imports_of(tree: ast.Module) -> Iterator[Import]:
    def walk(node: ast.AST, in_function: bool, for_types: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield Import(alias.name, None, child.lineno, False, in_function, for_types)
            elif isinstance(child, ast.ImportFrom):
                for alias in child.names:
                    module, relative = child.module or "", child.level > 0
                    yield Import(module, alias.name, child.lineno, relative, in_function, for_types)
            inside = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef))
            checking = isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
            yield from walk(child, in_function or inside, for_types or checking)

    return walk(tree, False, False)


def shows_bridge(module: str, imported: Import) -> bool:
    return imported.for_types and (module == "greenmongo" or is_within(module, SHOW_BRIDGE))


def layer_violations(module: str, imported: Import, target: str) -> Iterator[str]:
    if rank(target, RANKS) > rank(module, RANKS) and not shows_bridge(module, imported):
        yield f"imports upward: {target}"
    if is_within(module, ("bridge",)):
        if is_within(target, ("bridge",)):
            if rank(target, BRIDGE_RANKS) > rank(module, BRIDGE_RANKS):
                yield f"imports upward within bridge: {target}"
        elif ".".join(target.split(".")[:2]).startswith("greenmongo._"):
            yield f"bridge imports a private module: {target}"
    for island, allowed in ISLANDS.items():
        if is_within(module, (island,)) and not is_within(target, allowed):
            yield f"{island} must not depend on {target}"
    if imported.in_function and (module, target) not in LAZY:
        yield f"lazy import of our own module: {target}"


def package_violations(module: str, imported: Import) -> Iterator[str]:
    top = imported.module.split(".")[0]
    if top in IMPURE and is_within(module, PURE):
        yield f"impure import in a pure layer: {imported.module}"
    if top in CONFINED and not is_within(module, CONFINED[top]):
        yield f"{top} is not for this layer"
    if top == "pymongo" and not is_within(module, BESIDE_PYMONGO):
        if is_within(module, WITHOUT_PYMONGO):
            yield "pymongo is not for this layer"
        is_value = imported.module.removeprefix("pymongo.") in PYMONGO_VALUES
        if not is_value and (imported.module, imported.name) not in PYMONGO_NAMES:
            yield f"not a public value module: {imported.module} ({imported.name})"
    names = [*imported.module.split("."), imported.name or ""]
    if top in {"bson", "pymongo"} and any(n.startswith("_") and n[:2] != "__" for n in names):
        yield f"private name: {imported.module} ({imported.name})"


def private_names(tree: ast.Module) -> tuple[set[str], dict[str, int]]:
    """Return the names with one underscore that a module defines, and the attributes it uses."""
    defined, used = set(), {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            defined.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            defined.add(node.id)
        elif isinstance(node, ast.Attribute) and re.match(r"_[^_]", node.attr):
            if isinstance(node.ctx, ast.Store):
                defined.add(node.attr)
            else:
                used[node.attr] = node.lineno
    return defined, used


@functools.cache
def names_of_the_bridge() -> set[str]:
    """Return what private names the modules of `bridge` may use: their own."""
    sources = (path.read_text(encoding="utf-8") for path in (ROOT / "bridge").rglob("*.py"))
    return set().union(*(private_names(ast.parse(source))[0] for source in sources))


def seam_violations(module: str, tree: ast.Module) -> Iterator[str]:
    if is_within(module, ("bridge",)):
        defined, used = private_names(tree)
        for name in used.keys() - defined - names_of_the_bridge():
            yield f"{module}:{used[name]}: private attribute of another package: {name}"


def violations(module: str, source: str) -> list[str]:
    """Return what is wrong with the source text of `module`, one line each."""
    found = []
    limit = next((n for p, n in MAX_LINES_IN.items() if is_within(module, (p,))), MAX_LINES)
    if (length := len(source.splitlines())) > limit:
        found.append(f"{module}: {length} lines, more than {limit}")
    tree = ast.parse(source)
    found += seam_violations(module, tree)
    for imported in imports_of(tree):
        where = f"{module}:{imported.line}"
        if imported.relative:
            found.append(f"{where}: relative import")
            continue
        if is_within(imported.module, PACKAGES):
            target = imported.module
            # `from greenmongo import _net` names a module too.
            if imported.name and (target in PACKAGES and imported.name.startswith("_")):
                target = f"{target}.{imported.name}"
            found += [f"{where}: {what}" for what in layer_violations(module, imported, target)]
        found += [f"{where}: {what}" for what in package_violations(module, imported)]
    return found


def graph_of(sources: Mapping[str, str], *, with_types: bool) -> dict[str, set[str]]:
    """Return which modules each module imports; without those that are its parents' types."""
    graph = {}
    for module, source in sources.items():
        targets = set()
        for imported in imports_of(ast.parse(source)):
            whole = f"{imported.module}.{imported.name}"
            target = whole if whole in sources else imported.module
            is_parent = target in PARENTS.get(module, ())
            if not imported.for_types or (with_types and not is_parent):
                targets.add(target)
        graph[module] = targets & sources.keys() - {module}
    return graph


def circular(graph: Mapping[str, set[str]]) -> list[str]:
    """Return the modules that import themselves by way of others."""

    def reachable(module: str) -> set[str]:
        seen: set[str] = set()
        waiting = set(graph[module])
        while waiting:
            seen.add(each := waiting.pop())
            waiting |= graph[each] - seen
        return seen

    return sorted(module for module in graph if module in reachable(module))


def modules() -> Iterator[tuple[str, Path]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            yield name.removesuffix(".__init__"), path


def documented_layers(page: str) -> list[str]:
    """Return the packages in the table of docs/explanation/architecture.md, lowest first."""
    return re.findall(r"^\| `([\w.]+)` \|", page, re.MULTILINE)


def test_the_documented_layers_are_these() -> None:
    page = (ROOT / "docs/explanation/architecture.md").read_text(encoding="utf-8")
    assert documented_layers(page) == sorted(RANKS, key=lambda package: RANKS[package])


@pytest.mark.parametrize(("module", "path"), list(modules()), ids=[name for name, _ in modules()])
def test_the_module_keeps_to_its_layer(module: str, path: Path) -> None:
    assert violations(module, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("greenmongo._wire.op_msg", "from greenmongo._core.types import Document"),
        ("greenmongo._core.retryable_errors", "import greenmongo._net.pool"),
        ("greenmongo._hub.thread", "from greenmongo import _net"),
        ("greenmongo._net.pool", "if TYPE_CHECKING:\n    from greenmongo._api.client import X"),
        ("greenmongo._api.client", "import greenmongo"),
        ("greenmongo._api.client", "import bridge"),
        ("greenmongo.cli", "from bridge import AsyncMongoClient"),
        ("greenmongo", "from bridge import AsyncMongoClient"),
        ("greenmongo.errors", "from bridge.errors import LoopClosed"),
        ("greenmongo.cli", "if TYPE_CHECKING:\n    from bridge import AsyncMongoClient"),
        ("bridge._client", "from greenmongo._net.pool import Pool"),
        ("bridge._crossing.lane", "from bridge._delegate import Facade"),
        ("bridge._delegate", "from bridge._client import AsyncMongoClient"),
        ("bridge._client", "from bridge.motor import MotorClient"),
        ("bridge._cursor", "from bridge._legacy.cursor import AsyncLegacyCursor"),
        ("bridge._legacy.client", "from bridge import run"),
        ("bridge._crossing.ports", "import gevent"),
        ("greenmongo._core.deadline", "import time"),
        ("greenmongo._core.auth.scram", "from secrets import token_bytes"),
        ("greenmongo._wire.framer", "import socket as s"),
        ("greenmongo._core.retryable_errors", "def f() -> None:\n    import random"),
        ("greenmongo._api.client", "from gevent.lock import RLock"),
        ("bridge._client", "import gevent"),
        ("bridge._cursor", "def f(it: Any) -> None:\n    it._refill()"),
        ("greenmongo._hub.waiter", "import asyncio"),
        ("greenmongo.embedded._server", "import anyio.to_thread"),
        ("greenmongo._wire.op_msg", "from pymongo.errors import PyMongoError"),
        ("greenmongo.embedded._server", "from pymongo.errors import PyMongoError"),
        ("greenmongo.embedded._server", "from greenmongo._core.types import Document"),
        ("greenmongo._api.client", "import pymongo"),
        ("greenmongo._api.client", "from pymongo import InsertOne"),
        ("greenmongo._api.client", "from pymongo.common import validate_boolean"),
        ("greenmongo._api.client", "from pymongo.collection import Collection"),
        ("greenmongo._api.client", "from pymongo.synchronous.pool import Pool"),
        ("greenmongo._api.client", "from pymongo.operations import _Op"),
        ("greenmongo._core.reply", "from bson import _dict_to_bson"),
        ("greenmongo._api.client", "from . import database"),
        ("greenmongo._api.client", "from .database import Database"),
        ("greenmongo._api.client", "def f() -> None:\n    from greenmongo._net import pool"),
        ("greenmongo._hub.thread", "x = 1\n" * (MAX_LINES + 1)),
        *((package, "x = 1\n" * (limit + 1)) for package, limit in MAX_LINES_IN.items()),
    ],
    ids=lambda value: value.splitlines()[-1][:60],
)
def test_a_seeded_violation_is_caught(module: str, source: str) -> None:
    assert len(violations(module, source)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        (
            "greenmongo._net.pool",
            "import gevent\nimport socket\nfrom greenmongo._core import types",
        ),
        ("greenmongo._core.options", "from pymongo.uri_parser import parse_uri"),
        ("greenmongo", "if TYPE_CHECKING:\n    from bridge import AsyncMongoClient"),
        ("greenmongo.gridfs", "if TYPE_CHECKING:\n    from bridge import AsyncGridFS"),
        ("greenmongo._api.collection", "from pymongo.collection import ReturnDocument"),
        ("greenmongo._wire.op_msg", "import struct\nimport bson"),
        ("greenmongo.embedded._threads", "import anyio.to_thread"),
        (
            "bridge._client",
            "import greenmongo\nimport asyncio\nfrom greenmongo.lowlevel import HubThread",
        ),
        ("bridge._client", "from bridge._database import AsyncDatabase"),
        ("bridge._crossing.lane", "import gevent\nfrom bridge._crossing.ports import LoopPort"),
        ("greenmongo._wire.compression", "def f() -> None:\n    import zstandard"),
        ("greenmongo._hub.thread", "x = 1\n" * MAX_LINES),
        ("greenmongo._net.pool", "x = 1\n" * MAX_LINES_IN["greenmongo._net"]),
    ],
)
def test_what_the_rules_allow_passes(module: str, source: str) -> None:
    assert violations(module, source) == []


def all_sources() -> dict[str, str]:
    return {module: path.read_text(encoding="utf-8") for module, path in modules()}


def test_no_modules_load_each_other_in_a_circle() -> None:
    assert circular(graph_of(all_sources(), with_types=False)) == []


def test_no_modules_of_the_core_and_the_bridge_name_each_other_in_a_circle() -> None:
    sources = {name: it for name, it in all_sources().items() if is_within(name, WITHOUT_CIRCLES)}
    assert circular(graph_of(sources, with_types=True)) == []


def test_every_parent_is_named_by_its_child() -> None:
    sources = all_sources()
    named = {
        child: {each.module for each in imports_of(ast.parse(sources[child])) if each.for_types}
        for child in PARENTS
    }
    assert {child: named[child] >= set(parents) for child, parents in PARENTS.items()} == (
        dict.fromkeys(PARENTS, True)
    )


TYPES_ONLY = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    "


@pytest.mark.parametrize(
    "sources",
    [
        {
            "greenmongo._net.pool": "from greenmongo._net.holder import Holder",
            "greenmongo._net.holder": "from greenmongo._net.pool import Pool",
        },
        {
            "greenmongo._core.types": "import greenmongo._core.command",
            "greenmongo._core.command": f"{TYPES_ONLY}from greenmongo._core import types",
        },
        {
            "bridge._a": "from bridge import _b",
            "bridge._b": "def f() -> None:\n    from bridge import _c",
            "bridge._c": f"{TYPES_ONLY}from bridge._a import A",
        },
        {  # a parent's type is for annotations only
            "bridge._client": "from bridge._database import AsyncDatabase",
            "bridge._database": "from bridge._client import AsyncMongoClient",
        },
    ],
    ids=["pair", "types", "three", "parent"],
)
def test_a_seeded_circle_is_caught(sources: dict[str, str]) -> None:
    assert circular(graph_of(sources, with_types=True)) == sorted(sources)


def test_a_child_may_name_its_parent() -> None:
    sources = {
        "bridge._client": "from bridge._database import AsyncDatabase",
        "bridge._database": f"{TYPES_ONLY}from bridge._client import AsyncMongoClient",
    }
    assert circular(graph_of(sources, with_types=True)) == []


def test_a_module_beside_a_circle_is_in_none() -> None:
    sources = {
        "greenmongo._net.a": "import greenmongo._net.b",
        "greenmongo._net.b": "import greenmongo._net.c",
        "greenmongo._net.c": "import greenmongo._net.b",
    }
    assert circular(graph_of(sources, with_types=True)) == sorted(sources)[1:]
