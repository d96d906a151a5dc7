"""`make compat`: the tests of libraries that use PyMongo or Motor, on this driver and on those.

    python -m tests.compat [--sources DIR] [--python PYTHON] [--write] [NAME ...]

What passes on PyMongo and not here is listed, and the exit code is 1 then.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.compat.libraries import LIBRARIES
from tests.compat.running import DRIVERS, run, sources_of
from tests.compat.table import Row, write_page

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Run the suites, print what differs, and return the exit code."""
    options = arguments()
    rows = []
    for library in LIBRARIES:
        if options.names and library.name not in options.names:
            continue
        folder = sources_of(library, options.sources, options.work, options.python)
        if folder is None:
            print(f"{library.title}: its source distribution has no tests; see --sources")
            continue
        results = {each: run(library, folder, each, options.python) for each in DRIVERS}
        row = Row.of(library.title, folder, results["pymongo"], results["greenmongo"])
        print(row.text, *(f"  {name}" for name in row.worse), sep="\n", flush=True)
        rows.append(row)
    if options.write:
        write_page(ROOT / "docs/reference/compatibility.md", rows)
    return int(any(row.worse for row in rows))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.compat", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of libraries; default: all")
    parser.add_argument("--sources", type=Path, metavar="DIR", help="checkouts of the libraries")
    parser.add_argument("--work", type=Path, default=ROOT / "build/compat", metavar="DIR")
    parser.add_argument("--python", type=Path, default=Path(sys.executable), metavar="PYTHON")
    parser.add_argument("--write", action="store_true", help="write the table of the docs")
    parser.add_argument("--needs", action="store_true", help="only print what pip must install")
    options = parser.parse_args()
    if options.needs:
        print(*sorted({each for library in LIBRARIES for each in library.all_needs}), sep="\n")
        sys.exit(0)
    return options


if __name__ == "__main__":
    sys.exit(main())
