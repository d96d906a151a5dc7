"""Run a library's tests on one driver, and read what became of each."""

from __future__ import annotations

import os
import subprocess
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

from greenmongo.embedded import MongoServer
from tests.compat.libraries import Library

__all__ = ["DRIVERS", "PORT", "run", "sources_of"]

DRIVERS = {
    "pymongo": ("-m", "pytest"),
    "greenmongo": ("-m", "greenmongo", "run", "-m", "pytest"),
}
"""What Python is given to run pytest on each driver."""
PORT = 27017
"""Most suites have it written in."""
LIMIT = 3600.0
"""Seconds that one suite may take."""


def run(library: Library, folder: Path, driver: str, python: Path) -> dict[str, str]:
    """Return the outcome of each test: passed, failed or skipped.

    Args:
        library: whose tests.
        folder: its sources.
        driver: a key of `DRIVERS`.
        python: an interpreter that has what the tests need.

    Raises:
        RuntimeError: pytest wrote no report.
    """
    with TemporaryDirectory() as place, MongoServer(port=PORT):
        report = Path(place, "report.xml")
        arguments = [
            *DRIVERS[driver], *library.tests, "-q", "-o", "addopts=", "-W", "default",
            "-p", "no:greenmongo", "-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:xdist",
            "--timeout", "120", f"--junitxml={report}", "--continue-on-collection-errors",
        ]  # fmt: skip
        if library.left_out:
            arguments += ["-k", " and ".join(f"not {part}" for part in library.left_out)]
        paths = [str(folder / library.source), str(folder), os.environ.get("PYTHONPATH", "")]
        done = subprocess.run(
            [python, *arguments],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        if not report.exists():
            raise RuntimeError(f"{library.title} on {driver}:\n{done.stdout}\n{done.stderr}")
        return outcomes(ElementTree.parse(report).getroot())


def outcomes(report: ElementTree.Element) -> dict[str, str]:
    """Read a report of pytest's in JUnit's format."""
    found = {}
    for case in report.iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            found[name] = "failed"
        elif "skipped" in kinds:
            found.setdefault(name, "skipped")
        else:
            found.setdefault(name, "passed")
    return found


def sources_of(library: Library, below: Path | None, work: Path, python: Path) -> Path | None:
    """Return the folder with a library's sources, from PyPI if need be; None if it has no tests.

    Args:
        library: which.
        below: a folder with checkouts; None: there is none.
        work: where a source distribution is unpacked.
        python: an interpreter with pip.
    """
    if below is not None and (below / library.name).is_dir():
        return below / library.name
    target = work / library.name
    if not target.is_dir():
        target.mkdir(parents=True)
        subprocess.run(
            [python, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:",
             "--dest", target, library.name],
            check=True,
        )  # fmt: skip
        with tarfile.open(next(target.glob("*.tar.gz"))) as archive:
            archive.extractall(target, filter="data")
    folder = next(path for path in target.iterdir() if path.is_dir())
    return folder if all((folder / each).exists() for each in library.tests) else None
