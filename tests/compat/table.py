"""The table of results in the documentation."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Row", "write_page"]

BEGIN, END = "<!-- results -->\n", "<!-- end of results -->"


@dataclass(frozen=True)
class Row:
    """What became of one library's tests.

    Attributes:
        title: the library.
        version: which of it.
        theirs: how many tests passed, failed and were skipped on PyMongo or Motor.
        ours: the same on this driver.
        worse: the tests that passed there, and not here.
    """

    title: str
    version: str
    theirs: Counter[str]
    ours: Counter[str]
    worse: tuple[str, ...]

    @classmethod
    def of(cls, title: str, folder: Path, theirs: dict[str, str], ours: dict[str, str]) -> Row:
        """Compare two runs."""
        worse = sorted(
            name for name, outcome in theirs.items()
            if outcome == "passed" and ours.get(name) != "passed"
        )  # fmt: skip
        return cls(
            title, version_of(folder), Counter(theirs.values()), Counter(ours.values()), (*worse,)
        )

    @property
    def text(self) -> str:
        """One line of the table."""
        numbers = (self.theirs["passed"], self.ours["passed"], len(self.worse))
        return f"| {self.title} | {self.version} | {' | '.join(map(str, numbers))} |"


def version_of(folder: Path) -> str:
    """Return the commit of a checkout, or what the folder of a source distribution is called."""
    done = subprocess.run(
        ["git", "-C", folder, "log", "-1", "--format=%h of %cs"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or folder.name


def write_page(page: Path, rows: Sequence[Row]) -> None:
    """Put the rows in the place of those of the same libraries."""
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    table, after = rest.split(END)
    lines = table.splitlines()
    for row in rows:
        found = [n for n, line in enumerate(lines) if line.startswith(f"| {row.title} |")]
        if found:
            lines[found[0]] = row.text
        else:
            lines.append(row.text)
    table = re.sub(r"\n+", "\n", "\n".join(lines) + "\n")
    page.write_text(f"{before}{BEGIN}{table}{END}{after}", encoding="utf-8")
