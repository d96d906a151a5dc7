"""Gives imported names their new home, and what is reached through a module as well."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar

import libcst as cst
from libcst.metadata import PositionProvider

from greenmongo.cli.migrate.homes import (
    LEGACY,
    Home,
    home_of,
    home_of_module,
    is_foreign,
)
from greenmongo.cli.migrate.paths import Dependencies, Reached, dotted, line_of, node_of, path_of
from greenmongo.cli.migrate.remarks import Remark

__all__ = ["ImportMover"]


class ImportMover(cst.CSTTransformer):
    """Changes the imports of a file.

    Args:
        is_legacy: the file was written for PyMongo 2: `MongoClient` is a client of then.
        rename: gives a name of Motor's another home; None leaves it where Motor's names are.
    """

    METADATA_DEPENDENCIES: ClassVar[Dependencies] = (PositionProvider,)

    def __init__(
        self, *, is_legacy: bool, rename: Callable[[str], Home | None] = lambda _: None
    ) -> None:
        super().__init__()
        self.remarks: list[Remark] = []
        self._is_legacy = is_legacy
        self._rename = rename
        self._through: set[str] = set()
        """Modules of the drivers that names are reached through: `import pymongo`."""
        self._homeless: set[str] = set()
        """What is reached through them and has no home here."""
        self.is_old_client_imported = False
        """Whether the clients of the file are of PyMongo 2's time by now."""

    def visit_Module(self, node: cst.Module) -> None:
        reached = Reached()
        node.visit(reached)
        self._through = reached.modules
        for path in reached.paths:
            root = path.partition(".")[0]
            if root in self._through and self._new_path(path) is None:
                self._homeless.add(path)

    def visit_Attribute(self, node: cst.Attribute) -> bool:
        # What is replaced is the whole path, not its beginning.
        path = path_of(node)
        return path is None or path.partition(".")[0] not in self._through

    # ---- from pymongo import ... ---------------------------------------------------------------

    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.BaseStatement | cst.FlattenSentinel[cst.BaseStatement]:
        """Change a line that imports; one that imports from several homes becomes several."""
        lines: list[cst.BaseStatement] = []
        small: list[cst.BaseSmallStatement] = []
        for statement in updated_node.body:
            if isinstance(statement, cst.ImportFrom):
                small += self._moved_from(statement, original_node)
            elif isinstance(statement, cst.Import):
                small += self._moved(statement, original_node)
            else:
                small.append(statement)
        if small == list(updated_node.body):
            return updated_node
        semicolon = cst.MaybeSentinel.DEFAULT
        for i, statement in enumerate(small):
            statement = statement.with_changes(semicolon=semicolon)
            is_first = i == 0
            lines.append(
                updated_node.with_changes(
                    body=[statement],
                    leading_lines=updated_node.leading_lines if is_first else [],
                    trailing_whitespace=updated_node.trailing_whitespace
                    if i == len(small) - 1
                    else cst.TrailingWhitespace(),
                )
            )
        return cst.FlattenSentinel(lines)

    def _moved_from(
        self, statement: cst.ImportFrom, line: cst.CSTNode
    ) -> list[cst.BaseSmallStatement]:
        if statement.module is None or statement.relative:
            return [statement]
        module = dotted(statement.module)
        if not is_foreign(module):
            return [statement]
        if isinstance(statement.names, cst.ImportStar):
            return [self._moved_star(statement, module, line)]
        homes: dict[str, list[cst.ImportAlias]] = {}
        for alias in statement.names:
            name = str(alias.name.value)
            home = self._home(module, name)
            if home is None:
                self._say_homeless(f"{module}.{name}", line)
                homes.setdefault(module, []).append(alias)
            else:
                homes.setdefault(home.module, []).append(self._alias(alias, home))
        if set(homes) == {module}:
            return [statement]
        return [_import_from(statement, *each, is_only=len(homes) == 1) for each in homes.items()]

    def _home(self, module: str, name: str) -> Home | None:
        if self._is_legacy and (module, name) == ("gridfs", "GridFS"):
            return Home(LEGACY, name)
        if self._is_legacy and name == "MongoClient" and module.startswith("pymongo"):
            self.is_old_client_imported = True
            return Home("greenmongo", "Connection")
        if module.startswith("motor"):
            renamed = self._rename(name)
            if renamed is not None:
                return renamed
        return home_of(module, name)

    def _alias(self, alias: cst.ImportAlias, home: Home) -> cst.ImportAlias:
        """Return how a name is imported from its new home, under the name that the file uses."""
        old = str(alias.name.value)
        changed = alias.with_changes(name=cst.Name(home.name), comma=cst.MaybeSentinel.DEFAULT)
        is_renamed_everywhere = self._rename(old) is not None
        if home.name == old or alias.asname is not None or is_renamed_everywhere:
            return changed
        return changed.with_changes(asname=cst.AsName(name=cst.Name(old)))

    def _moved_star(
        self, statement: cst.ImportFrom, module: str, line: cst.CSTNode
    ) -> cst.ImportFrom:
        home = home_of_module(module)
        self._say(line, f"`from {module} import *`: see whether each name that is used is there")
        return statement if home is None else statement.with_changes(module=node_of(home))

    # ---- import pymongo ------------------------------------------------------------------------

    def _moved(self, statement: cst.Import, line: cst.CSTNode) -> list[cst.BaseSmallStatement]:
        moved: list[cst.BaseSmallStatement] = []
        stays: list[cst.ImportAlias] = []
        for alias in statement.names:
            module = dotted(alias.name)
            home = home_of_module(module) if is_foreign(module) else None
            if home is None:
                if is_foreign(module):
                    self._say_homeless(module, line)
                stays.append(alias)
                continue
            if alias.asname is None and self._is_still_needed(module):
                stays.append(alias)
            renamed = alias.with_changes(name=node_of(home), comma=cst.MaybeSentinel.DEFAULT)
            moved.append(cst.Import(names=[renamed]))
        if not moved:
            return [statement]
        if stays:
            stays[-1] = stays[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
            moved.insert(0, statement.with_changes(names=stays))
        return moved

    def _is_still_needed(self, module: str) -> bool:
        return any(f"{path}.".startswith(f"{module}.") for path in self._homeless)

    def leave_Attribute(
        self, original_node: cst.Attribute, updated_node: cst.Attribute
    ) -> cst.BaseExpression:
        """Change what is reached through a module: `pymongo.errors.OperationFailure`."""
        path = path_of(original_node)
        if path is None or path.partition(".")[0] not in self._through:
            return updated_node
        new_path = self._new_path(path)
        if new_path is None:
            self._say_homeless(path, original_node)
            return updated_node
        return node_of(new_path)

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.BaseExpression:
        """Say where a module itself is used: handed to a function, perhaps."""
        if original_node.value in self._homeless:
            self._say(original_node, f"the module `{original_node.value}` itself is used here")
        return updated_node

    def visit_Import(self, node: cst.Import) -> bool:
        return False

    def visit_ImportFrom(self, node: cst.ImportFrom) -> bool:
        return False

    def _new_path(self, path: str) -> str | None:
        """Return how a path is written that begins with a module of one of the drivers."""
        for module, rest in _splits(path):
            if not is_foreign(module) or home_of_module(module) is None:
                continue
            name, _, further = rest.partition(".")
            home = home_of(module, name)
            if home is not None:
                return ".".join(filter(None, (home.module, home.name, further)))
        return None

    # ---- what is said --------------------------------------------------------------------------

    def _say_homeless(self, path: str, node: cst.CSTNode) -> None:
        self._say(node, f"`{path}` stays PyMongo's: there is nothing of that name here")

    def _say(self, node: cst.CSTNode, text: str) -> None:
        line = line_of(self, node)
        remark = Remark(line, text)
        if remark not in self.remarks:
            self.remarks.append(remark)


def _splits(path: str) -> Iterator[tuple[str, str]]:
    """Yield a path cut into module and rest, the longest module first."""
    parts = path.split(".")
    for i in range(len(parts) - 1, 0, -1):
        yield ".".join(parts[:i]), ".".join(parts[i:])


def _import_from(
    statement: cst.ImportFrom, module: str, aliases: Sequence[cst.ImportAlias], *, is_only: bool
) -> cst.ImportFrom:
    if is_only:  # keep the layout of a list in parentheses
        return statement.with_changes(
            module=node_of(module), names=_with_commas(statement, aliases)
        )
    names = [alias.with_changes(comma=cst.MaybeSentinel.DEFAULT) for alias in aliases]
    return statement.with_changes(module=node_of(module), names=names, lpar=None, rpar=None)


def _with_commas(
    statement: cst.ImportFrom, aliases: Sequence[cst.ImportAlias]
) -> list[cst.ImportAlias]:
    assert not isinstance(statement.names, cst.ImportStar)
    return [
        new.with_changes(comma=old.comma) for old, new in zip(statement.names, aliases, strict=True)
    ]
