"""What the expressions of a file stand for that was written for Motor: a client, a collection...

Names are followed through the file: what they were assigned, what annotations say. A name that
means two things in two functions is taken for what it was last.
"""

from __future__ import annotations

import libcst as cst

from greenmongo.cli.migrate.homes import Home
from greenmongo.cli.migrate.paths import path_of

__all__ = ["CLASSES", "CLIENT", "COLLECTION", "CURSOR", "DATABASE", "SESSION", "Kinds", "is_client"]

CLASSES = {
    "AsyncIOMotorClient": Home("greenmongo", "AsyncMongoClient"),
    "AsyncIOMotorDatabase": Home("greenmongo.asynchronous.database", "AsyncDatabase"),
    "AsyncIOMotorCollection": Home("greenmongo.asynchronous.collection", "AsyncCollection"),
    "AsyncIOMotorCursor": Home("greenmongo.asynchronous.cursor", "AsyncCursor"),
    "AsyncIOMotorCommandCursor": Home(
        "greenmongo.asynchronous.command_cursor", "AsyncCommandCursor"
    ),
    "AsyncIOMotorChangeStream": Home("greenmongo.asynchronous.change_stream", "AsyncChangeStream"),
    "AsyncIOMotorClientSession": Home(
        "greenmongo.asynchronous.client_session", "AsyncClientSession"
    ),
    "AsyncIOMotorGridFSBucket": Home("greenmongo.gridfs", "AsyncGridFSBucket"),
    "AsyncIOMotorGridIn": Home("greenmongo.gridfs", "AsyncGridIn"),
    "AsyncIOMotorGridOut": Home("greenmongo.gridfs", "AsyncGridOut"),
    "AsyncIOMotorGridOutCursor": Home("greenmongo.gridfs", "AsyncGridOutCursor"),
}
"""What PyMongo calls the classes of Motor's, and where they are here."""

CLIENT, DATABASE, COLLECTION, CURSOR, SESSION, BUCKET, OTHER = (
    "client",
    "database",
    "collection",
    "cursor",
    "session",
    "bucket",
    "other",
)
_KINDS = {
    "AsyncIOMotorClient": CLIENT,
    "AsyncIOMotorDatabase": DATABASE,
    "AsyncIOMotorCollection": COLLECTION,
    "AsyncIOMotorCursor": CURSOR,
    "AsyncIOMotorClientSession": SESSION,
    "AsyncIOMotorGridFSBucket": BUCKET,
}

_RETURNS = {
    (CLIENT, "get_database"): DATABASE,
    (CLIENT, "get_default_database"): DATABASE,
    (CLIENT, "start_session"): SESSION,
    (DATABASE, "get_collection"): COLLECTION,
    (DATABASE, "create_collection"): COLLECTION,
    (DATABASE, "with_options"): DATABASE,
    (COLLECTION, "with_options"): COLLECTION,
    (COLLECTION, "find"): CURSOR,
}


class Kinds(cst.CSTVisitor):
    """Finds out what the names of a file stand for."""

    def __init__(self) -> None:
        super().__init__()
        self._of_path: dict[str, str] = {}

    def of(self, node: cst.BaseExpression) -> str | None:
        """Return what an expression is; None if that is not known."""
        if isinstance(node, cst.Await):
            return self.of(node.expression)
        if isinstance(node, cst.Call):
            return self._of_call(node)
        path = path_of(node)
        if path is not None and path in self._of_path:
            return self._of_path[path]
        if isinstance(node, cst.Attribute | cst.Subscript):
            below = {CLIENT: DATABASE, DATABASE: COLLECTION, COLLECTION: COLLECTION}
            return below.get(self.of(node.value) or "")
        return None

    def _of_call(self, node: cst.Call) -> str | None:
        path = path_of(node.func)
        if path is not None and path.rpartition(".")[2] in CLASSES:
            return _KINDS.get(path.rpartition(".")[2], OTHER)
        if not isinstance(node.func, cst.Attribute):
            return None
        owner, method = self.of(node.func.value), node.func.attr.value
        if owner == CURSOR and method not in {"to_list", "distinct", "explain"}:
            return CURSOR
        return _RETURNS.get((owner or "", method))

    def _learn(self, target: cst.BaseExpression, kind: str | None) -> None:
        path = path_of(target)
        if path is not None and kind is not None:
            self._of_path[path] = kind

    def visit_Assign(self, node: cst.Assign) -> None:
        for target in node.targets:
            self._learn(target.target, self.of(node.value))

    def visit_AnnAssign(self, node: cst.AnnAssign) -> None:
        kind = self._of_annotation(node.annotation)
        if kind is None and node.value is not None:
            kind = self.of(node.value)
        self._learn(node.target, kind)

    def visit_Param(self, node: cst.Param) -> None:
        if node.annotation is not None:
            self._learn(node.name, self._of_annotation(node.annotation))

    def visit_WithItem(self, node: cst.WithItem) -> None:
        if node.asname is not None:
            self._learn(node.asname.name, self.of(node.item))

    def _of_annotation(self, annotation: cst.Annotation) -> str | None:
        node = annotation.annotation
        if isinstance(node, cst.Subscript):
            node = node.value
        path = path_of(node)
        if path is None and isinstance(node, cst.SimpleString):
            path = str(node.raw_value)
        return None if path is None else _KINDS.get(path.rpartition(".")[2])


def is_client(node: cst.BaseExpression) -> bool:
    """Tell whether an expression is the class of Motor's clients."""
    path = path_of(node)
    return path is not None and _KINDS.get(path.rpartition(".")[2]) == CLIENT
