"""Dotted names in a syntax tree, and what a file reaches through the modules it imports."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeAlias

import libcst as cst
from libcst import MetadataDependent
from libcst.metadata import BaseMetadataProvider, PositionProvider

from greenmongo.cli.migrate.homes import is_foreign

__all__ = ["Dependencies", "Reached", "dotted", "line_of", "node_of", "path_of", "uses_driver"]

Dependencies: TypeAlias = Collection[type[BaseMetadataProvider[object]]]
"""What a visitor wants to know beside the tree."""

ROOTS = {"pymongo", "gridfs", "motor"}


def line_of(visitor: MetadataDependent, node: cst.CSTNode) -> int:
    """Return the line that a node begins in."""
    # Its type leaves room for a default that was not given.
    position: Any = visitor.get_metadata(PositionProvider, node)
    line: int = position.start.line
    return line


def path_of(node: cst.CSTNode) -> str | None:
    """Return a dotted name as it is written; None if something else is part of it."""
    parts: list[str] = []
    while isinstance(node, cst.Attribute):
        parts.append(node.attr.value)
        node = node.value
    if not isinstance(node, cst.Name):
        return None
    return ".".join([node.value, *reversed(parts)])


def dotted(node: cst.CSTNode) -> str:
    path = path_of(node)
    assert path is not None
    return path


def node_of(path: str) -> cst.Attribute | cst.Name:
    first, *rest = path.split(".")
    node: cst.Attribute | cst.Name = cst.Name(first)
    for part in rest:
        node = cst.Attribute(node, cst.Name(part))
    return node


def uses_driver(module: cst.Module) -> bool:
    """Tell whether a file imports PyMongo, GridFS or Motor."""
    finder = _Imports()
    module.visit(finder)
    return any(is_foreign(name) for name in finder.modules)


class _Imports(cst.CSTVisitor):
    def __init__(self) -> None:
        super().__init__()
        self.modules: list[str] = []

    def visit_Import(self, node: cst.Import) -> None:
        self.modules += [dotted(each.name) for each in node.names]

    def visit_ImportFrom(self, node: cst.ImportFrom) -> None:
        if node.module is not None and not node.relative:
            self.modules.append(dotted(node.module))


class Reached(cst.CSTVisitor):
    """Finds the modules that names are reached through, and these names."""

    def __init__(self) -> None:
        super().__init__()
        self.modules: set[str] = set()
        self.paths: list[str] = []

    def visit_Import(self, node: cst.Import) -> bool:
        for alias in node.names:
            module = dotted(alias.name)
            if is_foreign(module) and alias.asname is None:
                self.modules.add(module.partition(".")[0])
        return False

    def visit_Attribute(self, node: cst.Attribute) -> bool:
        path = path_of(node)
        if path is not None and path.partition(".")[0] in ROOTS:
            self.paths.append(path)
            return False
        return True

    def visit_Name(self, node: cst.Name) -> None:
        if node.value in ROOTS:
            self.paths.append(node.value)

    def visit_ImportFrom(self, node: cst.ImportFrom) -> bool:
        return False
