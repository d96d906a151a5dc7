"""What a person must look at, since no rule can decide it."""

from __future__ import annotations

import re
from typing import ClassVar, NamedTuple

import libcst as cst
from libcst.metadata import PositionProvider

from greenmongo.cli.migrate.paths import Dependencies, line_of

__all__ = ["Remark", "find_remarks", "looks_legacy"]


class Remark(NamedTuple):
    """Something to look at, at a line of a file."""

    line: int
    text: str


_KEYWORDS = {
    "safe": "write concern: `w=0` says that nobody waits; everything else is acknowledged",
    "slave_okay": "today `read_preference=ReadPreference.SECONDARY_PREFERRED`",
    "slaveOk": "today `readPreference=secondaryPreferred`",
    "network_timeout": "today `socketTimeoutMS`, or `timeoutMS`, in milliseconds",
    "drop_dups": "servers since 3.0 cannot do it: remove the duplicates first",
    "max_scan": "servers since 4.2 cannot do it: `max_time_ms` limits the time instead",
    "compile_re": "patterns come as `bson.regex.Regex`; `try_compile()` makes a pattern of one",
    "ssl_cert_reqs": "today `tlsAllowInvalidCertificates=True`, which turns all checks off",
    "ssl_keyfile": "today `tlsCertificateKeyFile`: certificate and key are one file",
    "ssl_certfile": "today `tlsCertificateKeyFile`: certificate and key are one file",
    "io_loop": "a client belongs to no loop here and can be used from all of them",
    "auto_encryption_opts": "client-side encryption is not there yet",
    "auto_start_request": "every context then keeps a connection: `max_pool_size` must allow that",
}

_ATTRIBUTES = {
    "_io_loop": "a client belongs to no loop here; this attribute does not exist",
    "get_io_loop": "a client belongs to no loop here; this is where futures belong by default",
    "delegate": "the blocking object: of the same client, so blocking code shares its pool",
    "fetch_next": "deprecated by Motor, too: `async for`",
    "next_object": "deprecated by Motor, too: `await cursor.next()`",
    "system_js": "stored JavaScript: servers since 4.2 do not run it",
    "set_cursor_manager": "there are no cursor managers here",
    "copy_database": "servers since 4.2 cannot do it: mongodump and mongorestore",
    "last_status": "servers since 5.1 cannot do it: see the write's own result",
    "previous_error": "servers since 4.2 cannot do it: a write raises its error itself",
    "reset_error_history": "servers since 4.2 cannot do it: a write raises its error itself",
}

_LEGACY_METHODS = {
    "group": "servers since 4.2 cannot do it: `aggregate` with `$group`",
    "eval": "servers since 4.2 cannot do it: `aggregate` with `$expr`, `$function`",
    "map_reduce": "works; `aggregate` is what servers are made for today",
    "insert": "works on what a `Connection` gives you; today `insert_one`, `insert_many`",
    "save": "works on what a `Connection` gives you; today `replace_one(..., upsert=True)`",
    "find_and_modify": "works on what a `Connection` gives you; today `find_one_and_update`",
}
"""Looked for in files that use PyMongo 2: the names are common ones."""

_LEGACY_MARKS = re.compile(
    r"\b(ReplicaSetConnection|MasterSlaveConnection|MongoReplicaSetClient|ensure_index|"
    r"collection_names|database_names|find_and_modify|start_request|end_request|"
    r"son_manipulator|pymongo\.connection|safe\s*=\s*(True|False))\b"
    r"|from\s+pymongo\s+import\s+[^\n]*\bConnection\b|\bpymongo\.Connection\b"
)


def looks_legacy(source: str) -> bool:
    """Tell whether a file was written for PyMongo 2."""
    return _LEGACY_MARKS.search(source) is not None


def find_remarks(module: cst.MetadataWrapper, *, is_legacy: bool) -> list[Remark]:
    """Return what is to be looked at in a file that uses one of the drivers."""
    finder = _Finder(is_legacy=is_legacy)
    module.visit(finder)
    return finder.found


class _Finder(cst.CSTVisitor):
    METADATA_DEPENDENCIES: ClassVar[Dependencies] = (PositionProvider,)

    def __init__(self, *, is_legacy: bool) -> None:
        super().__init__()
        self.found: list[Remark] = []
        self._methods = _LEGACY_METHODS if is_legacy else {}

    def _add(self, node: cst.CSTNode, text: str) -> None:
        self.found.append(Remark(line_of(self, node), text))

    def visit_Arg(self, node: cst.Arg) -> None:
        if node.keyword is not None and node.keyword.value in _KEYWORDS:
            name = node.keyword.value
            self._add(node, f"`{name}=`: {_KEYWORDS[name]}")

    def visit_Attribute(self, node: cst.Attribute) -> None:
        name = node.attr.value
        if name in _ATTRIBUTES:
            self._add(node, f"`{name}`: {_ATTRIBUTES[name]}")

    def visit_Call(self, node: cst.Call) -> None:
        if isinstance(node.func, cst.Attribute) and node.func.attr.value in self._methods:
            name = node.func.attr.value
            self._add(node, f"`{name}`: {self._methods[name]}")

    def visit_SimpleString(self, node: cst.SimpleString) -> None:
        named = re.match(r"(pymongo|motor|gridfs)\.[\w.]+$", str(node.raw_value))
        if named is not None:
            self._add(node, f"a string names `{named[0]}`: was it the driver's class or module?")
