"""Write the table of what must be awaited into docs/reference/bridge.md; --check only compares.

python docs/awaits.py [--check]
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bridge
from bridge._delegate import is_optionally_awaited

PAGE = Path(__file__).parent / "reference" / "bridge.md"
BEGIN, END = "<!-- awaits: begin -->\n", "<!-- awaits: end -->\n"
ENTERED = {bridge.AsyncMongoClient.start_request}
"""What begins with `await`, or with `async with`."""
COLUMNS = ("must be awaited", "may be awaited", "not awaited")


def column_of(member: Any) -> str | None:
    """Return where an attribute of a class belongs; None if it is no method and needs no await."""
    function = member.fget if isinstance(member, property) else member
    if is_optionally_awaited(function):
        return "may be awaited"
    if inspect.iscoroutinefunction(function) or function in ENTERED:
        return "must be awaited"
    return "not awaited" if inspect.isfunction(member) else None


def rows() -> Iterator[str]:
    """Yield the table, line by line."""
    yield f"| | {' | '.join(COLUMNS)} |"
    yield "| --- " * (len(COLUMNS) + 1) + "|"
    for name in bridge.__all__:
        thing = getattr(bridge, name)
        if not inspect.isclass(thing) or not name.startswith("Async"):
            continue
        found: dict[str, list[str]] = {column: [] for column in COLUMNS}
        for attribute in sorted(dir(thing)):
            # `send` and `throw` are the event loop's, `next` of what cannot be iterated nobody's.
            if attribute.startswith("_") or attribute in {"send", "throw"}:
                continue
            member = inspect.getattr_static(thing, attribute)
            column = column_of(member)
            if column is not None and not (attribute == "next" and column == "not awaited"):
                mark = "" if inspect.isfunction(member) else " (property)"
                found[column].append(f"`{attribute}`{mark}")
        yield f"| `{name}` | {' | '.join(', '.join(found[column]) for column in COLUMNS)} |"


def main() -> int:
    """Bring the page up to date, or tell whether it is."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    current = f"{before}{BEGIN}{chr(10).join(rows())}\n{END}{after}"
    if "--check" in sys.argv[1:]:
        return int(current != text)
    PAGE.write_text(current, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
