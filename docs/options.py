"""Write the tables of options into docs/reference/options.md; --check only compares.

python docs/options.py [--check]
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from greenmongo._core.options import ClientOptions
from greenmongo._core.options.table import GROUPS, Option

PAGE = Path(__file__).parent / "reference" / "options.md"
BEGIN, END = "<!-- options: begin -->\n", "<!-- options: end -->\n"
COLUMNS = ("in a URI", "as a keyword", "takes", "default", "meaning")
DEFAULTS = ClientOptions()


def default_of(option: Option) -> str:
    """Return what holds without the option, in the option's unit."""
    if option.default is not None:
        return option.default
    if option.field is None:
        raise ValueError(f"{option.name} has neither a default nor a field")
    value: Any = getattr(DEFAULTS, option.field)
    if value is None or value == ():
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value * 1000:g}" if option.is_kept_in_seconds else str(value)


def row(option: Option) -> str:
    """Return the option's line of a table."""
    names = [f"`{name}`" for name in (option.name, option.alias) if name]
    in_uri = f"`{option.name}`" if option.is_for_uris else ""
    cells = (in_uri, ", ".join(names), option.takes, default_of(option), option.meaning)
    return f"| {' | '.join(cells)} |"


def tables() -> Iterator[str]:
    """Yield a heading and a table for each group of options, line by line."""
    for heading, options in GROUPS.items():
        yield from ("", f"## {heading}", "", f"| {' | '.join(COLUMNS)} |")
        yield "| --- " * len(COLUMNS) + "|"
        yield from map(row, options)


def main() -> int:
    """Bring the page up to date, or tell whether it is."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    current = f"{before}{BEGIN}{chr(10).join(tables())}\n{END}{after}"
    if "--check" in sys.argv[1:]:
        return int(current != text)
    PAGE.write_text(current, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
