"""Turns code for Motor into code for PyMongo's async API, where the two disagree about `await`.

Which object an expression is, is found out by following names in the file: what a client, a
database, a collection was assigned to, or what an annotation says. Where that does not tell, the
method's name alone is no reason to change anything, and a person is asked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import libcst as cst
from libcst.metadata import ParentNodeProvider, PositionProvider

from greenmongo.cli.migrate.homes import Home
from greenmongo.cli.migrate.kinds import (
    CLASSES,
    CLIENT,
    COLLECTION,
    CURSOR,
    DATABASE,
    SESSION,
    Kinds,
    is_client,
)
from greenmongo.cli.migrate.paths import Dependencies, line_of
from greenmongo.cli.migrate.remarks import Remark

__all__ = ["Awaits", "new_name"]

_AWAITED = {
    CLIENT: {"close", "list_databases", "watch"},
    DATABASE: {"aggregate", "cursor_command", "list_collections", "watch"},
    COLLECTION: {
        "aggregate",
        "aggregate_raw_batches",
        "list_indexes",
        "list_search_indexes",
        "watch",
    },
    CURSOR: {"rewind"},
    SESSION: {"start_transaction"},
}
"""What PyMongo awaits, and Motor does not."""

_AWAITED_PROPERTIES = {
    CLIENT: {"address", "primary", "secondaries", "arbiters", "is_primary", "is_mongos"}
}

_NOT_AWAITED = {CLIENT: {"start_session"}}
"""What Motor awaits, and PyMongo does not."""

_ASKED = {"aggregate", "watch", "list_collections", "list_databases", "list_indexes"}
"""Names that hardly mean anything else, where the object is not known."""


def new_name(name: str) -> Home | None:
    """Return what PyMongo calls a class of Motor's."""
    return CLASSES.get(name)


class Awaits(cst.CSTTransformer):
    """Adds the awaits that PyMongo wants, takes away those that it does not."""

    METADATA_DEPENDENCIES: ClassVar[Dependencies] = (
        PositionProvider,
        ParentNodeProvider,
    )

    def __init__(self, rename: Callable[[str], Home | None] = new_name) -> None:
        super().__init__()
        self.remarks: list[Remark] = []
        self._kinds = Kinds()
        self._rename = rename
        self._functions: list[bool] = []
        """Of the functions around, whether each is a coroutine."""
        self._awaited: set[cst.CSTNode] = set()

    def visit_Module(self, node: cst.Module) -> None:
        # Twice: what is used before it is assigned, in the order of lines, is known then, too.
        node.visit(self._kinds)
        node.visit(self._kinds)

    def visit_FunctionDef(self, node: cst.FunctionDef) -> None:
        self._functions.append(node.asynchronous is not None)

    def leave_FunctionDef(
        self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef
    ) -> cst.FunctionDef:
        """Come out of a function."""
        self._functions.pop()
        return updated_node

    def visit_Lambda(self, node: cst.Lambda) -> None:
        self._functions.append(False)

    def leave_Lambda(self, original_node: cst.Lambda, updated_node: cst.Lambda) -> cst.Lambda:
        """Come out of a function."""
        self._functions.pop()
        return updated_node

    def visit_Await(self, node: cst.Await) -> None:
        self._awaited.add(node.expression)

    def leave_Await(self, original_node: cst.Await, updated_node: cst.Await) -> cst.BaseExpression:
        """Take an await away where PyMongo has none."""
        if self._is_one_of(original_node.expression, _NOT_AWAITED):
            inner = updated_node.expression
            return inner.with_changes(
                lpar=[*updated_node.lpar, *inner.lpar], rpar=[*inner.rpar, *updated_node.rpar]
            )
        return updated_node

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.BaseExpression:
        """Add an await, and leave out `io_loop`."""
        updated_node = self._without_loop(original_node, updated_node)
        if original_node in self._awaited:
            return updated_node
        if self._is_one_of(original_node, _AWAITED):
            return self._awaiting(original_node, updated_node)
        func = original_node.func
        if (
            isinstance(func, cst.Attribute)
            and func.attr.value in _ASKED
            and self._kinds.of(func.value) is None
        ):
            self._say(original_node, f"`{func.attr.value}`: if this is MongoDB's, await it")
        return updated_node

    def leave_Attribute(
        self, original_node: cst.Attribute, updated_node: cst.Attribute
    ) -> cst.BaseExpression:
        """Await what is a property that asks the server."""
        kind, name = self._kinds.of(original_node.value), original_node.attr.value
        if original_node in self._awaited or name not in _AWAITED_PROPERTIES.get(kind or "", ()):
            return updated_node
        return self._awaiting(original_node, updated_node)

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.Name:
        """Call a class what PyMongo calls it."""
        home = self._rename(original_node.value)
        return updated_node if home is None else updated_node.with_changes(value=home.name)

    def visit_ImportFrom(self, node: cst.ImportFrom) -> bool:
        return False

    def _is_one_of(self, node: cst.BaseExpression, methods: dict[str, set[str]]) -> bool:
        if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute):
            return False
        kind = self._kinds.of(node.func.value)
        return node.func.attr.value in methods.get(kind or "", ())

    def _awaiting(
        self, original: cst.BaseExpression, updated: cst.Call | cst.Attribute
    ) -> cst.BaseExpression:
        if not self._functions or not self._functions[-1]:
            self._say(original, "this is a coroutine now, and this function cannot await it")
            return updated
        parent = self.get_metadata(ParentNodeProvider, original)
        # `await` binds tighter than all operators but these.
        if isinstance(parent, cst.Attribute | cst.Subscript | cst.Call | cst.BinaryOperation):
            return cst.Await(updated, lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        return cst.Await(updated)

    def _without_loop(self, original: cst.Call, updated: cst.Call) -> cst.Call:
        if not is_client(original.func):
            return updated
        kept = [a for a in updated.args if a.keyword is None or a.keyword.value != "io_loop"]
        if len(kept) == len(updated.args):
            return updated
        if kept:
            kept[-1] = kept[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
        return updated.with_changes(args=kept)

    def _say(self, node: cst.CSTNode, text: str) -> None:
        self.remarks.append(Remark(line_of(self, node), text))
