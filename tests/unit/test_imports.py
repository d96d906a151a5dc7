"""What a program has imported when it begins: what it needs, and no more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.fix_hub import ROOT

pytestmark = pytest.mark.timeout(90)

OURS = ("bridge", "greenmongo")
MOST_OF_OURS = 275
"""Modules; each takes about 0.3 ms of every start, and what only some programs use can wait."""

WHEN_NEEDED = (
    "anyio",
    "bridge._gridfs",
    "bridge._legacy",
    "bridge._motor",
    "bridge.motor",
    "gevent.threadpool",
    "greenmongo._api.gridfs",
    "greenmongo._core.gridfs",
    "greenmongo._legacy",
    "greenmongo.cli",
    "greenmongo.embedded",
    "greenmongo.legacy",
    "gridfs",
    "motor",
    "pytest_greenmongo",
    "trio",
    "uvloop",
)


def python(*arguments: str, cwd: Path = ROOT) -> str:
    """Run Python in a process of its own; return what it prints."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def modules_after(statement: str) -> list[str]:
    """Return what is imported after a statement in a new process."""
    return python("-c", f"{statement}; import sys; print(*sys.modules)").split()


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


@pytest.mark.parametrize("package", OURS)
def test_what_only_some_programs_use_is_imported_when_it_is_used(package: str) -> None:
    loaded = modules_after(f"import {package}")
    assert package in loaded
    assert [name for name in loaded if any(within(name, late) for late in WHEN_NEEDED)] == []


def test_the_import_of_the_bridge_does_not_grow() -> None:
    loaded = modules_after("import bridge")
    ours = [name for name in loaded if any(within(name, package) for package in OURS)]
    assert len(ours) <= MOST_OF_OURS


def test_the_blocking_face_needs_no_async_one() -> None:
    assert [name for name in modules_after("import greenmongo") if within(name, "bridge")] == []


USES = """
import bridge
import greenmongo

assert greenmongo.Connection and bridge.AsyncGridFS

from bridge import AsyncConnection
from greenmongo import *
from greenmongo.errors import RemovedFromServer

assert GridFS and GridOutCursor and MongoClient
for package in (bridge, greenmongo):
    print(set(package.__all__) <= set(dir(package)))
    try:
        package.Nothing
    except AttributeError as error:
        print(error)
"""


def test_names_of_what_is_imported_late_are_there_and_no_others() -> None:
    assert python("-c", USES).splitlines() == [
        "True",
        "module 'bridge' has no attribute 'Nothing'",
        "True",
        "module 'greenmongo' has no attribute 'Nothing'",
    ]


STARTED_WITHOUT = """
import sys

def test_it():
    ours = [name for name in sys.modules if name.split(".")[0] in ("bridge", "greenmongo")]
    assert "pytest_greenmongo" in sys.modules
    assert ours == []
    assert not {"anyio", "bson", "gevent", "pymongo"} & sys.modules.keys()
"""


def test_the_plugin_imports_no_driver_until_a_fixture_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "test_it.py").write_text(STARTED_WITHOUT)
    # Without the plugins of others, which may import anything.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    options = ["-q", "-p", "pytest_greenmongo", "-c", os.devnull, "--rootdir=."]
    said = python("-m", "pytest", *options, cwd=tmp_path)
    assert "1 passed" in said
