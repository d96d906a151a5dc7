"""`migrate`: move code from PyMongo 4, Motor or PyMongo 2 to this driver."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from greenmongo.cli.migrate.source import Moved

__all__ = ["add_to"]

SKIPPED = {"build", "dist", "node_modules", "site-packages", "venv", "__pycache__"}
EXAMPLES = """examples:
  python -m greenmongo migrate src           show what would change, and what to look at
  python -m greenmongo migrate src --write   change it
  python -m greenmongo migrate src --async   Motor's classes become PyMongo's async ones
"""


def add_to(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this command to the command line."""
    help_text = "move code from PyMongo, Motor or PyMongo 2 to this driver"
    parser = commands.add_parser(
        "migrate",
        help=help_text,
        description=help_text,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="files or folders")
    parser.add_argument("--write", action="store_true", help="change the files")
    parser.add_argument(
        "--async",
        action="store_true",
        dest="motor_becomes_async",
        help="turn Motor's classes into PyMongo's async ones, awaits included",
    )
    parser.set_defaults(run=run, usage_error=parser.error)


def run(options: argparse.Namespace) -> int:
    """Show or make the changes; return 1 if something could not be read, else 0."""
    try:
        from greenmongo.cli.migrate.source import move_source
    except ImportError as error:
        if error.name is None or not error.name.startswith("libcst"):
            raise
        text = "greenmongo: migrate needs libcst: pip install 'greenmongo[migrate]'"
        print(text, file=sys.stderr)
        return 2
    import libcst

    for path in options.paths:
        if not path.exists():
            options.usage_error(f"{path} does not exist")
    report = Report(write=options.write)
    for path in files_below(options.paths):
        try:
            source = path.read_bytes()
            moved = move_source(source, motor_becomes_async=options.motor_becomes_async)
        except (libcst.ParserSyntaxError, UnicodeDecodeError, SyntaxError, OSError) as error:
            report.unreadable(path, error)
        else:
            report.add(path, source, moved)
    return report.finish()


def files_below(paths: list[Path]) -> Iterator[Path]:
    """Yield the Python files that are meant: what is installed or built is not."""
    for path in paths:
        if path.is_file():
            yield path
            continue
        for found in sorted(path.rglob("*.py")):
            folders = found.relative_to(path).parts[:-1]
            if not any(each in SKIPPED or each.startswith(".") for each in folders):
                yield found


class Report:
    """Says what changes, and collects what a person must look at."""

    def __init__(self, *, write: bool) -> None:
        self._write = write
        self._changed = 0
        self._remarks: list[str] = []
        self._unreadable: list[str] = []

    def add(self, path: Path, source: bytes, moved: Moved) -> None:
        """Show, or make, the changes of one file."""
        self._remarks += [f"{path}:{remark.line}: {remark.text}" for remark in moved.remarks]
        if moved.text == source:
            return
        self._changed += 1
        if self._write:
            path.write_bytes(moved.text)
            return
        old, new = (
            each.decode("utf-8", "replace").splitlines(keepends=True)
            for each in (source, moved.text)
        )
        for line in difflib.unified_diff(old, new, str(path), str(path)):
            print(
                line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n", end=""
            )

    def unreadable(self, path: Path, error: Exception) -> None:
        """Note a file that is no Python 3, or cannot be opened."""
        line = getattr(error, "raw_line", None) or getattr(error, "lineno", None)
        place = path if line is None else f"{path}:{line}"
        reason = error.strerror if isinstance(error, OSError) else "this is not Python 3"
        self._unreadable.append(f"{place}: left alone: {reason}")

    def finish(self) -> int:
        """Say what is left to a person; return the exit code."""
        for title, lines in (
            ("To look at:", self._remarks),
            ("Not read:", self._unreadable),
        ):
            if lines:
                print(title, *(f"  {line}" for line in lines), sep="\n")
        verb = "changed" if self._write else "to change"
        hint = "" if self._write or not self._changed else "; --write does it"
        files = _counted(self._changed, "file")
        lines_to_see = _counted(len(self._remarks), "line")
        print(f"{files} {verb}, {lines_to_see} to look at{hint}", file=sys.stderr)
        return 1 if self._unreadable else 0


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
